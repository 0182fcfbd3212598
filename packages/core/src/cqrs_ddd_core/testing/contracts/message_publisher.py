"""What every publisher of messages promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer
from cqrs_ddd_core.ports.message_publisher import IBatchMessagePublisher, IMessagePublisher
from cqrs_ddd_core.primitives.exceptions import InfrastructureError, SerializationError
from cqrs_ddd_core.testing.adapter_contract import AdapterContract
from cqrs_ddd_core.testing.contracts._messaging import Listener, MessagingSuite, a_message, ids
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

__all__ = ["MessagePublisherContract", "UnreachablePublisherContract"]


class _ParcelSent(DomainEvent):
    """An event of this suite."""

    event_type = "cqrs_ddd_core.testing.ParcelSent"

    weight: int
    to: str = "home"


class MessagePublisherContract(MessagingSuite):
    """What is published arrives, whole, and in order for each key.

    Give ``message_publisher`` and ``new_consumer``. Topics are made up by the tests.
    """

    @pytest.fixture
    async def listener(self, open_consumer: Callable[[], IMessageConsumer], topic: str, queue_name: str) -> Listener:
        """What comes to ``topic``."""
        listener = Listener()
        consumer = open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        return listener

    async def test_a_message_arrives_as_it_was_published(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        given = MessageEnvelope(
            message_type="OrderPlaced",
            payload={"total": "12.30", "lines": [{"sku": "a"}]},
            message_id=a_message().message_id,
            schema_version=3,
            key="order-1",
            occurred_at=datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC),
            aggregate_type="Order",
            aggregate_id="order-1",
            aggregate_version=7,
            correlation_id="request-1",
            causation_id="command-1",
            tenant_id="acme",
            headers={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x-source": "web"},
        )
        await message_publisher.publish(topic, given)
        await listener.until_handled(1)
        (arrived,) = listener.handled
        assert {name: arrived.headers.get(name) for name in given.headers} == given.headers
        assert replace(arrived, headers=given.headers) == replace(given, topic=topic, attempt=1)

    async def test_what_is_not_known_arrives_as_not_known(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        given = a_message()
        await message_publisher.publish(topic, given)
        await listener.until_handled(1)
        (arrived,) = listener.handled
        assert replace(arrived, headers={}) == replace(given, topic=topic)

    async def test_an_event_is_wrapped(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        event = _ParcelSent(
            weight=7,
            aggregate_id="parcel-1",
            aggregate_type="Parcel",
            aggregate_version=3,
            correlation_id="request-1",
            causation_id="command-1",
            metadata={"source": "web"},
        )
        with with_tenant_context("acme"):
            await message_publisher.publish(topic, event)
        await listener.until_handled(1)
        (arrived,) = listener.handled
        assert replace(arrived, headers={}) == MessageEnvelope(
            message_type="cqrs_ddd_core.testing.ParcelSent",
            payload={"weight": 7, "to": "home"},
            message_id=event.event_id,
            schema_version=1,
            key="parcel-1",
            occurred_at=event.occurred_at,
            aggregate_type="Parcel",
            aggregate_id="parcel-1",
            aggregate_version=3,
            correlation_id="request-1",
            causation_id="command-1",
            tenant_id="acme",
            topic=topic,
        )
        assert arrived.headers["source"] == "web"
        registry = EventTypeRegistry()
        assert registry.hydrate(arrived.message_type, dict(arrived.payload), version=1).event_type == event.event_type

    async def test_a_message_goes_to_its_topic_only(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        wanted = a_message()
        await message_publisher.publish(f"{topic}-other", a_message())
        await message_publisher.publish(topic, wanted)
        await listener.until_handled(1)
        await self.stay_quiet()
        assert ids(listener.handled) == [wanted.message_id]

    async def test_messages_of_one_key_keep_their_order(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        messages = [a_message(key=f"order-{number % 3}") for number in range(45)]
        for message in messages:
            await message_publisher.publish(topic, message)
        await listener.until_handled(len(messages))
        for key in ("order-0", "order-1", "order-2"):
            assert _of_key(listener.handled, key) == _of_key(messages, key)

    async def test_every_json_value_arrives_as_it_was(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        await message_publisher.publish(topic, a_message(payload=EVERY_JSON_VALUE))
        await listener.until_handled(1)
        assert dict(listener.handled[0].payload) == EVERY_JSON_VALUE

    @pytest.mark.parametrize("value", NO_JSON_VALUES)
    async def test_a_value_that_json_does_not_have_is_refused(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str, value: Any
    ) -> None:
        with pytest.raises(SerializationError, match="OrderPlaced"):
            await message_publisher.publish(topic, a_message(payload={"list": [{"inner": value}]}))
        good = a_message()
        await message_publisher.publish(topic, good)
        await listener.until_handled(1)
        assert ids(listener.handled) == [good.message_id]

    async def test_a_header_that_is_no_text_is_refused(self, message_publisher: IMessagePublisher, topic: str) -> None:
        headers: Any = {"retries": 7}
        with pytest.raises(SerializationError, match="retries"):
            await message_publisher.publish(topic, a_message(headers=headers))

    async def test_the_names_of_headers_are_lower_case(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        await message_publisher.publish(topic, a_message(headers={"TraceParent": "00-Ab"}))
        await listener.until_handled(1)
        assert listener.handled[0].headers["traceparent"] == "00-Ab"
        assert "TraceParent" not in listener.handled[0].headers

    async def test_what_is_published_cannot_be_changed_any_more(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        payload, headers = {"items": [{"sku": "a"}]}, {"source": "web"}
        await message_publisher.publish(topic, a_message(payload=payload, headers=headers))
        payload["items"].clear()
        headers["source"] = "changed"
        await listener.until_handled(1)
        assert listener.handled[0].payload == {"items": [{"sku": "a"}]}
        assert listener.handled[0].headers["source"] == "web"

    async def test_a_time_of_another_zone_arrives_as_the_same_moment_in_utc(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        tokyo = datetime(2025, 1, 1, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=9)))
        await message_publisher.publish(topic, a_message(occurred_at=tokyo))
        await listener.until_handled(1)
        assert listener.handled[0].occurred_at == tokyo
        assert listener.handled[0].occurred_at.utcoffset() == timedelta(0)

    async def test_a_time_without_a_zone_is_refused(self, message_publisher: IMessagePublisher, topic: str) -> None:
        naive = datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)
        with pytest.raises(ValueError, match="occurred_at"):
            await message_publisher.publish(topic, a_message(occurred_at=naive))

    # ------------------------------------------------------------------ many at once

    async def test_many_at_once_arrive_in_order_of_their_keys(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        publisher = _batches(message_publisher)
        messages = [a_message(key=f"order-{number % 3}") for number in range(45)]
        answers = await publisher.publish_batch([(topic, message) for message in messages])
        assert list(answers) == [None] * len(messages)
        await listener.until_handled(len(messages))
        for key in ("order-0", "order-1", "order-2"):
            assert _of_key(listener.handled, key) == _of_key(messages, key)

    async def test_behind_one_that_fails_no_message_of_its_key_is_published(
        self, message_publisher: IMessagePublisher, listener: Listener, topic: str
    ) -> None:
        publisher = _batches(message_publisher)
        messages = [
            a_message(key="order-1"),
            a_message(key="order-1", payload={"bad": object()}),
            a_message(key="order-2"),
            a_message(key="order-1"),
            a_message(key=None, payload={"bad": object()}),
            a_message(key=None),
        ]
        answers = await publisher.publish_batch([(topic, message) for message in messages])
        assert [answer is None for answer in answers] == [True, False, True, False, False, True]
        assert isinstance(answers[1], SerializationError)
        assert answers[3] is answers[1]
        await listener.until_handled(3)
        await self.stay_quiet()
        assert sorted(ids(listener.handled)) == sorted(ids([messages[0], messages[2], messages[5]]))

    async def test_an_empty_batch_is_nothing(self, message_publisher: IMessagePublisher) -> None:
        assert list(await _batches(message_publisher).publish_batch([])) == []


class UnreachablePublisherContract(AdapterContract):
    """What is promised while the broker cannot be reached.

    Give ``message_publisher``, for a broker that is not there. Give it short limits for connecting.
    """

    @pytest.fixture
    @abstractmethod
    def message_publisher(self) -> IMessagePublisher:
        raise NotImplementedError("give the fixture message_publisher")

    async def test_who_publishes_learns_that_the_message_was_perhaps_not_taken(
        self, message_publisher: IMessagePublisher
    ) -> None:
        with pytest.raises(InfrastructureError):
            await message_publisher.publish("topic", a_message())

    async def test_who_publishes_many_learns_it_for_each(self, message_publisher: IMessagePublisher) -> None:
        messages = [a_message(key="order-1"), a_message(key="order-1"), a_message(key=None)]
        answers = await _batches(message_publisher).publish_batch([("topic", message) for message in messages])
        assert [isinstance(answer, InfrastructureError) for answer in answers] == [True] * 3
        assert answers[1] is answers[0]


def _batches(publisher: IMessagePublisher) -> IBatchMessagePublisher:
    if not isinstance(publisher, IBatchMessagePublisher):
        pytest.skip("this publisher takes one message at a time")
    return publisher


def _of_key(messages: Sequence[MessageEnvelope], key: str) -> list[str]:
    return [message.message_id for message in messages if message.key == key]
