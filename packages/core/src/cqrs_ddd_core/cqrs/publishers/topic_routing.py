"""Several publishers as one: each topic goes where it belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from cqrs_ddd_core.cqrs.publishers.destination import destination_of_message
from cqrs_ddd_core.cqrs.publishers.publishing import ordering_key, publish_in_order
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_publisher import IBatchMessagePublisher, IMessagePublisher
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, PublisherNotFoundError, close_matches

__all__ = ["TopicRoutingPublisher"]

type _Key = tuple[str | None, str] | None
type _Pair = tuple[str, MessageEnvelope]
type _Found = IMessagePublisher | ConfigurationError


class TopicRoutingPublisher:
    """Finds the publisher of each message. It is an ``IMessagePublisher`` itself.

    ::

        publisher = TopicRoutingPublisher(
            routes={"OrderCreated": kafka},  # by topic, or by the name of the event's type
            destinations={"billing": rabbitmq},  # by the key of @route_to("billing")
            default=kafka,
        )

    The first that fits is used: the route of the topic, the route of the event's type, the destination of the event's
    class (or the one that is named as the topic), the default.
    """

    def __init__(
        self,
        routes: Mapping[str, IMessagePublisher] | None = None,
        destinations: Mapping[str, IMessagePublisher] | None = None,
        default: IMessagePublisher | None = None,
    ) -> None:
        self._routes: dict[str, IMessagePublisher] = {}
        self._destinations: dict[str, IMessagePublisher] = {}
        for topic, publisher in (routes or {}).items():
            self.register_route(topic, publisher)
        for key, publisher in (destinations or {}).items():
            self.register_destination(key, publisher)
        self._default = None if default is None else _checked(default, "default")

    def register_route(self, topic: str, publisher: IMessagePublisher) -> None:
        """Let ``publisher`` have a topic. Raises ``ConfigurationError`` when another one has it."""
        _register(self._routes, topic, publisher, "route")

    def register_destination(self, key: str, publisher: IMessagePublisher) -> None:
        """Let ``publisher`` have what ``@route_to(key)`` marks. Raises ``ConfigurationError`` when another has it."""
        _register(self._destinations, key, publisher, "destination")

    async def publish(self, topic: str, message: MessageEnvelope | DomainEvent) -> None:
        """Publish where it belongs. Raises ``PublisherNotFoundError``, and what that publisher raises."""
        await self.publisher_for(topic, message).publish(topic, message)

    async def publish_batch(self, messages: Sequence[tuple[str, MessageEnvelope]], /) -> Sequence[BaseException | None]:
        """As ``IBatchMessagePublisher``: in batches to those publishers that can, one by one to the others."""
        answers: list[BaseException | None] = []
        failures: dict[_Key, BaseException] = {}
        for publisher, run in self._runs(messages):
            # A key that failed on its way to one publisher must not go on at another one.
            known = dict(failures)
            given = iter(await _publish(publisher, [pair for pair in run if ordering_key(pair[1]) not in known]))
            for _topic, envelope in run:
                key = ordering_key(envelope)
                failure = known[key] if key in known else next(given)
                answers.append(failure)
                if failure is not None and key is not None:
                    failures.setdefault(key, failure)
        return answers

    def publisher_for(self, topic: str, message: MessageEnvelope | DomainEvent) -> IMessagePublisher:
        """Who publishes this message under this topic. Raises ``PublisherNotFoundError``."""
        message_type = message.event_type if isinstance(message, DomainEvent) else message.message_type
        found = self._routes.get(topic) or self._routes.get(message_type)
        if found is None:
            key = destination_of_message(message)
            found = (None if key is None else self._destinations.get(key)) or self._destinations.get(topic)
        found = found or self._default
        if found is None:
            raise PublisherNotFoundError(
                f"No publisher is responsible for topic {topic!r} ({message_type}): there is no route, no destination "
                f"and no default.{close_matches(topic, [*self._routes, *self._destinations])}"
            )
        return found

    def _runs(self, messages: Sequence[tuple[str, MessageEnvelope]]) -> Iterator[tuple[_Found, list[_Pair]]]:
        """Neighbours that go to one publisher, in order."""
        for found, pairs in groupby(messages, key=self._publisher_or_error):
            yield found, list(pairs)

    def _publisher_or_error(self, pair: _Pair) -> _Found:
        try:
            return self.publisher_for(*pair)
        except ConfigurationError as error:
            return error


async def _publish(publisher: _Found, pairs: Sequence[_Pair]) -> Sequence[BaseException | None]:
    if isinstance(publisher, ConfigurationError):
        return [publisher] * len(pairs)
    if isinstance(publisher, IBatchMessagePublisher):
        return await publisher.publish_batch(pairs)
    return await publish_in_order(pairs, publisher.publish)


def _register(publishers: dict[str, IMessagePublisher], name: str, publisher: IMessagePublisher, kind: str) -> None:
    known = publishers.get(name)
    if known is not None and known is not publisher:
        raise ConfigurationError(
            f"The {kind} {name!r} belongs to {type(known).__name__} already; {type(publisher).__name__} cannot have it "
            "too. To publish to both, give one publisher that does."
        )
    publishers[name] = _checked(publisher, f"{kind} {name!r}")


def _checked(publisher: IMessagePublisher, place: str) -> IMessagePublisher:
    if not callable(getattr(publisher, "publish", None)):
        raise ConfigurationError(
            f"The {place} wants a publisher, an object with publish(topic, message); found {publisher!r}."
        )
    return publisher
