"""What every unit of work promises."""
# ruff: noqa: PT012 - what is raised inside ends a whole block

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import pytest

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, current_uow_or_none, get_current_uow
from cqrs_ddd_core.primitives.exceptions import (
    CollectionError,
    ConcurrencyError,
    EntityNotFoundError,
    NoUnitOfWorkError,
    OptimisticConcurrencyError,
    ReadOnlyUnitOfWorkError,
    UnitOfWorkError,
    UnstorableStateError,
)
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint
from cqrs_ddd_core.testing.repository_sample import (
    FerryBooked,
    FerryBooking,
    FerryCabin,
    FerryPassengerRenamed,
)

__all__ = ["UnitOfWorkContract"]

type UnitOfWorkFactory = Callable[[], UnitOfWork]


class UnitOfWorkContract(TransactionalContract):
    """Everything in it is committed together, or nothing is; a lost race is noticed, and said.

    Give ``uow_factory``. The aggregates are those of ``testing.repository_sample``.
    """

    has_savepoints: ClassVar[bool] = True
    """A part of it can be rolled back alone."""

    # ------------------------------------------------------------------ helpers

    async def stored(self, uow_factory: UnitOfWorkFactory, booking_id: str = "b-1") -> FerryBooking | None:
        """What another unit of work sees."""
        async with undone(uow_factory()) as uow:
            return await uow.repository(FerryBooking).get(booking_id)

    async def store(self, uow_factory: UnitOfWorkFactory, *bookings: FerryBooking) -> None:
        async with uow_factory() as uow:
            for booking in bookings or (FerryBooking.book("b-1"),):
                await uow.repository(FerryBooking).add(booking)

    @staticmethod
    async def load(uow: UnitOfWork, booking_id: str = "b-1") -> FerryBooking:
        found = await uow.repository(FerryBooking).get(booking_id)
        assert found is not None
        return found

    # ------------------------------------------------------------------ all or nothing

    async def test_leaving_the_block_commits(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
            await uow.repository(FerryCabin).add(FerryCabin(id=1, beds=2))
        assert await self.stored(uow_factory) is not None
        async with uow_factory() as uow:
            cabin = await uow.repository(FerryCabin).get(1)
            assert cabin is not None
            assert cabin.beds == 2

    async def test_an_error_in_the_block_stores_nothing_and_goes_on(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory, FerryBooking.book("old"))
        with pytest.raises(LookupError):
            async with uow_factory() as uow:
                await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
                (await self.load(uow, "old")).rename("changed")
                await uow.flush()
                raise LookupError
        assert await self.stored(uow_factory) is None
        old = await self.stored(uow_factory, "old")
        assert old is not None
        assert old.passenger == "Ada"

    async def test_a_cancelled_block_stores_nothing_and_stays_cancelled(self, uow_factory: UnitOfWorkFactory) -> None:
        reached = asyncio.Event()

        async def work() -> None:
            async with uow_factory() as uow:
                await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
                await uow.flush()
                reached.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await self.stored(uow_factory) is None
        await self.store(uow_factory)

    async def test_nobody_sees_what_is_not_committed(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
            await uow.flush()
            reading = await self.meanwhile(self.stored(uow_factory))
            if reading.done():
                assert reading.result() is None
        # A store that lets readers wait has shown the whole of it, or nothing.
        seen = await reading
        assert seen is None or seen.passenger == "Ada"
        assert await self.stored(uow_factory) is not None

    async def test_of_several_aggregates_all_are_stored_or_none(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory, *(FerryBooking.book(booking_id) for booking_id in ("a", "b", "c")))

        async def change_all(passenger: str) -> None:
            uow = get_current_uow()
            for booking_id in ("a", "b", "c"):
                (await self.load(uow, booking_id)).rename(passenger)

        async def change_one(passenger: str) -> None:
            (await self.load(get_current_uow(), "c")).rename(passenger)

        errors = await self.race(uow_factory, lambda: change_all("first"), lambda: change_one("second"))
        assert [type(error) for error in errors] == [OptimisticConcurrencyError]
        passengers = [
            booking.passenger
            for booking_id in ("a", "b", "c")
            if (booking := await self.stored(uow_factory, booking_id)) is not None
        ]
        assert passengers in (["first"] * 3, ["Ada", "Ada", "second"])

    async def test_what_cannot_be_stored_fails_the_whole(self, uow_factory: UnitOfWorkFactory) -> None:
        with pytest.raises(UnstorableStateError):
            async with uow_factory() as uow:
                await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
                await uow.repository(FerryBooking).add(FerryBooking.book("b-2", details={"x": object()}))
        assert await self.stored(uow_factory) is None

    async def test_nothing_to_do_is_fine(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory():
            pass
        async with uow_factory() as uow:
            assert await uow.repository(FerryBooking).get("nowhere") is None
        uow = uow_factory()
        await uow.commit()
        await uow.rollback()

    # ------------------------------------------------------------------ commit and rollback by hand

    async def test_an_explicit_commit_stores_and_runs_the_callbacks(self, uow_factory: UnitOfWorkFactory) -> None:
        ran: list[str] = []
        async with uow_factory() as uow:
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
            uow.on_commit(lambda: ran.append("first"))
            await uow.commit()
            assert ran == ["first"]
            uow.on_commit(lambda: ran.append("second"))
            (await self.load(uow)).rename("Grace")
        assert ran == ["first", "second"]
        found = await self.stored(uow_factory)
        assert found is not None
        assert (found.passenger, found.version) == ("Grace", 2)

    async def test_after_a_commit_an_error_undoes_only_what_came_later(self, uow_factory: UnitOfWorkFactory) -> None:
        with pytest.raises(LookupError):
            async with uow_factory() as uow:
                booking = FerryBooking.book("b-1")
                await uow.repository(FerryBooking).add(booking)
                await uow.commit()
                booking.rename("Grace")
                await uow.flush()
                raise LookupError
        found = await self.stored(uow_factory)
        assert found is not None
        assert found.passenger == "Ada"

    async def test_after_a_rollback_it_can_be_used_again(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
            await uow.flush()
            await uow.rollback()
            assert await uow.repository(FerryBooking).get("b-1") is None
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1", "Grace"))
            await uow.repository(FerryBooking).add(FerryBooking.book("b-2"))
        found = await self.stored(uow_factory)
        assert found is not None
        assert (found.passenger, found.version) == ("Grace", 1)
        assert await self.stored(uow_factory, "b-2") is not None

    async def test_without_a_block_commit_and_rollback_do_the_same(self, uow_factory: UnitOfWorkFactory) -> None:
        uow = uow_factory()
        await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
        await uow.commit()
        await uow.repository(FerryBooking).add(FerryBooking.book("b-2"))
        await uow.rollback()
        assert await self.stored(uow_factory) is not None
        assert await self.stored(uow_factory, "b-2") is None

    # ------------------------------------------------------------------ misuse

    async def test_it_is_open_once_at_a_time(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            with pytest.raises(UnitOfWorkError, match="open already"):
                async with uow:
                    pass
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
        assert await self.stored(uow_factory) is not None
        async with uow:
            await uow.repository(FerryBooking).add(FerryBooking.book("b-2"))
        assert await self.stored(uow_factory, "b-2") is not None

    async def test_work_after_its_end_is_refused_because_nothing_would_commit_it(
        self, uow_factory: UnitOfWorkFactory
    ) -> None:
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            await bookings.add(FerryBooking.book("b-1"))
        for late in (
            bookings.add(FerryBooking.book("b-2")),
            bookings.get("b-2"),
            bookings.delete("b-1"),
            bookings.list_all(),
        ):
            with pytest.raises(UnitOfWorkError, match="is over"):
                await late
        assert await self.stored(uow_factory, "b-2") is None

    async def test_one_that_belongs_to_a_command_is_not_committed_by_hand(self, uow_factory: UnitOfWorkFactory) -> None:
        async with undone(uow_factory()) as uow:
            uow.owner = "BookFerry"
            with pytest.raises(UnitOfWorkError, match=r"belongs to BookFerry.*Remove commit\(\)"):
                await uow.commit()

    async def test_names_of_collections_are_repositories(self, uow_factory: UnitOfWorkFactory) -> None:
        async with undone(uow_factory()) as uow:
            await uow.ferry_bookings.add(FerryBooking.book("b-1"))
            assert await uow.repository(FerryBooking).get("b-1") is await uow.ferry_bookings.get("b-1")
            assert uow.ferry_companies is uow.ferry_companies
            with pytest.raises(CollectionError, match=r"ferry_bokings.*Did you mean 'ferry_bookings'"):
                _ = uow.ferry_bokings
            assert not hasattr(uow, "ferry_bokings")

    async def test_a_read_only_one_refuses_to_write_and_commits_nothing(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            booking = await self.load(uow)
            with pytest.raises(ReadOnlyUnitOfWorkError, match="add FerryBooking 'b-2'"):
                await uow.repository(FerryBooking).add(FerryBooking.book("b-2"))
            with pytest.raises(ReadOnlyUnitOfWorkError, match="delete FerryBooking 'b-1'"):
                await uow.repository(FerryBooking).delete("b-1")
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await uow.commit()
        async with uow:
            booking = await self.load(uow)
            booking.rename("changed")
            assert [found.id for found in await (await uow.repository(FerryBooking).search())] == ["b-1"]
        found = await self.stored(uow_factory)
        assert found is not None
        assert found.passenger == "Ada"

    # ------------------------------------------------------------------ the ambient one

    async def test_it_is_current_in_its_block_and_in_its_task(self, uow_factory: UnitOfWorkFactory) -> None:
        assert current_uow_or_none() is None
        with pytest.raises(NoUnitOfWorkError):
            get_current_uow()
        async with uow_factory() as outer:
            assert get_current_uow() is outer
            async with uow_factory() as inner:
                assert get_current_uow() is inner
            assert get_current_uow() is outer
        assert current_uow_or_none() is None

    async def test_a_task_that_is_started_in_the_block_does_not_inherit_it(
        self, uow_factory: UnitOfWorkFactory
    ) -> None:
        async def look() -> list[UnitOfWork | None]:
            seen = [current_uow_or_none()]
            await over.wait()
            return [*seen, current_uow_or_none()]

        over = asyncio.Event()
        async with uow_factory():
            task = asyncio.create_task(look())
            assert await asyncio.to_thread(current_uow_or_none) is None
            await asyncio.sleep(0)
        over.set()
        assert await task == [None, None]

    async def test_a_callback_of_the_event_loop_does_not_inherit_it_either(
        self, uow_factory: UnitOfWorkFactory
    ) -> None:
        seen: list[UnitOfWork | None] = []
        loop = asyncio.get_running_loop()
        async with uow_factory():
            context = contextvars.copy_context()
        loop.call_soon(lambda: seen.append(current_uow_or_none()), context=context)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == [None]

    # ------------------------------------------------------------------ one object for one id

    async def test_the_same_id_gives_the_same_object(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory, FerryBooking.book("b-1"), FerryBooking.book("b-2"))
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            booking = await self.load(uow)
            assert await bookings.get("b-1") is booking
            assert (await bookings.list_all())[0] is booking
            assert (await bookings.list_all(["b-2", "b-1"]))[1] is booking
            assert (await (await bookings.search()))[0] is booking
            assert await (await bookings.search()).first() is booking
            second = (await bookings.list_all())[1]
            assert await bookings.get("b-2") is second
            new = FerryBooking.book("b-3")
            await bookings.add(new)
            assert await bookings.get("b-3") is new

    async def test_a_second_object_for_one_id_is_refused(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)
        async with undone(uow_factory()) as uow:
            await self.load(uow)
            with pytest.raises(UnitOfWorkError, match="another object for FerryBooking 'b-1'"):
                await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))

    async def test_whoever_emitted_events_is_stored_although_nobody_added_it(
        self, uow_factory: UnitOfWorkFactory
    ) -> None:
        await self.store(uow_factory, *(FerryBooking.book(booking_id) for booking_id in ("a", "b", "c")))
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            (await self.load(uow, "a")).rename("got")
            (await bookings.list_all(["b"]))[0].rename("listed")
            found = await (await bookings.search())
            found[2].rename("searched")
            found[2].collect_events()
        passengers = [await self.stored(uow_factory, booking_id) for booking_id in ("a", "b", "c")]
        assert [booking and booking.passenger for booking in passengers] == ["got", "listed", "searched"]

    # ------------------------------------------------------------------ versions

    async def test_versions_count_events_and_saves_without_events(self, uow_factory: UnitOfWorkFactory) -> None:
        async def version(booking_id: str) -> int:
            found = await self.stored(uow_factory, booking_id)
            assert found is not None
            return found.version

        silent, loud = FerryBooking(id="silent"), FerryBooking.book("loud")
        loud.rename("Grace")
        await self.store(uow_factory, silent, loud)
        assert (silent.version, loud.version) == (1, 2)
        assert (await version("silent"), await version("loud")) == (1, 2)
        async with uow_factory() as uow:
            for booking_id in ("silent", "loud"):
                await uow.repository(FerryBooking).add(await self.load(uow, booking_id))
        assert (await version("silent"), await version("loud")) == (2, 3)

    async def test_a_version_moves_once_however_often_it_is_written(self, uow_factory: UnitOfWorkFactory) -> None:
        booking = FerryBooking(id="b-1")
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            await bookings.add(booking)
            await bookings.add(booking)
            await uow.flush()
            assert [found.id for found in await (await bookings.search())] == ["b-1"]
            booking.passenger = "changed after it was written"
            await bookings.list_all()
            await bookings.add(booking)
        assert booking.version == 1
        found = await self.stored(uow_factory)
        assert found is not None
        assert (found.version, found.passenger) == (1, "changed after it was written")

    async def test_what_changes_after_it_was_written_is_written_again(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)
        async with uow_factory() as uow:
            booking = await self.load(uow)
            booking.rename("Grace")
            await uow.flush()
            booking.labels.add("later")
            await uow.flush()
            booking.details["last"] = [1]
        found = await self.stored(uow_factory)
        assert found is not None
        assert (found.passenger, found.labels, found.details) == ("Grace", {"later"}, {"last": [1]})
        assert (found.version, booking.version) == (2, 2)

    async def test_the_version_does_not_depend_on_when_something_was_written(
        self, uow_factory: UnitOfWorkFactory
    ) -> None:
        for flushes in (False, True):
            booking = FerryBooking(id=f"b-{flushes}")
            versions: list[int | None] = []
            for event in (False, True, True):
                async with uow_factory() as uow:
                    bookings = uow.repository(FerryBooking)
                    booking = await bookings.get(booking.id) or booking
                    await bookings.add(booking)
                    if flushes:
                        await uow.flush()
                    if event:
                        booking.rename("Grace")
                        versions += [event.aggregate_version for event in uow.pending_events()]
                    if flushes:
                        await uow.flush()
                assert booking.version == len(versions) + 1
            assert versions == [2, 3]
            found = await self.stored(uow_factory, booking.id)
            assert found is not None
            assert found.version == 3

    async def test_events_carry_the_versions_that_are_stored(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)
        async with uow_factory() as uow:
            booking = await self.load(uow)
            booking.rename("first")
            await uow.flush()
            booking.rename("second")
            versions = [event.aggregate_version for event in uow.pending_events()]
        assert versions == [2, 3]
        found = await self.stored(uow_factory)
        assert found is not None
        assert (found.version, found.passenger) == (3, "second")

    async def test_the_events_of_what_it_has_seen_are_left_in_order(self, uow_factory: UnitOfWorkFactory) -> None:
        async with undone(uow_factory()) as uow:
            one, two = FerryBooking.book("b-1"), FerryBooking.book("b-2")
            await uow.repository(FerryBooking).add(one)
            await uow.repository(FerryBooking).add(two)
            one.rename("Grace")
            assert [event.aggregate_id for event in uow.pending_events()] == ["b-1", "b-1", "b-2"]
            events = uow.collect_events()
            assert [type(event) for event in events] == [FerryBooked, FerryPassengerRenamed, FerryBooked]
            assert uow.collect_events() == []

    # ------------------------------------------------------------------ races

    async def test_of_two_that_change_one_aggregate_one_loses(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)

        async def rename(passenger: str) -> None:
            (await self.load(get_current_uow())).rename(passenger)

        errors = await self.race(uow_factory, lambda: rename("first"), lambda: rename("second"))
        assert [type(error) for error in errors] == [OptimisticConcurrencyError]
        assert isinstance(errors[0], OptimisticConcurrencyError)
        assert (errors[0].entity_type, errors[0].entity_id, errors[0].expected) == ("FerryBooking", "b-1", 1)
        found = await self.stored(uow_factory)
        assert found is not None
        assert (found.version, found.passenger in {"first", "second"}) == (2, True)

    async def test_of_two_that_save_without_events_one_loses(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            await uow.repository(FerryCabin).add(FerryCabin(id=1))

        async def add_bed() -> None:
            cabins = get_current_uow().repository(FerryCabin)
            cabin = await cabins.get(1)
            assert cabin is not None
            cabin.add_bed()
            await cabins.add(cabin)

        errors = await self.race(uow_factory, add_bed, add_bed)
        assert [type(error) for error in errors] == [OptimisticConcurrencyError]
        async with uow_factory() as uow:
            cabin = await uow.repository(FerryCabin).get(1)
            assert cabin is not None
            assert (cabin.beds, cabin.version) == (1, 2)

    async def test_of_two_that_add_one_id_one_loses(self, uow_factory: UnitOfWorkFactory) -> None:
        async def add(passenger: str) -> None:
            bookings = get_current_uow().repository(FerryBooking)
            assert await bookings.get("b-1") is None
            await bookings.add(FerryBooking.book("b-1", passenger))

        errors = await self.race(uow_factory, lambda: add("first"), lambda: add("second"))
        assert len(errors) == 1
        # The second may have waited for the first, and then found what it did not expect.
        assert isinstance(errors[0], OptimisticConcurrencyError | AssertionError)
        assert await self.stored(uow_factory) is not None

    async def test_a_change_and_a_removal_exclude_each_other(self, uow_factory: UnitOfWorkFactory) -> None:
        async def rename() -> None:
            (await self.load(get_current_uow())).rename("renamed")

        async def delete() -> None:
            uow = get_current_uow()
            await self.load(uow)
            await uow.repository(FerryBooking).delete("b-1")

        for first, second in ((rename, delete), (delete, rename)):
            with suppress(EntityNotFoundError):
                async with uow_factory() as uow:
                    await uow.repository(FerryBooking).delete("b-1")
            await self.store(uow_factory)
            errors = await self.race(uow_factory, first, second)
            assert len(errors) == 1
            assert isinstance(errors[0], OptimisticConcurrencyError | EntityNotFoundError | AssertionError)
            found = await self.stored(uow_factory)
            assert found is None or found.passenger == "renamed"

    async def test_what_was_changed_meanwhile_is_not_removed_unseen(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)

        async def rename() -> None:
            async with uow_factory() as uow:
                (await self.load(uow)).rename("renamed")

        rivals: list[asyncio.Task[None]] = []

        async def look_and_delete() -> None:
            async with uow_factory() as uow:
                await self.load(uow)
                rivals.append(await self.meanwhile(rename()))
                await uow.repository(FerryBooking).delete("b-1")

        first = await asyncio.gather(look_and_delete(), return_exceptions=True)
        second = await asyncio.gather(*rivals, return_exceptions=True)
        errors = [result for result in (*first, *second) if result is not None]
        assert len(errors) == 1
        # A rival that had to wait until the removal was committed found nothing.
        assert isinstance(errors[0], OptimisticConcurrencyError | AssertionError)
        found = await self.stored(uow_factory)
        assert (found is None) == isinstance(errors[0], AssertionError)

    async def test_of_two_that_remove_one_aggregate_one_loses(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)

        async def delete() -> None:
            await get_current_uow().repository(FerryBooking).delete("b-1")

        errors = await self.race(uow_factory, delete, delete)
        assert len(errors) == 1
        assert isinstance(errors[0], OptimisticConcurrencyError | EntityNotFoundError)
        assert await self.stored(uow_factory) is None

    async def test_whoever_only_read_is_not_disturbed(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory, FerryBooking.book("b-1"), FerryBooking.book("b-2"))

        async def read_one_and_change_the_other() -> None:
            uow = get_current_uow()
            await self.load(uow, "b-1")
            (await self.load(uow, "b-2")).rename("second")

        async def change() -> None:
            (await self.load(get_current_uow(), "b-1")).rename("first")

        assert await self.race(uow_factory, read_one_and_change_the_other, change) == []

    async def test_no_change_is_lost_among_many_writers(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            await uow.repository(FerryCabin).add(FerryCabin(id=1))

        async def add_bed() -> int:
            attempts = 0
            while True:
                attempts += 1
                try:
                    async with uow_factory() as uow:
                        cabin = await uow.repository(FerryCabin).get(1)
                        assert cabin is not None
                        await asyncio.sleep(0)
                        cabin.add_bed()
                        await uow.repository(FerryCabin).add(cabin)
                except ConcurrencyError:
                    await asyncio.sleep(0.001 * attempts)
                else:
                    return attempts

        await asyncio.gather(*(add_bed() for _ in range(10)))
        async with uow_factory() as uow:
            cabin = await uow.repository(FerryCabin).get(1)
            assert cabin is not None
            assert (cabin.beds, cabin.version) == (10, 11)

    async def test_a_lost_race_drops_the_callbacks_and_leaves_it_usable(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)
        ran: list[str] = []
        uow = uow_factory()
        with pytest.raises(OptimisticConcurrencyError):
            async with uow:
                await uow.repository(FerryBooking).add(FerryBooking.book("b-1", "again"))
                uow.on_commit(lambda: ran.append("callback"))
        assert ran == []
        async with uow:
            (await self.load(uow)).rename("Grace")
        found = await self.stored(uow_factory)
        assert found is not None
        assert found.passenger == "Grace"

    # ------------------------------------------------------------------ removing

    async def test_what_was_removed_is_gone_inside_and_afterwards(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            booking = await self.load(uow)
            booking.rename("farewell")
            assert await bookings.delete("b-1") == "b-1"
            assert await bookings.get("b-1") is None
            assert await bookings.list_all() == []
            assert await (await bookings.search()).count() == 0
            with pytest.raises(EntityNotFoundError):
                await bookings.delete("b-1")
            assert [type(event) for event in uow.collect_events()] == [FerryPassengerRenamed]
        assert await self.stored(uow_factory) is None

    async def test_what_others_put_into_the_place_of_a_removed_one_is_seen_after_the_commit(
        self, uow_factory: UnitOfWorkFactory
    ) -> None:
        await self.store(uow_factory)
        async with uow_factory() as uow:
            await uow.repository(FerryBooking).delete("b-1")
            await uow.commit()
            await self.store(uow_factory, FerryBooking.book("b-1", "theirs"))
            booking = await self.load(uow)
            assert booking.passenger == "theirs"
            await uow.repository(FerryBooking).delete("b-1")
        assert await self.stored(uow_factory) is None

    async def test_what_was_added_and_removed_was_never_there(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
            await uow.repository(FerryBooking).delete("b-1")
        assert await self.stored(uow_factory) is None

    async def test_a_new_one_can_take_the_place_of_a_removed_one(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            (await self.load(uow)).rename("farewell")
            await bookings.delete("b-1")
            new = FerryBooking(id="b-1", passenger="new")
            await bookings.add(new)
            assert await bookings.get("b-1") is new
            assert [type(event) for event in uow.collect_events()] == [FerryPassengerRenamed], "nothing was lost"
        async with uow_factory() as uow:
            booking = await self.load(uow)
            assert (booking.passenger, booking.version >= 1) == ("new", True)
            booking.rename("newer")
        found = await self.stored(uow_factory)
        assert found is not None
        assert found.passenger == "newer"

    async def test_a_removed_one_can_be_added_again(self, uow_factory: UnitOfWorkFactory) -> None:
        await self.store(uow_factory)
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            booking = await self.load(uow)
            await bookings.delete("b-1")
            await bookings.add(booking)
            await uow.commit()
            await bookings.delete("b-1")
            await uow.commit()
            assert await bookings.get("b-1") is None
            booking.rename("back")
            await bookings.add(booking)
        found = await self.stored(uow_factory)
        assert found is not None
        assert found.passenger == "back"

    # ------------------------------------------------------------------ savepoints

    @pytest.fixture
    def savepoints(self) -> None:
        if not self.has_savepoints:
            pytest.skip("this unit of work has no savepoints")

    @pytest.mark.usefixtures("savepoints")
    async def test_a_part_that_succeeds_stays(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
            async with uow.savepoint():
                (await self.load(uow)).rename("Grace")
                await uow.repository(FerryBooking).add(FerryBooking.book("b-2"))
        found = await self.stored(uow_factory)
        assert found is not None
        assert found.passenger == "Grace"
        assert await self.stored(uow_factory, "b-2") is not None

    @pytest.mark.usefixtures("savepoints")
    async def test_a_part_that_fails_leaves_nothing_behind_in_the_store_or_in_objects(
        self, uow_factory: UnitOfWorkFactory
    ) -> None:
        await self.store(uow_factory, FerryBooking.book("b-1"), FerryBooking.book("gone"))
        ran: list[str] = []
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            booking = await self.load(uow)
            booking.rename("before")
            booking.labels.add("before")
            uow.on_commit(lambda: ran.append("before"))
            async with undone_savepoint(uow):
                booking.rename("inside")
                booking.labels.add("inside")
                booking.details["inside"] = True
                await bookings.add(FerryBooking.book("new"))
                await bookings.delete("gone")
                await uow.flush()
                uow.on_commit(lambda: ran.append("inside"))
            assert await bookings.get("b-1") is booking
            assert (booking.passenger, booking.labels, booking.details) == ("before", {"before"}, {})
            assert booking.version == 2
            assert [event.aggregate_version for event in uow.pending_events()] == [2]
            assert await bookings.get("new") is None
            assert await bookings.get("gone") is not None
            booking.rename("after")
        assert ran == ["before"]
        found = await self.stored(uow_factory)
        assert found is not None
        assert (found.passenger, found.labels, found.details, found.version) == ("after", {"before"}, {}, 3)
        assert await self.stored(uow_factory, "new") is None
        assert await self.stored(uow_factory, "gone") is not None

    @pytest.mark.usefixtures("savepoints")
    async def test_what_was_written_before_the_part_stays_when_it_fails(self, uow_factory: UnitOfWorkFactory) -> None:
        for flushed in (True, False):
            booking_id = f"b-{flushed}"
            async with uow_factory() as uow:
                await uow.repository(FerryBooking).add(FerryBooking.book(booking_id))
                if flushed:
                    await uow.flush()
                async with undone_savepoint(uow):
                    (await self.load(uow, booking_id)).rename("inside")
                    await uow.flush()
            found = await self.stored(uow_factory, booking_id)
            assert found is not None
            assert (found.passenger, found.version) == ("Ada", 1)

    @pytest.mark.usefixtures("savepoints")
    async def test_a_change_that_was_undone_can_be_made_again(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            booking = FerryBooking.book("b-1")
            await uow.repository(FerryBooking).add(booking)
            await uow.flush()
            async with undone_savepoint(uow):
                booking.labels.add("label")
                await uow.flush()
            booking.labels.add("label")
        found = await self.stored(uow_factory)
        assert found is not None
        assert found.labels == {"label"}

    @pytest.mark.usefixtures("savepoints")
    async def test_parts_can_be_inside_each_other(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            bookings = uow.repository(FerryBooking)
            await bookings.add(FerryBooking.book("0"))
            async with uow.savepoint():
                await bookings.add(FerryBooking.book("1"))
                async with undone_savepoint(uow):
                    await bookings.add(FerryBooking.book("2"))
                    async with uow.savepoint():
                        await bookings.add(FerryBooking.book("3"))
                        await uow.flush()
                await bookings.add(FerryBooking.book("4"))
            async with undone_savepoint(uow), uow.savepoint():
                await bookings.add(FerryBooking.book("5"))
                await uow.flush()
            assert [booking.id for booking in await bookings.list_all()] == ["0", "1", "4"]
        async with uow_factory() as uow:
            assert [booking.id for booking in await uow.repository(FerryBooking).list_all()] == ["0", "1", "4"]

    @pytest.mark.usefixtures("savepoints")
    async def test_a_part_can_be_the_first_thing(self, uow_factory: UnitOfWorkFactory) -> None:
        async with uow_factory() as uow:
            async with undone_savepoint(uow):
                await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
                await uow.flush()
            await uow.repository(FerryBooking).add(FerryBooking.book("b-2"))
        assert await self.stored(uow_factory) is None
        assert await self.stored(uow_factory, "b-2") is not None

    @pytest.mark.usefixtures("savepoints")
    async def test_the_whole_takes_the_parts_that_succeeded_with_it(self, uow_factory: UnitOfWorkFactory) -> None:
        async with undone(uow_factory()) as uow, uow.savepoint():
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
            await uow.flush()
        assert await self.stored(uow_factory) is None

    # ------------------------------------------------------------------ callbacks

    async def test_callbacks_run_in_order_after_the_commit_outside_of_it(self, uow_factory: UnitOfWorkFactory) -> None:
        seen: list[Any] = []

        async def look() -> None:
            seen.append(current_uow_or_none())
            found = await self.stored(uow_factory)
            seen.append(found is not None)

        async with uow_factory() as uow:
            uow.on_commit(lambda: seen.append("first"))
            uow.on_commit(look)
            await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
            uow.on_commit(lambda: seen.append("last"))
            assert seen == []
        assert seen == ["first", None, True, "last"]

    async def test_a_failing_callback_fails_neither_the_others_nor_the_work(
        self, uow_factory: UnitOfWorkFactory, caplog: pytest.LogCaptureFixture
    ) -> None:
        ran: list[str] = []

        async def fail() -> None:
            raise LookupError("the mail server is down")

        with caplog.at_level(logging.ERROR):
            async with uow_factory() as uow:
                await uow.repository(FerryBooking).add(FerryBooking.book("b-1"))
                uow.on_commit(fail)
                uow.on_commit(lambda: ran.append("other"))
        assert ran == ["other"]
        assert "the mail server is down" in caplog.text
        assert await self.stored(uow_factory) is not None

    async def test_a_rollback_drops_the_callbacks(self, uow_factory: UnitOfWorkFactory) -> None:
        ran: list[str] = []
        async with undone(uow_factory()) as uow:
            uow.on_commit(lambda: ran.append("in a failed block"))
        async with uow_factory() as uow:
            uow.on_commit(lambda: ran.append("rolled back"))
            await uow.rollback()
            uow.on_commit(lambda: ran.append("later"))
        assert ran == ["later"]

    async def test_a_callback_may_give_another_one(self, uow_factory: UnitOfWorkFactory) -> None:
        ran: list[str] = []
        async with uow_factory() as uow:
            uow.on_commit(lambda: uow.on_commit(lambda: ran.append("second")))
        assert ran == ["second"]

    async def test_what_waits_for_the_end_runs_whatever_the_end_is_the_last_one_first(
        self, uow_factory: UnitOfWorkFactory
    ) -> None:
        ran: list[str] = []
        async with uow_factory() as uow:
            uow.on_close(lambda: ran.append("first"))
            uow.on_close(lambda: ran.append("second"))
            assert ran == []
        async with undone(uow_factory()) as uow:
            uow.on_close(lambda: ran.append("after a failure"))
        assert ran == ["second", "first", "after a failure"]
