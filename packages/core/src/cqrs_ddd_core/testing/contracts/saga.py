"""What every saga repository promises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.saga import ISagaRepository, SagaRecord, SagaStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError
from cqrs_ddd_core.testing.adapter_contract import undone
from cqrs_ddd_core.testing.contracts._versioned_record import RecordAccess, VersionedRecordSuite

__all__ = ["SagaContract"]

_HOLD: Final = timedelta(minutes=5)
"""Longer than any test: such a lease does not run out."""


class SagaContract(VersionedRecordSuite[SagaRecord]):
    """One instance for each type, key and tenant; whoever is due is claimed once.

    Give ``sagas`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def sagas(self) -> ISagaRepository:
        """The repository, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture sagas")

    @pytest.fixture
    def records(self, sagas: ISagaRepository) -> RecordAccess[SagaRecord]:
        return RecordAccess(
            store=sagas,
            make=_complete,
            change=lambda saga: replace(
                saga, status=SagaStatus.COMPENSATING, body={"step": "back"}, wake_at=None, definition="v2"
            ),
            add=sagas.add,
            get=sagas.get,
            save=sagas.save,
            json_field="body",
            time_fields=("wake_at", "created_at"),
            set_when_saved=("updated_at",),
        )

    async def _let_leases_run_out(self) -> None:
        await self.pass_time(self.short_hold + self.instant)

    # ------------------------------------------------------------------ type and key

    async def test_a_saga_is_found_by_type_and_key(self, sagas: ISagaRepository) -> None:
        added = await sagas.add(_saga("a", saga_type="Fulfillment", key="order-1"))
        await sagas.add(_saga("b", saga_type="Fulfillment", key="order-2"))
        assert await sagas.find("Fulfillment", "order-1") == added
        assert await sagas.find("Fulfillment", "order-3") is None
        assert await sagas.find("Payment", "order-1") is None

    async def test_one_key_serves_many_types_of_sagas(self, sagas: ISagaRepository) -> None:
        fulfillment = await sagas.add(_saga("a", saga_type="Fulfillment", key="order-1"))
        payment = await sagas.add(_saga("b", saga_type="Payment", key="order-1"))
        assert await sagas.find("Fulfillment", "order-1") == fulfillment
        assert await sagas.find("Payment", "order-1") == payment

    async def test_tenants_may_use_one_key(self, sagas: ISagaRepository) -> None:
        with with_tenant_context("acme"):
            acme = await sagas.add(_saga("a"))
        with with_tenant_context("other"):
            assert await sagas.find("Fulfillment", "a") is None
            other = await sagas.add(_saga("b", key="a"))
        with with_tenant_context("acme"):
            assert await sagas.find("Fulfillment", "a") == acme
        assert await sagas.find("Fulfillment", "a") is None
        with with_tenant_context("other"):
            assert await sagas.find("Fulfillment", "a") == other

    async def test_a_second_instance_for_a_key_is_refused(
        self, sagas: ISagaRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        first = await sagas.add(_saga("a", key="order-1"))
        async with uow_factory():
            other = await sagas.add(_saga("c"))
            with pytest.raises(OptimisticConcurrencyError):
                await sagas.add(_saga("b", key="order-1"))
        assert await sagas.find("Fulfillment", "order-1") == first
        assert await sagas.get("b") is None
        assert await sagas.get("c") == other

    async def test_a_key_stays_taken_when_the_saga_has_ended(self, sagas: ISagaRepository) -> None:
        added = await sagas.add(_saga("a", key="order-1"))
        ended = await sagas.save(replace(added, status=SagaStatus.COMPLETED))
        assert await sagas.find("Fulfillment", "order-1") == ended
        with pytest.raises(OptimisticConcurrencyError):
            await sagas.add(_saga("b", key="order-1"))

    async def test_two_first_events_start_one_saga(
        self, sagas: ISagaRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        errors = await self.race(
            uow_factory, lambda: sagas.add(_saga("a", key="order-1")), lambda: sagas.add(_saga("b", key="order-1"))
        )
        assert [type(error) for error in errors] == [OptimisticConcurrencyError]
        found = await sagas.find("Fulfillment", "order-1")
        assert found is not None
        assert [record.saga_id for record in await sagas.list_sagas()] == [found.saga_id]

    async def test_a_saga_that_was_rolled_back_leaves_its_key_free(
        self, sagas: ISagaRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()):
            await sagas.add(_saga("a", key="order-1"))
            assert await sagas.find("Fulfillment", "order-1") is not None
        assert await sagas.find("Fulfillment", "order-1") is None
        await sagas.add(_saga("b", key="order-1"))

    # ------------------------------------------------------------------ claiming

    async def test_what_is_due_is_claimed_the_longest_due_first(self, sagas: ISagaRepository) -> None:
        for saga_id, minutes in (("b", 2), ("a", 3), ("c", 1)):
            await sagas.add(_due(saga_id, timedelta(minutes=minutes)))
        await sagas.add(_saga("later", wake_at=utc_now() + timedelta(hours=1)))
        await sagas.add(_saga("never", wake_at=None))
        assert _ids(await sagas.claim_due(2, hold=_HOLD)) == ["a", "b"]
        assert _ids(await sagas.claim_due(2, hold=_HOLD)) == ["c"]
        assert list(await sagas.claim_due(2, hold=_HOLD)) == []

    async def test_a_claimed_saga_says_so(self, sagas: ISagaRepository) -> None:
        added = await sagas.add(_due("a"))
        (claimed,) = await sagas.claim_due(1, hold=_HOLD)
        assert claimed.lease
        assert claimed.leased_until is not None
        # The store's clock may not be ours.
        assert abs(claimed.leased_until - utc_now() - _HOLD) < timedelta(minutes=1)
        assert claimed == replace(
            added,
            lease=claimed.lease,
            leased_until=claimed.leased_until,
            version=claimed.version,
            updated_at=claimed.updated_at,
        )
        assert await sagas.get("a") == claimed

    async def test_it_becomes_due_when_its_time_has_come(self, sagas: ISagaRepository) -> None:
        await sagas.add(_saga("a", wake_at=utc_now() + self.short_hold))
        assert list(await sagas.claim_due(1, hold=_HOLD)) == []
        await self._let_leases_run_out()
        assert _ids(await sagas.claim_due(1, hold=_HOLD)) == ["a"]

    async def test_whoever_is_due_is_claimed_in_all_tenants(self, sagas: ISagaRepository) -> None:
        await sagas.add(_due("a", timedelta(minutes=3)))
        with with_tenant_context("acme"):
            await sagas.add(_due("b", timedelta(minutes=2)))
        with with_tenant_context("other"):
            await sagas.add(_due("c", timedelta(minutes=1)))
            claimed = await sagas.claim_due(10, hold=_HOLD)
        assert [(record.saga_id, record.tenant_id) for record in claimed] == [
            ("a", None),
            ("b", "acme"),
            ("c", "other"),
        ]

    @pytest.mark.parametrize("status", list(SagaStatus))
    async def test_the_status_does_not_matter_for_being_due(self, sagas: ISagaRepository, status: SagaStatus) -> None:
        """A saga that has ended may still have commands to send."""
        await sagas.add(_due("a", status=status))
        assert _ids(await sagas.claim_due(1, hold=_HOLD)) == ["a"]

    async def test_two_workers_never_claim_one_saga(self, sagas: ISagaRepository) -> None:
        for number in range(12):
            await sagas.add(_due(str(number)))
        claimed: list[str] = []

        async def work() -> None:
            while batch := await sagas.claim_due(2, hold=_HOLD):
                claimed.extend(_ids(batch))
                await asyncio.sleep(0)

        await asyncio.gather(*(work() for _ in range(4)))
        # A store may answer an overtaken worker with nothing although something is left.
        claimed += _ids(await sagas.claim_due(20, hold=_HOLD))
        assert sorted(claimed, key=int) == [str(number) for number in range(12)]

    async def test_a_lease_that_runs_out_is_claimed_again(self, sagas: ISagaRepository) -> None:
        await sagas.add(_due("a"))
        (first,) = await sagas.claim_due(1, hold=self.short_hold)
        await self._let_leases_run_out()
        (second,) = await sagas.claim_due(1, hold=_HOLD)
        assert second.saga_id == "a"
        assert second.lease != first.lease

    async def test_who_lost_the_lease_cannot_save(self, sagas: ISagaRepository) -> None:
        await sagas.add(_due("a"))
        (first,) = await sagas.claim_due(1, hold=self.short_hold)
        await self._let_leases_run_out()
        (second,) = await sagas.claim_due(1, hold=_HOLD)
        with pytest.raises(OptimisticConcurrencyError):
            await sagas.save(replace(first, lease=None, leased_until=None))
        assert await sagas.get("a") == second
        await sagas.save(replace(second, lease=None, leased_until=None))

    async def test_who_loaded_a_saga_before_it_was_claimed_cannot_save_it(self, sagas: ISagaRepository) -> None:
        """Else an event handler would work on it together with the worker, and end the worker's lease."""
        loaded = await sagas.add(_due("a"))
        (claimed,) = await sagas.claim_due(1, hold=_HOLD)
        with pytest.raises(OptimisticConcurrencyError):
            await sagas.save(loaded)
        assert await sagas.get("a") == claimed

    async def test_saving_without_a_lease_ends_it(self, sagas: ISagaRepository) -> None:
        await sagas.add(_due("a"))
        (claimed,) = await sagas.claim_due(1, hold=_HOLD)
        await sagas.save(replace(claimed, lease=None, leased_until=None))
        assert _ids(await sagas.claim_due(1, hold=_HOLD)) == ["a"]

    async def test_saving_with_the_lease_keeps_it(self, sagas: ISagaRepository) -> None:
        await sagas.add(_due("a"))
        (claimed,) = await sagas.claim_due(1, hold=_HOLD)
        saved = await sagas.save(replace(claimed, body={"sent": 1}))
        assert (saved.lease, saved.leased_until) == (claimed.lease, claimed.leased_until)
        assert list(await sagas.claim_due(1, hold=_HOLD)) == []

    async def test_a_claim_is_committed_at_once(
        self, sagas: ISagaRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await sagas.add(_due("a"))
        async with undone(uow_factory()):
            assert _ids(await sagas.claim_due(1, hold=_HOLD)) == ["a"]
        assert list(await sagas.claim_due(1, hold=_HOLD)) == []

    async def test_a_saga_of_an_open_unit_of_work_is_not_claimed(
        self, sagas: ISagaRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await sagas.add(_due("a"))
            claiming = await self.meanwhile(_claim(sagas))
            if claiming.done():
                assert claiming.result() == []
        # A store that lets one writer in at a time has made the worker wait for the commit.
        assert [*await claiming, *await _claim(sagas)] == ["a"]

    @pytest.mark.parametrize(
        ("limit", "hold"), [(0, _HOLD), (-1, _HOLD), (1, timedelta(0)), (1, timedelta(seconds=-1))]
    )
    async def test_a_claim_of_nothing_or_for_no_time_is_refused(
        self, sagas: ISagaRepository, limit: int, hold: timedelta
    ) -> None:
        with pytest.raises(ValueError, match=r"limit|hold"):
            await sagas.claim_due(limit, hold=hold)

    # ------------------------------------------------------------------ lists

    async def test_the_most_recently_updated_come_first(self, sagas: ISagaRepository) -> None:
        added = [await self._add_after_a_while(sagas, saga_id) for saga_id in ("a", "b", "c")]
        assert _ids(await sagas.list_sagas()) == ["c", "b", "a"]
        await self.pass_time(self.instant)
        await sagas.save(added[0])
        assert _ids(await sagas.list_sagas()) == ["a", "c", "b"]
        assert _ids(await sagas.list_sagas(limit=1)) == ["a"]
        assert _ids(await sagas.list_sagas(limit=2, offset=1)) == ["c", "b"]
        assert _ids(await sagas.list_sagas(offset=3)) == []

    async def test_saving_says_when(self, sagas: ISagaRepository) -> None:
        long_ago = datetime(2025, 1, 1, tzinfo=UTC)
        added = await sagas.add(_saga("a", created_at=long_ago, updated_at=long_ago))
        saved = await sagas.save(added)
        assert abs(saved.updated_at - utc_now()) < timedelta(minutes=1)
        assert saved.created_at == long_ago

    async def test_lists_are_narrowed_by_status_and_type(self, sagas: ISagaRepository) -> None:
        await sagas.add(_saga("a", status=SagaStatus.RUNNING))
        await sagas.add(_saga("b", status=SagaStatus.STUCK))
        await sagas.add(_saga("c", status=SagaStatus.STUCK, saga_type="Payment"))
        assert set(_ids(await sagas.list_sagas(statuses=[SagaStatus.STUCK]))) == {"b", "c"}
        assert set(_ids(await sagas.list_sagas(statuses={SagaStatus.STUCK, SagaStatus.RUNNING}))) == {"a", "b", "c"}
        assert _ids(await sagas.list_sagas(statuses=[SagaStatus.STUCK], saga_type="Payment")) == ["c"]
        assert set(_ids(await sagas.list_sagas(saga_type="Fulfillment"))) == {"a", "b"}
        assert list(await sagas.list_sagas(statuses=[])) == []

    async def test_lists_are_those_of_the_tenant(self, sagas: ISagaRepository) -> None:
        with with_tenant_context("acme"):
            await sagas.add(_saga("a"))
        assert list(await sagas.list_sagas()) == []
        with with_tenant_context("acme"):
            assert _ids(await sagas.list_sagas()) == ["a"]

    # ------------------------------------------------------------------ purge

    async def test_a_purge_removes_terminal_sagas_of_all_tenants(self, sagas: ISagaRepository) -> None:
        for status in SagaStatus:
            with with_tenant_context(f"tenant-{status}"):
                await sagas.add(_saga(status.value, status=status))
        await self.pass_time(self.instant)
        assert await sagas.purge(finished_before=utc_now()) == 3
        for status in SagaStatus:
            with with_tenant_context(f"tenant-{status}"):
                assert (await sagas.get(status.value) is None) == status.is_terminal

    async def test_a_purge_leaves_what_was_saved_later(self, sagas: ISagaRepository) -> None:
        running = await sagas.add(_saga("late"))
        await sagas.add(_saga("early", status=SagaStatus.COMPLETED))
        await self.pass_time(self.instant)
        between = utc_now()
        await self.pass_time(self.instant)
        await sagas.save(replace(running, status=SagaStatus.COMPLETED))
        assert await sagas.purge(finished_before=between) == 1
        assert _ids(await sagas.list_sagas()) == ["late"]

    async def test_a_purge_leaves_what_has_still_something_to_do(self, sagas: ISagaRepository) -> None:
        await sagas.add(_due("a", status=SagaStatus.FAILED))
        await self.pass_time(self.instant)
        assert await sagas.purge(finished_before=utc_now()) == 0
        assert _ids(await sagas.claim_due(1, hold=_HOLD)) == ["a"]

    async def test_a_purge_removes_at_most_what_it_was_allowed_to(self, sagas: ISagaRepository) -> None:
        for number in range(5):
            await sagas.add(_saga(str(number), status=SagaStatus.COMPLETED))
        await self.pass_time(self.instant)
        counts = [await sagas.purge(finished_before=utc_now(), limit=2) for _ in range(4)]
        assert counts == [2, 2, 1, 0]

    async def test_the_key_of_a_purged_saga_is_free(self, sagas: ISagaRepository) -> None:
        await sagas.add(_saga("a", key="order-1", status=SagaStatus.COMPENSATED))
        await self.pass_time(self.instant)
        await sagas.purge(finished_before=utc_now())
        assert await sagas.find("Fulfillment", "order-1") is None
        await sagas.add(_saga("b", key="order-1"))

    async def test_a_purge_belongs_to_the_unit_of_work(
        self, sagas: ISagaRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await sagas.add(_saga("a", status=SagaStatus.COMPLETED))
        await self.pass_time(self.instant)
        async with undone(uow_factory()):
            assert await sagas.purge(finished_before=utc_now()) == 1
        assert await sagas.get("a") is not None

    async def _add_after_a_while(self, sagas: ISagaRepository, saga_id: str) -> SagaRecord:
        await self.pass_time(self.instant)
        return await sagas.add(_saga(saga_id))


def _saga(saga_id: str, **fields: Any) -> SagaRecord:
    given: dict[str, Any] = {"saga_type": "Fulfillment", "key": saga_id, "status": SagaStatus.RUNNING, "body": {}}
    return SagaRecord(saga_id=saga_id, **{**given, **fields})


def _complete(saga_id: str) -> SagaRecord:
    moment = datetime(2025, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC)
    return SagaRecord(
        saga_id=saga_id,
        saga_type="Fulfillment",
        key=f"order of {saga_id}",
        status=SagaStatus.SUSPENDED,
        body={"step": "charging", "sent": [1, 2]},
        definition="sha-1",
        wake_at=moment + timedelta(days=1),
        leased_until=moment + timedelta(hours=1),
        lease="lease-1",
        correlation_id="request-1",
        created_at=moment,
        updated_at=moment + timedelta(microseconds=1),
    )


def _due(saga_id: str, since: timedelta = timedelta(days=1), **fields: Any) -> SagaRecord:
    return _saga(saga_id, wake_at=utc_now() - since, **fields)


def _ids(records: Sequence[SagaRecord]) -> list[str]:
    return [record.saga_id for record in records]


async def _claim(sagas: ISagaRepository) -> list[str]:
    return _ids(await sagas.claim_due(10, hold=_HOLD))
