"""The database of the in-memory adapters: transactions, conflicts, savepoints, and who is woken."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from cqrs_ddd_core.adapters.memory import InMemoryAggregateStore, InMemoryRepository, InMemoryStore, InMemoryUnitOfWork
from cqrs_ddd_core.adapters.memory.store import InMemoryTransaction, resolve_store
from cqrs_ddd_core.domain import AggregateRoot
from cqrs_ddd_core.ports.unit_of_work import current_uow_or_none
from cqrs_ddd_core.primitives.exceptions import (
    CollectionError,
    ConfigurationError,
    OptimisticConcurrencyError,
    ReadOnlyUnitOfWorkError,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


def begin(store: InMemoryStore, **options: Any) -> InMemoryTransaction:
    return InMemoryTransaction(store, **options)


class TestTransactions:
    def test_changes_are_seen_inside_at_once_and_outside_after_the_commit(self, store: InMemoryStore) -> None:
        one = begin(store)
        one.put("t", "a", 1)
        one.put("t", "b", 2)
        one.delete("t", "b")
        assert one.get("t", "a") == 1
        assert one.get("t", "b") is None
        assert list(one.items("t")) == [("a", 1)]
        assert begin(store).get("t", "a") is None
        one.commit()
        assert begin(store).get("t", "a") == 1
        assert list(begin(store).items("t")) == [("a", 1)]

    def test_items_keep_the_order_in_which_they_were_first_put_in(self, store: InMemoryStore) -> None:
        with store.alone() as one:
            for key in "cab":
                one.put("t", key, key)
        two = begin(store)
        two.put("t", "a", "changed")
        two.put("t", "d", "new")
        assert [key for key, _ in two.items("t")] == ["c", "a", "b", "d"]

    def test_a_rollback_forgets_everything(self, store: InMemoryStore) -> None:
        one = begin(store)
        one.put("t", "a", 1)
        one.at_commit(lambda _: pytest.fail("it was rolled back"))
        one.rollback()
        one.commit()
        assert begin(store).get("t", "a") is None

    def test_of_two_that_write_one_record_the_second_to_commit_loses_everything(self, store: InMemoryStore) -> None:
        one, two = begin(store), begin(store)
        one.put("t", "a", 1)
        two.put("t", "b", 2)
        two.put("t", "a", 2)
        one.commit()
        with pytest.raises(OptimisticConcurrencyError):
            two.commit()
        assert dict(begin(store).items("t")) == {"a": 1}

    def test_what_was_decided_on_what_was_read_is_not_written_over_a_later_change(self, store: InMemoryStore) -> None:
        one = begin(store)
        assert one.get("t", "a") is None
        with store.alone() as two:
            two.put("t", "a", "theirs")
        one.put("t", "a", "mine")
        with pytest.raises(OptimisticConcurrencyError):
            one.commit()
        assert begin(store).get("t", "a") == "theirs"

    def test_whoever_reads_again_decides_anew(self, store: InMemoryStore) -> None:
        one = begin(store)
        one.get("t", "a")
        with store.alone() as two:
            two.put("t", "a", 1)
        assert one.get("t", "a") == 1
        one.put("t", "a", 2)
        one.commit()
        assert begin(store).get("t", "a") == 2

    def test_reading_alone_never_conflicts(self, store: InMemoryStore) -> None:
        one = begin(store)
        one.get("t", "a")
        with store.alone() as two:
            two.put("t", "a", 1)
        one.put("t", "b", 1)
        one.commit()

    def test_a_removed_record_that_came_back_is_another_one(self, store: InMemoryStore) -> None:
        with store.alone() as first:
            first.put("t", "a", 1)
        one = begin(store)
        one.put("t", "a", 2)
        with store.alone() as two:
            two.delete("t", "a")
        with store.alone() as three:
            three.put("t", "a", 1)
        with pytest.raises(OptimisticConcurrencyError):
            one.commit()

    def test_a_conflict_is_told_in_the_words_of_whoever_wrote(self, store: InMemoryStore) -> None:
        one = begin(store)
        one.put("t", "a", 1, conflict=lambda: LookupError("taken"))
        one.put("t", "a", 2)
        with store.alone() as two:
            two.put("t", "a", 3)
        with pytest.raises(LookupError, match="taken"):
            one.commit()

    def test_a_read_only_transaction_refuses_to_write(self, store: InMemoryStore) -> None:
        one = begin(store, read_only=True)
        for write in (
            lambda: one.put("t", "a", 1),
            lambda: one.delete("t", "a"),
            lambda: one.at_commit(lambda _: None),
        ):
            with pytest.raises(ReadOnlyUnitOfWorkError):
                write()

    def test_numbers_are_given_in_the_order_of_commits(self, store: InMemoryStore) -> None:
        given: list[tuple[str, int]] = []
        one, two = begin(store), begin(store)
        one.at_commit(lambda store: given.append(("one", store.next_number("n"))))
        two.at_commit(lambda store: given.append(("two", store.next_number("n"))))
        two.commit()
        one.commit()
        assert given == [("two", 1), ("one", 2)]
        store.clear()
        assert store.next_number("n") == 1


class TestSavepoints:
    def test_going_back_undoes_writes_deletes_and_what_waits_for_the_commit(self, store: InMemoryStore) -> None:
        with store.alone() as first:
            first.put("t", "old", 0)
        ran: list[str] = []
        one = begin(store)
        one.put("t", "a", 1, conflict=lambda: LookupError("first"))
        one.at_commit(lambda _: ran.append("before"))
        mark = one.savepoint()
        one.put("t", "a", 2, conflict=lambda: LookupError("second"))
        one.put("t", "a", 3)
        one.put("t", "b", 2)
        one.delete("t", "old")
        one.at_commit(lambda _: ran.append("inside"))
        inner = one.savepoint()
        one.delete("t", "a")
        one.rollback_to(inner)
        assert one.get("t", "a") == 3
        one.rollback_to(mark)
        assert dict(one.items("t")) == {"old": 0, "a": 1}
        one.rollback_to(mark)
        one.put("t", "c", 4)
        with store.alone() as two:
            two.put("t", "a", "theirs")
        with pytest.raises(LookupError, match="first"):
            one.commit()
        assert ran == []

    def test_what_was_undone_is_not_written_and_does_not_conflict(self, store: InMemoryStore) -> None:
        one = begin(store)
        mark = one.savepoint()
        one.put("t", "a", 1)
        one.rollback_to(mark)
        with store.alone() as two:
            two.put("t", "a", "theirs")
        one.put("t", "b", 1)
        one.commit()
        assert dict(begin(store).items("t")) == {"a": "theirs", "b": 1}


class TestWork:
    async def test_it_joins_the_unit_of_work_of_this_store_and_of_no_other(self, store: InMemoryStore) -> None:
        other = InMemoryStore()
        async with InMemoryUnitOfWork(store) as uow:
            with store.work() as mine, other.work() as theirs:
                mine.put("t", "a", 1)
                theirs.put("t", "a", 1)
            assert mine is uow.transaction
            assert begin(store).get("t", "a") is None
            assert begin(other).get("t", "a") == 1
        assert begin(store).get("t", "a") == 1

    async def test_a_block_that_fails_leaves_nothing_in_the_transaction_it_joined(self, store: InMemoryStore) -> None:
        async with InMemoryUnitOfWork(store):
            with store.work() as transaction:
                transaction.put("t", "a", 1)
            with pytest.raises(LookupError), store.work() as transaction:  # noqa: PT012 - the block is the subject
                transaction.put("t", "a", 2)
                transaction.put("t", "b", 2)
                raise LookupError
        assert dict(begin(store).items("t")) == {"a": 1}

    async def test_alone_it_is_committed_whatever_happens_to_the_unit_of_work(self, store: InMemoryStore) -> None:
        with pytest.raises(LookupError):  # noqa: PT012 - the block is the subject
            async with InMemoryUnitOfWork(store):
                with store.alone() as transaction:
                    transaction.put("t", "a", 1)
                raise LookupError
        assert begin(store).get("t", "a") == 1
        with pytest.raises(LookupError), store.alone() as transaction:  # noqa: PT012 - the block is the subject
            transaction.put("t", "a", 2)
            raise LookupError
        assert begin(store).get("t", "a") == 1


class TestWaiting:
    async def test_whoever_waits_for_a_table_is_woken_by_its_commits_only(
        self, store: InMemoryStore, until: Callable[[Callable[[], Any]], Awaitable[None]]
    ) -> None:
        waiting = asyncio.create_task(store.wait_for_change("t", MINUTE))
        await asyncio.sleep(0)
        with store.alone() as one:
            one.put("other", "a", 1)
        one = begin(store)
        one.put("t", "a", 1)
        one.rollback()
        await asyncio.sleep(0.01)
        assert not waiting.done()
        with store.alone() as two:
            two.put("t", "a", 1)
        assert await waiting is True

    async def test_a_table_that_is_written_at_the_commit_can_be_announced(self, store: InMemoryStore) -> None:
        waiting = asyncio.create_task(store.wait_for_change("log", MINUTE))
        await asyncio.sleep(0)
        with store.alone() as one:
            one.announce("log")
        assert await waiting is True

    async def test_waiting_ends_after_its_time(self, store: InMemoryStore) -> None:
        assert await store.wait_for_change("t", timedelta(milliseconds=1)) is False

    async def test_a_cancelled_waiter_is_forgotten(self, store: InMemoryStore) -> None:
        waiting = asyncio.create_task(store.wait_for_change("t", MINUTE))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with store.alone() as one:
            one.put("t", "a", 1)

    def test_a_waiter_whose_event_loop_is_closed_does_not_fail_a_commit(self, store: InMemoryStore) -> None:
        loop = asyncio.new_event_loop()
        waiting = loop.create_task(store.wait_for_change("t", MINUTE))
        loop.run_until_complete(asyncio.sleep(0, result=None))
        loop.close()
        with store.alone() as one:
            one.put("t", "a", 1)
        assert begin(store).get("t", "a") == 1
        # The task can never end; it is taken out of asyncio's sight so that it does not complain.
        waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        waiting.get_coro().close()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


class Bike(AggregateRoot[str]):
    wheels: int = 2


class TestDefaultStore:
    def test_every_event_loop_has_its_own(self) -> None:
        async def use() -> tuple[InMemoryStore, int]:
            async with InMemoryUnitOfWork() as uow:
                await uow.repository(Bike).add(Bike(id="b"))
            return resolve_store(None), len(await InMemoryRepository[Bike, str]().list_all())

        first, second = asyncio.run(use()), asyncio.run(use())
        assert first[0] is not second[0]
        assert (first[1], second[1]) == (1, 1)

    async def test_data_stay_from_one_unit_of_work_to_the_next(self) -> None:
        async with InMemoryUnitOfWork(aggregates=[Bike]) as uow:
            await uow.bikes.add(Bike(id="b"))
        async with InMemoryUnitOfWork(aggregates=[Bike]) as uow:
            assert await uow.bikes.get("b") is not None

    async def test_a_given_store_is_used_as_given(self) -> None:
        store = InMemoryStore()
        assert resolve_store(store) is store
        async with InMemoryUnitOfWork(store, aggregates=[Bike]) as uow:
            await uow.bikes.add(Bike(id="b"))
        assert await InMemoryRepository(Bike, store=store).get("b") is not None
        assert await InMemoryRepository(Bike).get("b") is None


class TestRepositoryClass:
    async def test_a_repository_knows_its_aggregate_from_its_type_arguments(self) -> None:
        class BikeRepository(InMemoryRepository[Bike, str]):
            async def tandems(self) -> list[Bike]:
                return [bike for bike in await self.list_all() if bike.wheels > 2]

        class SpecialBikeRepository(BikeRepository): ...

        store = InMemoryStore()
        await InMemoryRepository[Bike, str](store=store).add(Bike(id="b", wheels=4))
        assert await InMemoryRepository(Bike, store=store).get("b") is not None
        assert len(await BikeRepository(store=store).tandems()) == 1
        assert SpecialBikeRepository(store=store).aggregate_type is Bike

    def test_a_repository_of_nothing_says_how_it_is_made(self) -> None:
        with pytest.raises(ConfigurationError, match=r"write InMemoryRepository\[Order, str\]"):
            _ = InMemoryRepository[Any, Any]().aggregate_type

    def test_a_unit_of_work_refuses_two_aggregates_of_one_name(self) -> None:
        twin = type("Bike", (AggregateRoot[str],), {"__module__": "elsewhere"})
        with pytest.raises(CollectionError, match="'bikes' belongs to"):
            InMemoryUnitOfWork(aggregates=[Bike, twin])

    async def test_a_unit_of_work_looks_among_its_aggregates_only(self) -> None:
        class Boat(AggregateRoot[str]): ...

        async with InMemoryUnitOfWork(aggregates=[Bike]) as uow:
            assert uow.repository(Bike) is uow.bikes
            with pytest.raises(CollectionError, match="Known: bikes"):
                _ = uow.boats
            await uow.repository(Boat).add(Boat(id="b"))
        assert current_uow_or_none() is None


class TestWriting:
    async def test_what_has_not_changed_since_it_was_written_is_not_written_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written: list[str] = []
        write = InMemoryAggregateStore.write

        async def counted(self: Any, entity: Any, /, **versions: int) -> None:
            written.append(entity.id)
            await write(self, entity, **versions)

        monkeypatch.setattr(InMemoryAggregateStore, "write", counted)
        async with InMemoryUnitOfWork(aggregates=[Bike]) as uow:
            one, two = Bike(id="1"), Bike(id="2")
            for bike in (one, two):
                await uow.bikes.add(bike)
            for _ in range(5):
                await uow.bikes.list_all()
            one.wheels = 3
            for _ in range(5):
                await uow.bikes.list_all()
        assert written == ["1", "2", "1"]
