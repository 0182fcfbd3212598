"""What sagas, jobs, scheduled commands and undo tokens have in common: records with versions, of a tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar, Protocol, cast

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import (
    ConcurrencyError,
    OptimisticConcurrencyError,
    ReadOnlyUnitOfWorkError,
    SerializationError,
)
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

__all__ = ["RecordAccess", "VersionedRecordSuite"]


class _Record(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def version(self) -> int: ...

    @property
    def tenant_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAccess[R: _Record]:
    """How a suite reaches the records of one port."""

    store: object
    """The adapter."""
    make: Callable[[str], R]
    """A new record with this id, and something in every field that the adapter does not set itself."""
    change: Callable[[R], R]
    """The record with another content."""
    add: Callable[[R], Awaitable[R]]
    get: Callable[[str], Awaitable[R | None]]
    save: Callable[[R], Awaitable[R]]
    json_field: str
    """A field that holds any JSON object."""
    time_fields: Sequence[str]
    """Fields with a time that the adapter takes as it is given."""
    set_when_saved: Sequence[str] = ()
    """Fields that the adapter sets itself at each save, besides the version."""

    def without_own(self, record: R) -> R:
        """The record as its owner gave it, for comparing."""
        unset: dict[str, Any] = dict.fromkeys(self.set_when_saved)
        return replace(record, version=0, tenant_id=None, **unset)


class VersionedRecordSuite[R: _Record](TransactionalContract):
    """Adding, reading and saving, in tenants and units of work. ``records`` says how."""

    @pytest.fixture
    def records(self) -> RecordAccess[R]:
        raise NotImplementedError("give the fixture records")

    # ------------------------------------------------------------------ records

    async def test_a_record_comes_back_as_it_was_added(self, records: RecordAccess[R]) -> None:
        given = records.make("a")
        added = await records.add(given)
        assert replace(added, version=0) == given
        assert added.version == 1
        assert await records.get("a") == added

    async def test_there_is_no_record_under_an_unknown_id(self, records: RecordAccess[R]) -> None:
        await records.add(records.make("a"))
        assert await records.get("b") is None

    async def test_an_id_is_given_once(self, records: RecordAccess[R]) -> None:
        added = await records.add(records.make("a"))
        with pytest.raises(OptimisticConcurrencyError):
            await records.add(records.change(records.make("a")))
        assert await records.get("a") == added

    async def test_a_saved_record_has_the_next_version(self, records: RecordAccess[R]) -> None:
        added = await records.add(records.make("a"))
        saved = await records.save(records.change(added))
        assert saved.version == 2
        assert records.without_own(saved) == records.without_own(records.change(added))
        assert await records.get("a") == saved
        assert (await records.save(saved)).version == 3

    @pytest.mark.parametrize("version", [0, 1, 3])
    async def test_saving_another_version_than_the_stored_one_is_refused(
        self, records: RecordAccess[R], version: int
    ) -> None:
        stored = await records.save(await records.add(records.make("a")))
        assert stored.version == 2
        with pytest.raises(OptimisticConcurrencyError) as caught:
            await records.save(replace(records.change(stored), version=version))
        assert caught.value.expected == version
        assert await records.get("a") == stored

    async def test_saving_a_record_that_does_not_exist_is_refused(self, records: RecordAccess[R]) -> None:
        for version in (0, 1):
            with pytest.raises(OptimisticConcurrencyError):
                await records.save(replace(records.make("a"), version=version))
        assert await records.get("a") is None

    # ------------------------------------------------------------------ tenants

    async def test_tenants_have_records_of_their_own(self, records: RecordAccess[R]) -> None:
        given = records.make("a")
        with with_tenant_context("acme"):
            added = await records.add(given)
            assert added.tenant_id == "acme"
        assert await records.get("a") is None
        with with_tenant_context("other"):
            assert await records.get("a") is None
            other = await records.save(records.change(await records.add(given)))
            assert other.tenant_id == "other"
        with with_tenant_context("acme"):
            assert await records.get("a") == added

    async def test_a_record_of_another_tenant_is_not_added(self, records: RecordAccess[R]) -> None:
        with with_tenant_context("acme"), pytest.raises(ValueError, match="other"):
            await records.add(replace(records.make("a"), tenant_id="other"))
        with with_tenant_context("other"):
            assert await records.get("a") is None

    async def test_a_record_of_another_tenant_is_not_saved(self, records: RecordAccess[R]) -> None:
        with with_tenant_context("acme"):
            added = await records.add(records.make("a"))
        with with_tenant_context("other"), pytest.raises((ValueError, ConcurrencyError)):
            await records.save(records.change(added))
        with with_tenant_context("acme"):
            assert await records.get("a") == added

    # ------------------------------------------------------------------ units of work

    async def test_it_says_that_it_takes_part_in_units_of_work(
        self, records: RecordAccess[R], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        self.check_joins(records.store, uow_factory())

    async def test_a_record_exists_when_its_unit_of_work_commits(
        self, records: RecordAccess[R], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            added = await records.add(records.make("a"))
            assert await records.get("a") == added
            looking = await self.meanwhile(_look(records, "a"))
            if looking.done():
                assert looking.result() is None
            saved = await records.save(records.change(added))
            assert await records.get("a") == saved
        # A store that lets one in at a time has made the other wait for the commit.
        assert await looking in (None, saved)
        assert await records.get("a") == saved

    async def test_a_unit_of_work_that_rolls_back_changes_nothing(
        self, records: RecordAccess[R], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        stored = await records.add(records.make("a"))
        async with undone(uow_factory()):
            await records.save(records.change(stored))
            await records.add(records.make("b"))
        assert await records.get("a") == stored
        assert await records.get("b") is None
        await records.add(records.make("b"))
        assert (await records.save(stored)).version == 2

    async def test_a_savepoint_that_is_undone_takes_back_what_was_done_in_it(
        self, records: RecordAccess[R], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory() as uow:
            first = await records.add(records.make("a"))
            async with undone_savepoint(uow):
                await records.save(records.change(first))
                await records.add(records.make("b"))
            assert await records.get("a") == first
        assert await records.get("a") == first
        assert await records.get("b") is None

    async def test_a_refused_record_leaves_the_unit_of_work_as_it_was(
        self, records: RecordAccess[R], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        stored = await records.add(records.make("a"))
        async with uow_factory():
            other = await records.add(records.make("b"))
            for refused in ("a", "b"):
                with pytest.raises(OptimisticConcurrencyError):
                    await records.add(records.change(records.make(refused)))
            with pytest.raises(OptimisticConcurrencyError):
                await records.save(replace(records.change(stored), version=7))
        assert await records.get("a") == stored
        assert await records.get("b") == other

    async def test_of_two_units_of_work_that_save_one_version_one_fails(
        self, records: RecordAccess[R], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        stored = await records.add(records.make("a"))
        errors = await self.race(uow_factory, lambda: records.save(stored), lambda: records.save(stored))
        assert [type(error) for error in errors] == [OptimisticConcurrencyError]
        found = await records.get("a")
        assert found is not None
        assert found.version == 2

    async def test_of_two_units_of_work_that_add_one_id_one_fails(
        self, records: RecordAccess[R], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        new = records.make("a")
        errors = await self.race(uow_factory, lambda: records.add(new), lambda: records.add(new))
        assert [type(error) for error in errors] == [OptimisticConcurrencyError]
        found = await records.get("a")
        assert found is not None
        assert found.version == 1

    async def test_a_read_only_unit_of_work_refuses_to_write(
        self, records: RecordAccess[R], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        stored = await records.add(records.make("a"))
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            assert await records.get("a") == stored
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await records.save(records.change(stored))
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await records.add(records.make("b"))
        assert await records.get("a") == stored

    # ------------------------------------------------------------------ data

    async def test_every_json_value_comes_back_as_it_was(self, records: RecordAccess[R]) -> None:
        added = await records.add(_with(records, records.make("a"), EVERY_JSON_VALUE))
        found = await records.get("a")
        assert found == added
        assert getattr(found, records.json_field) == EVERY_JSON_VALUE

    @pytest.mark.parametrize("value", NO_JSON_VALUES)
    async def test_a_value_that_json_does_not_have_is_refused(self, records: RecordAccess[R], value: Any) -> None:
        with pytest.raises(SerializationError, match=records.json_field):
            await records.add(_with(records, records.make("a"), {"list": [{"inner": value}]}))
        assert await records.get("a") is None
        stored = await records.add(records.make("b"))
        with pytest.raises(SerializationError, match=records.json_field):
            await records.save(_with(records, stored, {"inner": value}))
        assert await records.get("b") == stored

    async def test_what_is_stored_cannot_be_changed_from_outside(self, records: RecordAccess[R]) -> None:
        content: dict[str, Any] = {"items": [{"sku": "a"}]}
        added = await records.add(_with(records, records.make("a"), content))
        content["items"].append("changed")
        getattr(added, records.json_field)["items"].append("changed")
        found = await records.get("a")
        getattr(found, records.json_field)["items"].append("changed")
        assert getattr(await records.get("a"), records.json_field) == {"items": [{"sku": "a"}]}

    async def test_a_time_of_another_zone_comes_back_as_the_same_moment_in_utc(self, records: RecordAccess[R]) -> None:
        tokyo = datetime(2025, 1, 1, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=9)))
        await records.add(replace(records.make("a"), **dict.fromkeys(records.time_fields, tokyo)))
        found = await records.get("a")
        for name in records.time_fields:
            assert getattr(found, name) == tokyo
            assert getattr(found, name).utcoffset() == timedelta(0)

    async def test_a_time_without_a_zone_is_refused(self, records: RecordAccess[R]) -> None:
        naive = datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)
        for name in records.time_fields:
            with pytest.raises(ValueError, match=name):
                await records.add(replace(records.make("a"), **cast("dict[str, Any]", {name: naive})))
        assert await records.get("a") is None


def _with[R: _Record](records: RecordAccess[R], record: R, content: dict[str, Any]) -> R:
    changes: dict[str, Any] = {records.json_field: content}
    return replace(record, **changes)


async def _look[R: _Record](records: RecordAccess[R], record_id: str) -> R | None:
    return await records.get(record_id)
