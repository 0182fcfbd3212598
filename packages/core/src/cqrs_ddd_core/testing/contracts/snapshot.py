"""What every snapshot store promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.snapshot import ISnapshotStore, Snapshot
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import ReadOnlyUnitOfWorkError, SerializationError
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

__all__ = ["SnapshotContract"]


class SnapshotContract(TransactionalContract):
    """The newest state that fits, of an aggregate of the current tenant.

    Give ``snapshot_store`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def snapshot_store(self) -> ISnapshotStore:
        """The store, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture snapshot_store")

    async def test_an_aggregate_without_a_snapshot_has_none(self, snapshot_store: ISnapshotStore) -> None:
        assert await snapshot_store.latest("Order", "never") is None
        assert await snapshot_store.delete("Order", "never") == 0

    async def test_a_snapshot_comes_back_as_it_was_saved(self, snapshot_store: ISnapshotStore) -> None:
        snapshot = Snapshot(
            aggregate_type="Order",
            aggregate_id="order-1",
            version=7,
            state={"total": "12.30", "lines": [{"sku": "a"}]},
            fingerprint="sha256:0190",
            taken_at=datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC),
        )
        with with_tenant_context("acme"):
            await snapshot_store.save(snapshot)
            assert await snapshot_store.latest("Order", "order-1") == replace(snapshot, tenant_id="acme")

    @pytest.mark.parametrize("order", [(10, 20, 30), (30, 10, 20)])
    async def test_the_latest_snapshot_is_the_one_of_the_highest_version(
        self, snapshot_store: ISnapshotStore, order: tuple[int, ...]
    ) -> None:
        for version in order:
            await snapshot_store.save(_snapshot(version))
        assert await _latest(snapshot_store) == 30

    async def test_the_latest_snapshot_up_to_a_version_is_found(self, snapshot_store: ISnapshotStore) -> None:
        for version in (10, 20, 30):
            await snapshot_store.save(_snapshot(version))
        found = [await _latest(snapshot_store, up_to_version=version) for version in (9, 10, 19, 20, 29, 30, 99)]
        assert found == [None, 10, 10, 20, 20, 30, 30]

    async def test_the_latest_snapshot_of_a_fingerprint_is_found(self, snapshot_store: ISnapshotStore) -> None:
        for version, fingerprint in ((10, "old"), (20, "new"), (30, "old")):
            await snapshot_store.save(_snapshot(version, fingerprint=fingerprint))
        assert await _latest(snapshot_store, fingerprint="new") == 20
        assert await _latest(snapshot_store, fingerprint="old") == 30
        assert await _latest(snapshot_store, fingerprint="old", up_to_version=29) == 10
        assert await _latest(snapshot_store, fingerprint="unknown") is None
        assert await _latest(snapshot_store) == 30

    async def test_a_snapshot_of_the_same_version_is_replaced(self, snapshot_store: ISnapshotStore) -> None:
        await snapshot_store.save(_snapshot(10, fingerprint="old", state={"total": 1}))
        await snapshot_store.save(_snapshot(10, fingerprint="new", state={"total": 2}))
        assert await snapshot_store.latest("Order", "order-1", fingerprint="old") is None
        found = await snapshot_store.latest("Order", "order-1")
        assert found is not None
        assert (found.version, found.state) == (10, {"total": 2})
        assert await snapshot_store.delete("Order", "order-1") == 1

    async def test_aggregates_are_told_apart(self, snapshot_store: ISnapshotStore) -> None:
        await snapshot_store.save(_snapshot(10))
        assert await snapshot_store.latest("Order", "order-2") is None
        assert await snapshot_store.latest("Invoice", "order-1") is None
        assert await snapshot_store.delete("Order", "order-2") == 0
        assert await snapshot_store.delete("Invoice", "order-1") == 0
        assert await _latest(snapshot_store) == 10

    async def test_tenants_have_snapshots_of_their_own(self, snapshot_store: ISnapshotStore) -> None:
        for version, tenant_id in enumerate(("acme", "other"), start=1):
            with with_tenant_context(tenant_id):
                assert await _latest(snapshot_store) is None
                await snapshot_store.save(_snapshot(version))
        assert await _latest(snapshot_store) is None
        with with_tenant_context("acme"):
            assert await snapshot_store.delete("Order", "order-1") == 1
        with with_tenant_context("other"):
            assert await _latest(snapshot_store) == 2

    async def test_a_snapshot_of_another_tenant_is_refused(self, snapshot_store: ISnapshotStore) -> None:
        with with_tenant_context("acme"), pytest.raises(ValueError, match="other"):
            await snapshot_store.save(_snapshot(1, tenant_id="other"))

    @pytest.mark.parametrize(
        ("keep", "removed", "left"), [(0, 4, None), (1, 3, 40), (3, 1, 40), (4, 0, 40), (9, 0, 40)]
    )
    async def test_old_snapshots_are_removed_and_the_newest_ones_kept(
        self, snapshot_store: ISnapshotStore, keep: int, removed: int, left: int | None
    ) -> None:
        for version in (40, 10, 30, 20):
            await snapshot_store.save(_snapshot(version))
        assert await snapshot_store.delete("Order", "order-1", keep_latest=keep) == removed
        assert await _latest(snapshot_store) == left
        oldest_kept = {0: None, 1: 40, 3: 20}.get(keep, 10)
        assert await _latest(snapshot_store, up_to_version=oldest_kept or 99) == oldest_kept

    async def test_by_default_every_snapshot_of_an_aggregate_is_removed(self, snapshot_store: ISnapshotStore) -> None:
        await snapshot_store.save(_snapshot(10))
        await snapshot_store.save(_snapshot(20))
        assert await snapshot_store.delete("Order", "order-1") == 2
        assert await _latest(snapshot_store) is None

    async def test_a_negative_number_to_keep_is_refused(self, snapshot_store: ISnapshotStore) -> None:
        with pytest.raises(ValueError, match="keep_latest"):
            await snapshot_store.delete("Order", "order-1", keep_latest=-1)

    # ------------------------------------------------------------------ the unit of work

    async def test_it_says_that_it_takes_part_in_a_unit_of_work(
        self, snapshot_store: ISnapshotStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        self.check_joins(snapshot_store, uow_factory())

    async def test_a_snapshot_is_there_when_its_unit_of_work_has_committed(
        self, snapshot_store: ISnapshotStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await snapshot_store.save(_snapshot(10))
            outside = await self.meanwhile(_latest(snapshot_store))
        assert await outside is None
        assert await _latest(snapshot_store) == 10

    async def test_a_snapshot_is_gone_when_its_unit_of_work_is_rolled_back(
        self, snapshot_store: ISnapshotStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await snapshot_store.save(_snapshot(10))
        async with undone(uow_factory()):
            await snapshot_store.save(_snapshot(20))
        assert await _latest(snapshot_store) == 10

    async def test_a_savepoint_takes_back_what_was_saved_in_it(
        self, snapshot_store: ISnapshotStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory() as uow:
            await snapshot_store.save(_snapshot(10))
            async with undone_savepoint(uow):
                await snapshot_store.save(_snapshot(20))
        assert await _latest(snapshot_store) == 10

    async def test_units_of_work_that_save_different_snapshots_do_not_disturb_each_other(
        self, snapshot_store: ISnapshotStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        errors = await self.race(
            uow_factory, lambda: snapshot_store.save(_snapshot(10)), lambda: snapshot_store.save(_snapshot(20))
        )
        assert errors == []
        assert await _latest(snapshot_store) == 20
        assert await _latest(snapshot_store, up_to_version=19) == 10

    async def test_a_read_only_unit_of_work_saves_nothing(
        self, snapshot_store: ISnapshotStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await snapshot_store.save(_snapshot(10))
        assert await _latest(snapshot_store) is None

    # ------------------------------------------------------------------ data

    async def test_every_json_value_comes_back_as_it_was(self, snapshot_store: ISnapshotStore) -> None:
        await snapshot_store.save(_snapshot(1, state=EVERY_JSON_VALUE))
        found = await snapshot_store.latest("Order", "order-1")
        assert found is not None
        assert found.state == EVERY_JSON_VALUE

    async def test_a_state_of_a_million_characters_is_kept(self, snapshot_store: ISnapshotStore) -> None:
        text = "0123456789" * 100_000
        await snapshot_store.save(_snapshot(1, state={"text": text}))
        found = await snapshot_store.latest("Order", "order-1")
        assert found is not None
        assert found.state == {"text": text}

    @pytest.mark.parametrize("value", NO_JSON_VALUES)
    async def test_a_value_that_json_does_not_have_is_refused(self, snapshot_store: ISnapshotStore, value: Any) -> None:
        with pytest.raises(SerializationError, match="Order"):
            await snapshot_store.save(_snapshot(1, state={"list": [{"inner": value}]}))
        assert await _latest(snapshot_store) is None

    async def test_what_is_stored_cannot_be_changed_from_outside(self, snapshot_store: ISnapshotStore) -> None:
        snapshot = _snapshot(1, state={"lines": [1]})
        await snapshot_store.save(snapshot)
        for _ in range(2):
            snapshot.state["lines"].append(2)
            found = await snapshot_store.latest("Order", "order-1")
            assert found is not None
            assert found.state == {"lines": [1]}
            snapshot = found

    async def test_a_time_of_another_zone_comes_back_as_the_same_moment_in_utc(
        self, snapshot_store: ISnapshotStore
    ) -> None:
        tokyo = datetime(2026, 1, 1, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=9)))
        await snapshot_store.save(_snapshot(1, taken_at=tokyo))
        found = await snapshot_store.latest("Order", "order-1")
        assert found is not None
        assert found.taken_at == tokyo
        assert found.taken_at.utcoffset() == timedelta(0)


def _snapshot(version: int, **fields: Any) -> Snapshot:
    defaults: dict[str, Any] = {"aggregate_type": "Order", "aggregate_id": "order-1", "state": {"version": version}}
    return Snapshot(version=version, **{**defaults, **fields})


async def _latest(
    store: ISnapshotStore, *, up_to_version: int | None = None, fingerprint: str | None = None
) -> int | None:
    found = await store.latest("Order", "order-1", up_to_version=up_to_version, fingerprint=fingerprint)
    return None if found is None else found.version
