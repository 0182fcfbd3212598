"""Publishing, seen by the hooks; and publishing many messages so that each key keeps its order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_publisher import IMessagePublisher

__all__ = ["ordering_key", "publish_in_order", "publish_observed"]


async def publish_observed(publisher: IMessagePublisher, topic: str, message: MessageEnvelope | DomainEvent) -> None:
    """Publish inside the hook ``publisher.publish.{topic}``."""
    hooks = get_hook_registry()
    if not hooks:
        await publisher.publish(topic, message)
        return
    if isinstance(message, DomainEvent):
        message_type, message_id = message.event_type, message.event_id
    else:
        message_type, message_id = message.message_type, message.message_id
    attributes = {
        "topic": topic,
        "message.type": message_type,
        "message.id": message_id,
        "correlation_id": message.correlation_id,
    }
    await hooks.execute_all(f"publisher.publish.{topic}", attributes, lambda: publisher.publish(topic, message))


def ordering_key(envelope: MessageEnvelope) -> tuple[str | None, str] | None:
    """What the order of a message is kept within; None for a message that may overtake and be overtaken."""
    return None if envelope.key is None else (envelope.tenant_id, envelope.key)


async def publish_in_order(
    messages: Iterable[tuple[str, MessageEnvelope]],
    publish: Callable[[str, MessageEnvelope], Awaitable[None]],
) -> list[BaseException | None]:
    """Publish one after another: what ``IBatchMessagePublisher`` promises, with a publisher that has no batches.

    One answer for each message, in order: None, or why it was not taken. After a failure, later messages of the same
    key are not published but answered with the same failure.
    """
    answers: list[BaseException | None] = []
    failures: dict[tuple[str | None, str], BaseException] = {}
    for topic, envelope in messages:
        key = ordering_key(envelope)
        failure = None if key is None else failures.get(key)
        if failure is None:
            try:
                await publish(topic, envelope)
            except Exception as error:  # noqa: BLE001 - it is the answer for this message
                failure = error
                if key is not None:
                    failures[key] = error
        answers.append(failure)
    return answers
