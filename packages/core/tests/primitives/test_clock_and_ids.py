"""The clock, identifiers and names of lockable things."""

import asyncio
import pickle
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from cqrs_ddd_core.primitives import (
    IClock,
    IIDGenerator,
    ResourceIdentifier,
    SystemClock,
    UUID4Generator,
    UUID7Generator,
    get_clock,
    get_id_generator,
    new_id,
    set_clock,
    set_id_generator,
    use_clock,
    use_id_generator,
    utc_now,
    uuid7,
)


class Stopped:
    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


class TestClock:
    def test_the_time_is_aware_and_in_utc(self) -> None:
        now = utc_now()
        assert now.tzinfo is UTC
        assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)
        assert isinstance(get_clock(), SystemClock)
        assert isinstance(get_clock(), IClock)

    def test_the_clock_is_replaced_within_a_block_also_when_it_fails(self) -> None:
        system = get_clock()
        stopped = Stopped(datetime(2024, 1, 1, tzinfo=UTC))
        with pytest.raises(LookupError), use_clock(stopped) as clock:  # noqa: PT012 - the block is the subject
            assert clock is stopped
            assert utc_now() == stopped.time
            with use_clock(Stopped(datetime(2025, 1, 1, tzinfo=UTC))):
                assert utc_now().year == 2025
            assert utc_now().year == 2024
            raise LookupError
        assert get_clock() is system

    async def test_the_clock_belongs_to_the_process_and_not_to_a_task(self) -> None:
        stopped = Stopped(datetime(2024, 1, 1, tzinfo=UTC))
        with use_clock(stopped):
            assert await asyncio.to_thread(utc_now) == stopped.time
            assert await asyncio.create_task(_now()) == stopped.time

    def test_the_clock_can_be_replaced_for_good(self) -> None:
        system = get_clock()
        try:
            set_clock(Stopped(datetime(2024, 1, 1, tzinfo=UTC)))
            assert utc_now().year == 2024
        finally:
            set_clock(system)


async def _now() -> datetime:
    return utc_now()


class TestUUID7:
    def test_the_layout_is_that_of_rfc_9562(self) -> None:
        before = time.time_ns() // 1_000_000
        made = uuid.UUID(UUID7Generator().next_id())
        after = time.time_ns() // 1_000_000
        assert made.version == 7
        assert made.variant == uuid.RFC_4122
        assert before <= made.int >> 80 <= after
        assert uuid7().version == 7

    def test_ids_sort_in_the_order_in_which_they_were_made(self) -> None:
        generator = UUID7Generator()
        ids = [generator.next_id() for _ in range(20_000)]
        assert ids == sorted(ids)
        assert len(set(ids)) == len(ids)
        assert sorted(ids, key=lambda text: uuid.UUID(text)) == ids

    def test_ids_keep_their_order_when_the_clock_goes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        generator = UUID7Generator()
        now = time.time_ns()
        times = iter([now, now - 3_600_000_000_000, now - 1, now, now + 1, now + 2_000_000])
        monkeypatch.setattr(time, "time_ns", lambda: next(times))
        ids = [generator.next_id() for _ in range(6)]
        assert ids == sorted(ids)
        assert len(set(ids)) == 6

    def test_the_fraction_of_the_millisecond_is_in_the_twelve_bits_behind_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        generator = UUID7Generator()
        monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_500_000)
        made = uuid.UUID(generator.next_id())
        assert made.int >> 80 == 1_700_000_000_123
        assert (made.int >> 64) & 0xFFF == 2048

    def test_threads_share_a_generator(self) -> None:
        generator = UUID7Generator()
        made: list[list[str]] = [[] for _ in range(8)]

        def make(mine: list[str]) -> None:
            mine.extend(generator.next_id() for _ in range(2_000))

        threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        everything = [each for mine in made for each in mine]
        assert len(set(everything)) == 16_000
        assert all(mine == sorted(mine) for mine in made)


class TestIdGenerator:
    def test_new_ids_are_uuid7_unless_the_generator_is_replaced(self) -> None:
        assert uuid.UUID(new_id()).version == 7

        class Counting:
            count = 0

            def next_id(self) -> str:
                self.count += 1
                return f"id-{self.count}"

        former = get_id_generator()
        with pytest.raises(LookupError), use_id_generator(Counting()) as generator:  # noqa: PT012 - the same
            assert isinstance(generator, IIDGenerator)
            assert (new_id(), new_id()) == ("id-1", "id-2")
            assert uuid7().version == 7
            raise LookupError
        assert get_id_generator() is former
        set_id_generator(UUID4Generator())
        try:
            assert uuid.UUID(new_id()).version == 4
        finally:
            set_id_generator(former)


class TestResourceIdentifier:
    def test_both_modes_of_one_resource_have_one_key(self) -> None:
        read, write = ResourceIdentifier("Order", "1", "read"), ResourceIdentifier("Order", "1")
        assert read.key == write.key == "Order:1"
        assert (str(read), str(write)) == ("Order:1:read", "Order:1")
        assert read != write

    def test_resources_have_one_order(self) -> None:
        resources = [
            ResourceIdentifier("Order", "2"),
            ResourceIdentifier("Order", "1", "write"),
            ResourceIdentifier("Account", "9"),
            ResourceIdentifier("Order", "1", "read"),
        ]
        assert list(map(str, sorted(resources))) == ["Account:9", "Order:1:read", "Order:1", "Order:2"]

    def test_it_survives_pickling_and_is_hashable(self) -> None:
        resource = ResourceIdentifier("Order", "1")
        assert pickle.loads(pickle.dumps(resource)) == resource
        assert {resource, ResourceIdentifier("Order", "1")} == {resource}

    @pytest.mark.parametrize("arguments", [("", "1"), ("Order", ""), ("Order", "1", "shared")])
    def test_half_a_name_is_refused(self, arguments: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match=r"not empty|'read' or 'write'"):
            ResourceIdentifier(*arguments)  # type: ignore[arg-type]
