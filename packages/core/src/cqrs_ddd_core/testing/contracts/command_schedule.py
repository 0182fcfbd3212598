"""What every command schedule promises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.command_schedule import ICommandSchedule, ScheduledCommand, ScheduleStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError
from cqrs_ddd_core.testing.adapter_contract import undone
from cqrs_ddd_core.testing.contracts._versioned_record import RecordAccess, VersionedRecordSuite

__all__ = ["CommandScheduleContract"]

_HOLD: Final = timedelta(minutes=5)
"""Longer than any test: such a lease does not run out."""


class CommandScheduleContract(VersionedRecordSuite[ScheduledCommand]):
    """What is due is claimed once, the longest due first; what cannot be carried out blocks nobody.

    Give ``schedule`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def schedule(self) -> ICommandSchedule:
        """The schedule, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture schedule")

    @pytest.fixture
    def records(self, schedule: ICommandSchedule) -> RecordAccess[ScheduledCommand]:
        return RecordAccess(
            store=schedule,
            make=_complete,
            change=lambda entry: replace(
                entry, status=ScheduleStatus.PARKED, attempts=9, error="unknown command", cron=None, metadata={}
            ),
            add=schedule.add,
            get=schedule.get,
            save=schedule.save,
            json_field="payload",
            time_fields=("due_at", "created_at", "last_run_at"),
        )

    async def _let_leases_run_out(self) -> None:
        await self.pass_time(self.short_hold + self.instant)

    # ------------------------------------------------------------------ claiming

    async def test_what_is_due_is_claimed_the_longest_due_first(self, schedule: ICommandSchedule) -> None:
        for schedule_id, minutes in (("b", 2), ("a", 3), ("c", 1)):
            await schedule.add(_due(schedule_id, timedelta(minutes=minutes)))
        await schedule.add(_entry("later"))
        assert _ids(await schedule.claim_due(2, hold=_HOLD)) == ["a", "b"]
        assert _ids(await schedule.claim_due(2, hold=_HOLD)) == ["c"]
        assert list(await schedule.claim_due(2, hold=_HOLD)) == []

    async def test_a_claimed_entry_says_so(self, schedule: ICommandSchedule) -> None:
        added = await schedule.add(_due("a"))
        (claimed,) = await schedule.claim_due(1, hold=_HOLD)
        assert claimed.lease
        assert claimed.leased_until is not None
        # The store's clock may not be ours.
        assert abs(claimed.leased_until - utc_now() - _HOLD) < timedelta(minutes=1)
        assert claimed == replace(added, lease=claimed.lease, leased_until=claimed.leased_until, version=2)
        assert await schedule.get("a") == claimed

    async def test_it_becomes_due_when_its_time_has_come(self, schedule: ICommandSchedule) -> None:
        await schedule.add(_entry("a", due_at=utc_now() + self.short_hold))
        assert list(await schedule.claim_due(1, hold=_HOLD)) == []
        await self._let_leases_run_out()
        assert _ids(await schedule.claim_due(1, hold=_HOLD)) == ["a"]

    async def test_only_what_is_scheduled_is_claimed(self, schedule: ICommandSchedule) -> None:
        for status in ScheduleStatus:
            await schedule.add(_due(status.value, status=status))
        assert _ids(await schedule.claim_due(10, hold=_HOLD)) == ["scheduled"]

    async def test_what_is_due_is_claimed_in_all_tenants(self, schedule: ICommandSchedule) -> None:
        await schedule.add(_due("a", timedelta(minutes=3)))
        with with_tenant_context("acme"):
            await schedule.add(_due("b", timedelta(minutes=2)))
        with with_tenant_context("other"):
            await schedule.add(_due("c", timedelta(minutes=1)))
            claimed = await schedule.claim_due(10, hold=_HOLD)
        assert [(entry.schedule_id, entry.tenant_id) for entry in claimed] == [
            ("a", None),
            ("b", "acme"),
            ("c", "other"),
        ]

    async def test_two_workers_never_claim_one_entry(self, schedule: ICommandSchedule) -> None:
        for number in range(12):
            await schedule.add(_due(str(number)))
        claimed: list[str] = []

        async def work() -> None:
            while batch := await schedule.claim_due(2, hold=_HOLD):
                claimed.extend(_ids(batch))
                await asyncio.sleep(0)

        await asyncio.gather(*(work() for _ in range(4)))
        # A store may answer an overtaken worker with nothing although something is left.
        claimed += _ids(await schedule.claim_due(20, hold=_HOLD))
        assert sorted(claimed, key=int) == [str(number) for number in range(12)]

    async def test_a_lease_that_runs_out_is_claimed_again(self, schedule: ICommandSchedule) -> None:
        await schedule.add(_due("a"))
        (first,) = await schedule.claim_due(1, hold=self.short_hold)
        await self._let_leases_run_out()
        (second,) = await schedule.claim_due(1, hold=_HOLD)
        assert second.lease != first.lease
        with pytest.raises(OptimisticConcurrencyError):
            await schedule.save(replace(first, status=ScheduleStatus.DONE, lease=None, leased_until=None))
        assert await schedule.get("a") == second

    async def test_who_loaded_an_entry_before_it_was_claimed_cannot_save_it(self, schedule: ICommandSchedule) -> None:
        """Else somebody could cancel a command that is being sent, and believe that it is not."""
        loaded = await schedule.add(_due("a"))
        (claimed,) = await schedule.claim_due(1, hold=_HOLD)
        with pytest.raises(OptimisticConcurrencyError):
            await schedule.save(replace(loaded, status=ScheduleStatus.CANCELLED))
        assert await schedule.get("a") == claimed

    async def test_an_entry_that_is_saved_without_a_lease_is_claimed_when_it_is_due_again(
        self, schedule: ICommandSchedule
    ) -> None:
        await schedule.add(_due("a"))
        (claimed,) = await schedule.claim_due(1, hold=_HOLD)
        again = utc_now() + self.short_hold
        await schedule.save(replace(claimed, lease=None, leased_until=None, due_at=again, attempts=1, error="boom"))
        assert list(await schedule.claim_due(1, hold=_HOLD)) == []
        await self._let_leases_run_out()
        (second,) = await schedule.claim_due(1, hold=_HOLD)
        assert (second.attempts, second.error) == (1, "boom")

    async def test_a_parked_entry_blocks_nobody(self, schedule: ICommandSchedule) -> None:
        await schedule.add(_due("poison", timedelta(minutes=2)))
        await schedule.add(_due("good", timedelta(minutes=1)))
        (poison,) = await schedule.claim_due(1, hold=_HOLD)
        await schedule.save(replace(poison, status=ScheduleStatus.PARKED, lease=None, leased_until=None, error="?"))
        assert _ids(await schedule.claim_due(10, hold=_HOLD)) == ["good"]
        assert _ids(await schedule.list_entries(statuses=[ScheduleStatus.PARKED])) == ["poison"]

    async def test_a_claim_is_committed_at_once(
        self, schedule: ICommandSchedule, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await schedule.add(_due("a"))
        async with undone(uow_factory()):
            assert await _claim(schedule) == ["a"]
        assert await _claim(schedule) == []

    async def test_an_entry_of_an_open_unit_of_work_is_not_claimed(
        self, schedule: ICommandSchedule, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await schedule.add(_due("a"))
            claiming = await self.meanwhile(_claim(schedule))
            if claiming.done():
                assert claiming.result() == []
        # A store that lets one writer in at a time has made the worker wait for the commit.
        assert [*await claiming, *await _claim(schedule)] == ["a"]

    @pytest.mark.parametrize(
        ("limit", "hold"), [(0, _HOLD), (-1, _HOLD), (1, timedelta(0)), (1, timedelta(seconds=-1))]
    )
    async def test_a_claim_of_nothing_or_for_no_time_is_refused(
        self, schedule: ICommandSchedule, limit: int, hold: timedelta
    ) -> None:
        with pytest.raises(ValueError, match=r"limit|hold"):
            await schedule.claim_due(limit, hold=hold)

    # ------------------------------------------------------------------ when to look again

    async def test_nothing_is_next_when_nothing_is_scheduled(self, schedule: ICommandSchedule) -> None:
        assert await schedule.next_due() is None
        for status in (ScheduleStatus.DONE, ScheduleStatus.CANCELLED, ScheduleStatus.PARKED):
            await schedule.add(_due(status.value, status=status))
        assert await schedule.next_due() is None

    async def test_the_next_entry_of_any_tenant_is_next(self, schedule: ICommandSchedule) -> None:
        moment = datetime(2125, 1, 1, tzinfo=UTC)
        await schedule.add(_entry("b", due_at=moment + timedelta(hours=1)))
        with with_tenant_context("acme"):
            await schedule.add(_entry("a", due_at=moment))
        assert await schedule.next_due() == moment

    async def test_a_leased_entry_is_next_when_its_lease_ends(self, schedule: ICommandSchedule) -> None:
        """Else whoever waits for the next one finds nothing to claim, and asks again at once, for ever."""
        await schedule.add(_due("a"))
        (claimed,) = await schedule.claim_due(1, hold=_HOLD)
        assert await schedule.next_due() == claimed.leased_until
        sooner = claimed.due_at + timedelta(days=1, minutes=1)
        await schedule.add(_entry("b", due_at=sooner))
        assert await schedule.next_due() == sooner

    # ------------------------------------------------------------------ lists

    async def test_the_next_due_come_first(self, schedule: ICommandSchedule) -> None:
        for schedule_id, minutes in (("b", 2), ("c", 3), ("a", 1)):
            await schedule.add(_entry(schedule_id, due_at=utc_now() + timedelta(minutes=minutes)))
        assert _ids(await schedule.list_entries()) == ["a", "b", "c"]
        assert _ids(await schedule.list_entries(limit=1)) == ["a"]
        assert _ids(await schedule.list_entries(limit=2, offset=1)) == ["b", "c"]
        assert _ids(await schedule.list_entries(offset=3)) == []

    async def test_lists_are_narrowed_by_status(self, schedule: ICommandSchedule) -> None:
        for status in ScheduleStatus:
            await schedule.add(_entry(status.value, status=status))
        assert set(_ids(await schedule.list_entries())) == {status.value for status in ScheduleStatus}
        wanted = {ScheduleStatus.DONE, ScheduleStatus.PARKED}
        assert set(_ids(await schedule.list_entries(statuses=wanted))) == {"done", "parked"}
        assert list(await schedule.list_entries(statuses=[])) == []

    async def test_lists_are_those_of_the_tenant(self, schedule: ICommandSchedule) -> None:
        with with_tenant_context("acme"):
            await schedule.add(_entry("a"))
        assert list(await schedule.list_entries()) == []
        with with_tenant_context("acme"):
            assert _ids(await schedule.list_entries()) == ["a"]

    # ------------------------------------------------------------------ purge

    async def test_a_purge_removes_what_is_finished_in_all_tenants(self, schedule: ICommandSchedule) -> None:
        for status in ScheduleStatus:
            with with_tenant_context(f"tenant-{status}"):
                await schedule.add(_entry(status.value, status=status))
        await self.pass_time(self.instant)
        assert await schedule.purge(finished_before=utc_now()) == 2
        for status in ScheduleStatus:
            with with_tenant_context(f"tenant-{status}"):
                gone = await schedule.get(status.value) is None
                assert gone == (status in {ScheduleStatus.DONE, ScheduleStatus.CANCELLED})

    async def test_a_purge_leaves_what_was_saved_later(self, schedule: ICommandSchedule) -> None:
        late = await schedule.add(_entry("late"))
        await schedule.add(_entry("early", status=ScheduleStatus.DONE))
        await self.pass_time(self.instant)
        between = utc_now()
        await self.pass_time(self.instant)
        await schedule.save(replace(late, status=ScheduleStatus.CANCELLED))
        assert await schedule.purge(finished_before=between) == 1
        assert _ids(await schedule.list_entries()) == ["late"]

    async def test_a_purge_removes_at_most_what_it_was_allowed_to(self, schedule: ICommandSchedule) -> None:
        for number in range(5):
            await schedule.add(_entry(str(number), status=ScheduleStatus.DONE))
        await self.pass_time(self.instant)
        counts = [await schedule.purge(finished_before=utc_now(), limit=2) for _ in range(4)]
        assert counts == [2, 2, 1, 0]


def _entry(schedule_id: str, **fields: Any) -> ScheduledCommand:
    given: dict[str, Any] = {"command_type": "CloseOrder", "payload": {}, "due_at": utc_now() + timedelta(hours=1)}
    return ScheduledCommand(schedule_id=schedule_id, **{**given, **fields})


def _complete(schedule_id: str) -> ScheduledCommand:
    moment = datetime(2025, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC)
    return ScheduledCommand(
        schedule_id=schedule_id,
        command_type="CloseOrder",
        payload={"order_id": "order-1"},
        due_at=moment,
        description="Close what nobody pays",
        cron="0 3 * * *",
        timezone="Europe/Berlin",
        missed_runs="skip",
        attempts=2,
        error="timeout",
        leased_until=moment + timedelta(hours=1),
        lease="lease-1",
        created_at=moment,
        last_run_at=moment + timedelta(microseconds=1),
        correlation_id="request-1",
        metadata={"by": "ada"},
    )


def _due(schedule_id: str, since: timedelta = timedelta(days=1), **fields: Any) -> ScheduledCommand:
    return _entry(schedule_id, due_at=utc_now() - since, **fields)


def _ids(entries: Sequence[ScheduledCommand]) -> list[str]:
    return [entry.schedule_id for entry in entries]


async def _claim(schedule: ICommandSchedule) -> list[str]:
    return _ids(await schedule.claim_due(10, hold=_HOLD))
