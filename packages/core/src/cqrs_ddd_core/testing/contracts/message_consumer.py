"""What every consumer of messages promises."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.message_consumer import IMessageConsumer
from cqrs_ddd_core.ports.message_publisher import IMessagePublisher
from cqrs_ddd_core.testing.contracts._messaging import LIMIT, Listener, MessagingSuite, a_message, ids

__all__ = ["MessageConsumerContract"]

type Publisher = IMessagePublisher
type OpenConsumer = Callable[[], IMessageConsumer]


class MessageConsumerContract(MessagingSuite):
    """Every message is handled at least once, those of one key in order, whatever handlers do.

    Give ``message_publisher`` and ``new_consumer``, and say how often a message is tried. Let retries come quickly.
    """

    max_attempts: ClassVar[int] = 3
    """After so many deliveries the consumers of ``new_consumer`` give a message up."""
    counts_attempts: ClassVar[bool] = True
    """``attempt`` rises with each delivery. Otherwise it is only known that it is not the first."""
    keeps_order_on_failure: ClassVar[bool] = True
    """Messages wait for an earlier one of their key that comes again. Otherwise they pass by."""
    handles_keys_side_by_side: ClassVar[bool] = True
    """A message that takes long keeps only its own key waiting."""

    async def dead_letters(self, queue_name: str) -> Sequence[MessageEnvelope]:
        """What was given up from this queue, oldest first."""
        raise NotImplementedError("say where dead letters are found")

    # ------------------------------------------------------------------ delivery

    async def test_nothing_is_delivered_before_the_start(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        listener, consumer = Listener(), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        message = a_message()
        await message_publisher.publish(topic, message)
        await self.stay_quiet()
        assert listener.started == []
        await consumer.start()
        await listener.until_handled(1)
        assert ids(listener.handled) == [message.message_id]

    async def test_a_topic_can_be_added_while_it_runs(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        first, second, consumer = Listener(), Listener(), open_consumer()
        await consumer.subscribe(topic, first, queue_name=queue_name)
        await consumer.start()
        await consumer.subscribe(f"{topic}-2", second, queue_name=queue_name)
        await message_publisher.publish(f"{topic}-2", a_message())
        await message_publisher.publish(topic, a_message())
        await second.until_handled(1)
        await first.until_handled(1)

    async def test_each_topic_has_its_handler(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        listeners, consumer = [Listener(), Listener()], open_consumer()
        for number, listener in enumerate(listeners):
            await consumer.subscribe(f"{topic}-{number}", listener, queue_name=queue_name)
        await consumer.start()
        messages = [a_message(), a_message()]
        for number, message in enumerate(messages):
            await message_publisher.publish(f"{topic}-{number}", message)
        for listener, message in zip(listeners, messages, strict=True):
            await listener.until_handled(1)
            assert ids(listener.handled) == [message.message_id]

    async def test_a_consumer_has_a_queue_of_its_own_when_none_is_named(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str
    ) -> None:
        listener, consumer = Listener(), open_consumer()
        await consumer.subscribe(topic, listener)
        await consumer.start()
        await message_publisher.publish(topic, a_message())
        await listener.until_handled(1)

    async def test_consumers_of_one_queue_share_its_messages(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        listener = Listener()
        for _ in range(3):
            consumer = open_consumer()
            await consumer.subscribe(topic, listener, queue_name=queue_name)
            await consumer.start()
        messages = [a_message(key=str(number)) for number in range(30)]
        for message in messages:
            await message_publisher.publish(topic, message)
        await listener.until_handled(len(messages))
        await self.stay_quiet()
        assert Counter(ids(listener.handled)) == Counter(ids(messages))

    async def test_every_queue_gets_every_message(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        listeners = [Listener(), Listener()]
        for number, listener in enumerate(listeners):
            consumer = open_consumer()
            await consumer.subscribe(topic, listener, queue_name=f"{queue_name}-{number}")
            await consumer.start()
        messages = [a_message() for _ in range(5)]
        for message in messages:
            await message_publisher.publish(topic, message)
        for listener in listeners:
            await listener.until_handled(len(messages))
            assert sorted(ids(listener.handled)) == sorted(ids(messages))

    async def test_a_queue_keeps_its_messages_while_nobody_listens(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        first, consumer = Listener(), open_consumer()
        await consumer.subscribe(topic, first, queue_name=queue_name)
        await consumer.start()
        await message_publisher.publish(topic, a_message())
        await first.until_handled(1)
        await consumer.stop()
        messages = [a_message() for _ in range(3)]
        for message in messages:
            await message_publisher.publish(topic, message)
        await self.stay_quiet()
        assert len(first.started) == 1
        second, other = Listener(), open_consumer()
        await other.subscribe(topic, second, queue_name=queue_name)
        await other.start()
        await second.until_handled(3)
        assert sorted(ids(second.handled)) == sorted(ids(messages))

    # ------------------------------------------------------------------ order

    async def test_messages_of_one_key_are_handled_one_after_another(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        busy: Counter[str | None] = Counter()
        chance = random.Random(7)

        async def handle(message: MessageEnvelope) -> None:
            busy[message.key] += 1
            assert busy[message.key] == 1, "two messages of one key at once"
            await asyncio.sleep(chance.random() * 0.005)
            busy[message.key] -= 1

        listener = Listener(handle)
        for _ in range(2):
            consumer = open_consumer()
            await consumer.subscribe(topic, listener, queue_name=queue_name)
            await consumer.start()
        messages = [a_message(key=f"order-{number % 4}") for number in range(40)]
        for message in messages:
            await message_publisher.publish(topic, message)
        await listener.until_handled(len(messages))
        for key in {message.key for message in messages}:
            assert _of_key(listener.started, key) == _of_key(messages, key)

    async def test_a_message_that_takes_long_keeps_only_its_own_key_waiting(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        if not self.handles_keys_side_by_side:
            pytest.skip("this consumer handles one message after another")
        release = asyncio.Event()

        async def handle(message: MessageEnvelope) -> None:
            if message.key == "slow":
                await release.wait()

        listener, consumer = Listener(handle), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        slow = [a_message(key="slow"), a_message(key="slow")]
        for message in (*slow, a_message(key="a"), a_message(key="b"), a_message(key=None)):
            await message_publisher.publish(topic, message)
        await listener.until_handled(3)
        assert _of_key(listener.started, "slow") == [slow[0].message_id]
        release.set()
        await listener.until_handled(5)
        assert _of_key(listener.handled, "slow") == ids(slow)

    # ------------------------------------------------------------------ failures

    async def test_a_message_whose_handler_raises_comes_again(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        async def fail_first(_: MessageEnvelope) -> None:
            if len(listener.started) == 1:
                raise RuntimeError("not now")

        listener, consumer = Listener(fail_first), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        message = a_message(key="order-1")
        await message_publisher.publish(topic, message)
        await listener.until_handled(1)
        await self.stay_quiet()
        assert ids(listener.started) == [message.message_id] * 2
        first, second = listener.started
        assert first.attempt == 1
        assert second.attempt == 2 if self.counts_attempts else second.attempt > 1
        assert second.payload == first.payload

    async def test_a_handler_that_was_cancelled_by_what_it_awaited_has_failed(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        """Neither is the message lost nor the consumer ended."""

        async def fail_first(_: MessageEnvelope) -> None:
            if len(listener.started) == 1:
                inner = asyncio.create_task(asyncio.sleep(LIMIT))
                inner.cancel()
                await inner

        listener, consumer = Listener(fail_first), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        message = a_message()
        await message_publisher.publish(topic, message)
        await listener.until_handled(1)
        assert ids(listener.started) == [message.message_id] * 2

    async def test_a_handler_that_changes_the_message_does_not_change_the_next_delivery(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        found: list[Any] = []

        async def spoil(message: MessageEnvelope) -> None:
            items: Any = message.payload["items"]
            found.append(list(items))
            items.append("spoiled")
            if len(found) == 1:
                raise RuntimeError("not now")

        listener, consumer = Listener(spoil), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        await message_publisher.publish(topic, a_message(payload={"items": ["a"]}))
        await listener.until_handled(1)
        assert found == [["a"], ["a"]]

    async def test_a_message_that_always_fails_becomes_a_dead_letter(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        async def fail_poison(message: MessageEnvelope) -> None:
            if message.message_id == poison.message_id:
                raise RuntimeError("never")

        listener, consumer = Listener(fail_poison), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        poison, good = a_message(key="order-1", payload={"n": 1}), a_message(key="order-1")
        await message_publisher.publish(topic, poison)
        await message_publisher.publish(topic, good)
        await listener.until_handled(1)
        await self.stay_quiet()
        tried = [message for message in listener.started if message.message_id == poison.message_id]
        assert len(tried) == self.max_attempts
        if self.counts_attempts:
            assert [message.attempt for message in tried] == list(range(1, self.max_attempts + 1))
        assert ids(listener.handled) == [good.message_id]
        (dead,) = await self.dead_letters(queue_name)
        assert (dead.message_id, dead.message_type, dead.payload, dead.key) == (
            poison.message_id,
            poison.message_type,
            {"n": 1},
            "order-1",
        )

    async def test_a_message_that_waits_for_its_next_attempt_does_not_stop_the_others(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        async def fail_poison(message: MessageEnvelope) -> None:
            if message.key == "poison":
                raise RuntimeError("never")

        listener, consumer = Listener(fail_poison), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        good = [a_message(key=f"good-{number}") for number in range(10)]
        for message in (a_message(key="poison"), *good):
            await message_publisher.publish(topic, message)
        await listener.until_handled(len(good))
        assert sorted(ids(listener.handled)) == sorted(ids(good))

    async def test_messages_wait_for_an_earlier_one_of_their_key_that_comes_again(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        if not self.keeps_order_on_failure:
            pytest.skip("with this consumer, later messages pass by one that comes again")

        async def fail_first(message: MessageEnvelope) -> None:
            if message.message_id == messages[0].message_id and len(listener.started) == 1:
                raise RuntimeError("not now")

        messages = [a_message(key="order-1") for _ in range(3)]
        listener, consumer = Listener(fail_first), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        for message in messages:
            await message_publisher.publish(topic, message)
        await listener.until_handled(3)
        assert ids(listener.started) == [messages[0].message_id, *ids(messages)]

    async def test_whatever_fails_nothing_is_lost(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        chance = random.Random(11)

        async def fail_now_and_then(message: MessageEnvelope) -> None:
            await asyncio.sleep(chance.random() * 0.003)
            if message.attempt < self.max_attempts and chance.random() < 0.3:
                raise RuntimeError("not now")

        listener = Listener(fail_now_and_then)
        for _ in range(2):
            consumer = open_consumer()
            await consumer.subscribe(topic, listener, queue_name=queue_name)
            await consumer.start()
        messages = [a_message(key=f"order-{number % 7}") for number in range(70)]
        for message in messages:
            await message_publisher.publish(topic, message)
        await listener.until(lambda: {*ids(listener.handled)} == {*ids(messages)})
        if self.keeps_order_on_failure:
            for key in {message.key for message in messages}:
                first_time = list(dict.fromkeys(_of_key(listener.handled, key)))
                assert first_time == _of_key(messages, key)

    # ------------------------------------------------------------------ starting and stopping

    async def test_starting_and_stopping_twice_does_no_harm(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        listener, consumer = Listener(), open_consumer()
        await consumer.stop()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        await consumer.start()
        message = a_message()
        await message_publisher.publish(topic, message)
        await listener.until_handled(1)
        await self.stay_quiet()
        assert ids(listener.started) == [message.message_id]
        await asyncio.gather(consumer.stop(), consumer.stop())
        await consumer.stop()

    async def test_a_consumer_can_be_started_again(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        listener, consumer = Listener(), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        messages = [a_message() for _ in range(3)]
        for number, message in enumerate(messages, start=1):
            await message_publisher.publish(topic, message)
            await consumer.start()
            await listener.until_handled(number)
            await consumer.stop()
        await self.stay_quiet()
        assert ids(listener.started) == ids(messages)

    async def test_stopping_lets_the_handlers_that_run_finish(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        release = asyncio.Event()

        async def handle(_: MessageEnvelope) -> None:
            await release.wait()

        listener, consumer = Listener(handle), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        messages = [a_message(key="order-1"), a_message(key="order-1")]
        for message in messages:
            await message_publisher.publish(topic, message)
        await listener.until(lambda: listener.started)
        stopping = await self.meanwhile(consumer.stop())
        assert not stopping.done()
        assert listener.handled == []
        release.set()
        async with asyncio.timeout(LIMIT):
            await stopping
        assert ids(listener.handled) == [messages[0].message_id]
        await self.stay_quiet()
        assert len(listener.started) == 1
        # What was handled was acknowledged, what was not has stayed.
        second, other = Listener(), open_consumer()
        await other.subscribe(topic, second, queue_name=queue_name)
        await other.start()
        await second.until_handled(1)
        await self.stay_quiet()
        assert ids(second.started) == [messages[1].message_id]

    async def test_a_stop_that_is_cancelled_leaves_no_message_half_handled(
        self, message_publisher: Publisher, open_consumer: OpenConsumer, topic: str, queue_name: str
    ) -> None:
        """The handler is cancelled with it, and its message comes to another consumer."""
        was_cancelled = asyncio.Event()

        async def handle(_: MessageEnvelope) -> None:
            try:
                await asyncio.sleep(LIMIT)
            except asyncio.CancelledError:
                was_cancelled.set()
                raise

        listener, consumer = Listener(handle), open_consumer()
        await consumer.subscribe(topic, listener, queue_name=queue_name)
        await consumer.start()
        message = a_message()
        await message_publisher.publish(topic, message)
        await listener.until(lambda: listener.started)
        stopping = await self.meanwhile(consumer.stop())
        stopping.cancel()
        async with asyncio.timeout(LIMIT):
            await asyncio.wait({stopping})
            assert stopping.cancelled()
            await was_cancelled.wait()
        second, other = Listener(), open_consumer()
        await other.subscribe(topic, second, queue_name=queue_name)
        await other.start()
        await second.until_handled(1)
        assert ids(second.handled) == [message.message_id]


def _of_key(messages: Sequence[MessageEnvelope], key: str | None) -> list[str]:
    return [message.message_id for message in messages if message.key == key]
