"""What every checkpoint store promises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.checkpoint import Checkpoint, ICheckpointStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import LeaseLostError, ReadOnlyUnitOfWorkError
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint

__all__ = ["CheckpointContract"]


class CheckpointContract(TransactionalContract):
    """A position by name that only the worker which took over last can move, and only forward.

    Give ``checkpoint_store`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def checkpoint_store(self) -> ICheckpointStore:
        """The store, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture checkpoint_store")

    async def test_a_checkpoint_that_nobody_has_taken_over_is_not_there(
        self, checkpoint_store: ICheckpointStore
    ) -> None:
        assert await checkpoint_store.get("orders") is None
        assert await checkpoint_store.list_all() == []

    async def test_a_new_checkpoint_begins_at_zero(self, checkpoint_store: ICheckpointStore) -> None:
        taken = await checkpoint_store.take_over("orders")
        assert (taken.name, taken.position) == ("orders", 0)
        assert taken.epoch >= 1
        assert taken.updated_at.utcoffset() == timedelta(0)
        assert await checkpoint_store.get("orders") == taken

    async def test_a_checkpoint_moves_forward(self, checkpoint_store: ICheckpointStore) -> None:
        checkpoint = await checkpoint_store.take_over("orders")
        for position in (1, 2, 7, 2**40):
            checkpoint = await checkpoint_store.advance(checkpoint, position)
            assert checkpoint.position == position
            assert await checkpoint_store.get("orders") == checkpoint

    async def test_a_checkpoint_says_when_it_moved(self, checkpoint_store: ICheckpointStore) -> None:
        taken = await checkpoint_store.take_over("orders")
        await self.pass_time(self.instant)
        moved = await checkpoint_store.advance(taken, 1)
        assert moved.updated_at > taken.updated_at
        # The store's clock may not be ours.
        assert abs(moved.updated_at - utc_now()) < timedelta(minutes=1)

    @pytest.mark.parametrize("position", [5, 4, 0, -1])
    async def test_a_checkpoint_does_not_stand_still_or_go_back(
        self, checkpoint_store: ICheckpointStore, position: int
    ) -> None:
        checkpoint = await checkpoint_store.advance(await checkpoint_store.take_over("orders"), 5)
        with pytest.raises(ValueError, match="orders"):
            await checkpoint_store.advance(checkpoint, position)
        assert await checkpoint_store.get("orders") == checkpoint

    async def test_an_old_copy_of_the_checkpoint_does_not_move_it_back(
        self, checkpoint_store: ICheckpointStore
    ) -> None:
        old = await checkpoint_store.take_over("orders")
        await checkpoint_store.advance(old, 5)
        with pytest.raises(ValueError, match="orders"):
            await checkpoint_store.advance(old, 3)
        assert (await checkpoint_store.advance(old, 6)).position == 6

    async def test_who_takes_over_goes_on_and_shuts_the_other_out(self, checkpoint_store: ICheckpointStore) -> None:
        first = await checkpoint_store.advance(await checkpoint_store.take_over("orders"), 5)
        second = await checkpoint_store.take_over("orders")
        assert second.position == 5
        assert second.epoch > first.epoch
        with pytest.raises(LeaseLostError) as caught:
            await checkpoint_store.advance(first, 6)
        assert caught.value.item_id == "orders"
        assert (await checkpoint_store.advance(second, 7)).position == 7
        with pytest.raises(LeaseLostError):
            await checkpoint_store.advance(first, 8)

    async def test_checkpoints_are_told_apart(self, checkpoint_store: ICheckpointStore) -> None:
        orders = await checkpoint_store.take_over("orders")
        await checkpoint_store.take_over("orders:1")
        await checkpoint_store.advance(orders, 5)
        other = await checkpoint_store.get("orders:1")
        assert other is not None
        assert other.position == 0

    async def test_checkpoints_belong_to_no_tenant(self, checkpoint_store: ICheckpointStore) -> None:
        taken = await checkpoint_store.take_over("orders")
        with with_tenant_context("acme"):
            assert await checkpoint_store.get("orders") == taken
            moved = await checkpoint_store.advance(taken, 5)
        assert await checkpoint_store.list_all() == [moved]

    async def test_all_checkpoints_are_listed_in_order_of_name(self, checkpoint_store: ICheckpointStore) -> None:
        taken = {name: await checkpoint_store.take_over(name) for name in ("b", "a:10", "c", "a:9")}
        assert await checkpoint_store.list_all() == [taken[name] for name in ("a:10", "a:9", "b", "c")]

    async def test_a_reset_sets_any_position_and_shuts_out_who_works(self, checkpoint_store: ICheckpointStore) -> None:
        working = await checkpoint_store.advance(await checkpoint_store.take_over("orders"), 50)
        reset = await checkpoint_store.reset("orders", 20)
        assert reset.position == 20
        assert reset.epoch > working.epoch
        with pytest.raises(LeaseLostError):
            await checkpoint_store.advance(working, 51)
        assert await checkpoint_store.get("orders") == reset
        assert (await checkpoint_store.reset("orders")).position == 0
        assert (await checkpoint_store.reset("orders", 99)).position == 99
        taken = await checkpoint_store.take_over("orders")
        assert (await checkpoint_store.advance(taken, 100)).position == 100

    async def test_a_reset_makes_a_checkpoint_that_was_not_there(self, checkpoint_store: ICheckpointStore) -> None:
        reset = await checkpoint_store.reset("orders", 20)
        assert await checkpoint_store.get("orders") == reset
        assert (await checkpoint_store.take_over("orders")).position == 20

    async def test_a_reset_to_a_negative_position_is_refused(self, checkpoint_store: ICheckpointStore) -> None:
        with pytest.raises(ValueError, match="position"):
            await checkpoint_store.reset("orders", -1)

    # ------------------------------------------------------------------ the unit of work

    async def test_it_says_that_it_takes_part_in_a_unit_of_work(
        self, checkpoint_store: ICheckpointStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        self.check_joins(checkpoint_store, uow_factory())

    async def test_a_checkpoint_has_moved_when_its_unit_of_work_has_committed(
        self, checkpoint_store: ICheckpointStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        taken = await checkpoint_store.take_over("orders")
        async with uow_factory():
            moved = await checkpoint_store.advance(taken, 5)
            moved = await checkpoint_store.advance(moved, 6)
            assert await checkpoint_store.get("orders") == moved
            outside = await self.meanwhile(checkpoint_store.get("orders"))
        assert await outside == taken
        assert await checkpoint_store.get("orders") == moved

    async def test_a_checkpoint_has_not_moved_when_its_unit_of_work_is_rolled_back(
        self, checkpoint_store: ICheckpointStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        taken = await checkpoint_store.take_over("orders")
        async with undone(uow_factory()):
            await checkpoint_store.advance(taken, 5)
        assert await checkpoint_store.get("orders") == taken
        assert (await checkpoint_store.advance(taken, 3)).position == 3

    async def test_a_savepoint_takes_a_move_back(
        self, checkpoint_store: ICheckpointStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        taken = await checkpoint_store.take_over("orders")
        async with uow_factory() as uow:
            moved = await checkpoint_store.advance(taken, 5)
            async with undone_savepoint(uow):
                await checkpoint_store.advance(moved, 9)
            assert await checkpoint_store.get("orders") == moved
        assert await checkpoint_store.get("orders") == moved

    async def test_a_move_that_is_refused_leaves_the_unit_of_work_usable(
        self, checkpoint_store: ICheckpointStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        lost = await checkpoint_store.take_over("orders")
        held = await checkpoint_store.take_over("orders")
        async with uow_factory():
            with pytest.raises(LeaseLostError):
                await checkpoint_store.advance(lost, 5)
            with pytest.raises(ValueError, match="orders"):
                await checkpoint_store.advance(held, 0)
            moved = await checkpoint_store.advance(held, 4)
        assert await checkpoint_store.get("orders") == moved

    async def test_a_worker_that_is_shut_out_before_its_commit_does_not_move_the_checkpoint(
        self, checkpoint_store: ICheckpointStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        first = await checkpoint_store.take_over("orders")
        taking_over: list[asyncio.Task[Checkpoint]] = []
        shut_out = False
        try:
            async with uow_factory():
                await checkpoint_store.advance(first, 5)
                taking_over.append(await self.meanwhile(checkpoint_store.take_over("orders")))
        except LeaseLostError:
            shut_out = True
        second = await taking_over[0]
        # A store may also let the worker finish first, and then give way.
        assert second.position == (0 if shut_out else 5)
        assert await checkpoint_store.get("orders") == second
        with pytest.raises(LeaseLostError):
            await checkpoint_store.advance(first, 6)

    async def test_a_read_only_unit_of_work_moves_nothing(
        self, checkpoint_store: ICheckpointStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        taken = await checkpoint_store.take_over("orders")
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            assert await checkpoint_store.get("orders") == taken
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await checkpoint_store.advance(taken, 5)
        assert await checkpoint_store.get("orders") == taken
