"""Which publisher gets which event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cqrs_ddd_core import (
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    HandlerRegistry,
    InMemoryUnitOfWork,
    Mediator,
)
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.publishers import (
    PublishingEventHandler,
    TopicRoutingPublisher,
    destination_of,
    route_to,
    topic_of,
)
from cqrs_ddd_core.cqrs.publishers.publishing import publish_in_order
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_publisher import IBatchMessagePublisher, IMessagePublisher
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, PublisherNotFoundError
from cqrs_ddd_core.testing import RecordingPublisher, record_operations


class ParcelSent(DomainEvent):
    event_type = "publishers.ParcelSent"


@route_to("billing")
class InvoiceIssued(DomainEvent):
    event_type = "publishers.InvoiceIssued"


class ReminderIssued(InvoiceIssued):
    event_type = "publishers.ReminderIssued"


@route_to("nowhere")
class Lost(DomainEvent):
    event_type = "publishers.Lost"


class Here:
    @route_to("one")
    class Moved(DomainEvent):
        event_type = "publishers.Moved"


class There:
    @route_to("two")
    class Moved(DomainEvent):
        event_type = "publishers.Moved"


def envelope_of(event: DomainEvent) -> MessageEnvelope:
    return EventSerializer().to_envelope(event)


def message(key: str | None = None, *, message_type: str = "Something", message_id: str = "") -> MessageEnvelope:
    more: dict[str, Any] = {"message_id": message_id} if message_id else {}
    return MessageEnvelope(message_type=message_type, payload={}, key=key, **more)


class Batches(RecordingPublisher):
    """Takes batches, and refuses message ids that it is told to refuse."""

    def __init__(self, *refused: str) -> None:
        super().__init__()
        self.refused = refused
        self.batches: list[int] = []

    async def publish_batch(self, messages: Sequence[tuple[str, MessageEnvelope]], /) -> Sequence[BaseException | None]:
        self.batches.append(len(messages))

        async def publish(topic: str, envelope: MessageEnvelope) -> None:
            if envelope.message_id in self.refused:
                raise ValueError(envelope.message_id)
            await self.publish(topic, envelope)

        return await publish_in_order(messages, publish)


# ---------------------------------------------------------------- route_to


def test_an_event_goes_to_its_destination_or_to_the_topic_of_its_type() -> None:
    assert topic_of(ParcelSent()) == "publishers.ParcelSent"
    assert topic_of(InvoiceIssued()) == "billing"
    assert destination_of(ParcelSent) is None


def test_a_subclass_inherits_the_destination() -> None:
    assert destination_of(ReminderIssued) == "billing"


def test_a_destination_does_not_spread_to_other_classes() -> None:
    assert destination_of(DomainEvent) is None


@pytest.mark.parametrize("key", ["", None, 5, ParcelSent])
def test_route_to_wants_a_name(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="name of a destination"):
        route_to(key)


def test_an_event_with_a_destination_is_an_ordinary_event() -> None:
    event = InvoiceIssued(aggregate_id="1", aggregate_type="Invoice")
    assert InvoiceIssued.model_validate(event.model_dump()) == event


# ---------------------------------------------------------------- TopicRoutingPublisher


def test_it_is_a_publisher_that_can_publish_batches() -> None:
    publisher = TopicRoutingPublisher()
    assert isinstance(publisher, IMessagePublisher)
    assert isinstance(publisher, IBatchMessagePublisher)


@pytest.mark.parametrize("as_envelope", [False, True], ids=["event", "envelope"])
async def test_a_route_wins_over_a_destination_and_both_over_the_default(as_envelope: bool) -> None:
    route, destination, default = RecordingPublisher(), RecordingPublisher(), RecordingPublisher()
    publisher = TopicRoutingPublisher(
        routes={"publishers.ReminderIssued": route}, destinations={"billing": destination}, default=default
    )
    for event in (ReminderIssued(), InvoiceIssued(), ParcelSent(), Lost()):
        await publisher.publish(topic_of(event), envelope_of(event) if as_envelope else event)
    assert [each.envelope.message_type for each in route.messages] == ["publishers.ReminderIssued"]
    assert [each.envelope.message_type for each in destination.messages] == ["publishers.InvoiceIssued"]
    assert default.topics == ["publishers.ParcelSent", "nowhere"]


async def test_the_route_of_a_topic_wins_over_the_route_of_the_type() -> None:
    by_topic, by_type = RecordingPublisher(), RecordingPublisher()
    publisher = TopicRoutingPublisher(routes={"parcels": by_topic, "publishers.ParcelSent": by_type})
    await publisher.publish("parcels", ParcelSent())
    assert by_topic.topics == ["parcels"]
    assert by_type.topics == []


async def test_a_message_whose_class_nobody_knows_goes_by_its_topic() -> None:
    billing = RecordingPublisher()
    publisher = TopicRoutingPublisher(destinations={"billing": billing})
    await publisher.publish("billing", message(message_type="publishers.DefinedElsewhere"))
    assert billing.topics == ["billing"]


async def test_without_anybody_responsible_the_error_names_what_is_near() -> None:
    publisher = TopicRoutingPublisher(routes={"orders": RecordingPublisher()})
    publisher.register_destination("parcels", RecordingPublisher())
    with pytest.raises(PublisherNotFoundError, match=r"topic 'parcel' .*Did you mean 'parcels'\?"):
        await publisher.publish("parcel", ParcelSent())


async def test_a_route_that_is_registered_later_counts() -> None:
    late = RecordingPublisher()
    publisher = TopicRoutingPublisher(default=RecordingPublisher())
    publisher.register_route("publishers.ParcelSent", late)
    await publisher.publish("publishers.ParcelSent", ParcelSent())
    assert late.topics == ["publishers.ParcelSent"]


def test_a_topic_has_one_publisher() -> None:
    first = RecordingPublisher()
    publisher = TopicRoutingPublisher({"orders": first})
    publisher.register_route("orders", first)
    with pytest.raises(ConfigurationError, match="route 'orders' belongs to RecordingPublisher already"):
        publisher.register_route("orders", RecordingPublisher())


@pytest.mark.parametrize(
    "arguments", [{"routes": {"a": "kafka"}}, {"destinations": {"a": None}}, {"default": object()}]
)
def test_what_is_no_publisher_is_refused(arguments: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"wants a publisher, an object with publish\(topic, message\)"):
        TopicRoutingPublisher(**arguments)


def test_two_classes_of_one_name_must_not_disagree_about_the_destination() -> None:
    publisher = TopicRoutingPublisher(default=RecordingPublisher())
    with pytest.raises(ConfigurationError, match="routed to 'one' and to 'two'"):
        publisher.publisher_for("x", message(message_type="publishers.Moved"))


async def test_a_batch_is_split_by_publisher_and_answered_in_order() -> None:
    batches, singles = Batches("bad"), RecordingPublisher()
    publisher = TopicRoutingPublisher(routes={"a": batches, "b": singles})
    answers = await publisher.publish_batch(
        [
            ("a", message(message_id="1")),
            ("a", message(message_id="bad")),
            ("b", message(message_id="2")),
            ("nobody", message(message_id="3")),
            ("a", message(message_id="4")),
        ]
    )
    assert [type(answer) for answer in answers] == [
        type(None),
        ValueError,
        type(None),
        PublisherNotFoundError,
        type(None),
    ]
    assert batches.batches == [2, 1]
    assert [each.envelope.message_id for each in batches.messages] == ["1", "4"]
    assert [each.envelope.message_id for each in singles.messages] == ["2"]


async def test_after_a_failure_the_rest_of_the_key_goes_to_nobody() -> None:
    batches, singles = Batches("bad"), RecordingPublisher()
    publisher = TopicRoutingPublisher(routes={"a": batches, "b": singles})
    answers = await publisher.publish_batch(
        [
            ("a", message("order-1", message_id="bad")),
            ("b", message("order-1", message_id="2")),
            ("b", message("order-2", message_id="3")),
            ("a", message("order-1", message_id="4")),
            ("a", message(message_id="5")),
        ]
    )
    assert [str(answer) for answer in answers] == ["bad", "bad", "None", "bad", "None"]
    assert [each.envelope.message_id for each in [*batches.messages, *singles.messages]] == ["5", "3"]


# ---------------------------------------------------------------- PublishingEventHandler


async def test_the_handler_publishes_each_event_under_its_topic() -> None:
    publisher = RecordingPublisher()
    handler = PublishingEventHandler(publisher)
    await handler.handle(ParcelSent())
    await handler.handle(InvoiceIssued())
    assert publisher.topics == ["publishers.ParcelSent", "billing"]


async def test_the_handler_raises_what_the_publisher_raises() -> None:
    handler = PublishingEventHandler(RecordingPublisher(fail_with=ConnectionError("down")))
    with pytest.raises(ConnectionError, match="down"):
        await handler.handle(ParcelSent())


async def test_hooks_see_what_is_published() -> None:
    event = ParcelSent(correlation_id="c-1")
    with record_operations("publisher.*") as recorder:
        await PublishingEventHandler(RecordingPublisher()).handle(event)
    assert recorder.names == ["publisher.publish.publishers.ParcelSent"]
    assert recorder.operations[0].attributes == {
        "topic": "publishers.ParcelSent",
        "message.type": "publishers.ParcelSent",
        "message.id": event.event_id,
        "correlation_id": "c-1",
    }


async def test_registered_for_all_events_it_publishes_those_of_commands() -> None:
    class Send(Command[None]):
        pass

    class SendHandler(CommandHandler[None]):
        async def handle(self, command: Send) -> CommandResponse[None]:
            return CommandResponse(result=None, events=[ParcelSent(), InvoiceIssued()])

    publisher = RecordingPublisher()
    registry = HandlerRegistry()
    registry.register_command_handler(Send, SendHandler())
    registry.register_event_handler(DomainEvent, PublishingEventHandler(publisher))
    command = Send()
    await Mediator(registry, InMemoryUnitOfWork).send(command)
    assert publisher.topics == ["publishers.ParcelSent", "billing"]
    assert {each.envelope.causation_id for each in publisher.messages} == {command.command_id}
