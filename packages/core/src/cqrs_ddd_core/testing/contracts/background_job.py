"""What every repository of background jobs promises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from cqrs_ddd_core.context import use_context, with_tenant_context
from cqrs_ddd_core.ports.background_job import BackgroundJobRecord, BackgroundJobStatus, IBackgroundJobRepository
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import (
    OptimisticConcurrencyError,
    ReadOnlyUnitOfWorkError,
    SerializationError,
)
from cqrs_ddd_core.testing.adapter_contract import undone
from cqrs_ddd_core.testing.contracts._versioned_record import RecordAccess, VersionedRecordSuite
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE

__all__ = ["BackgroundJobContract"]

_HOLD: Final = timedelta(minutes=5)
"""Longer than any test: such a lease does not run out."""
_LIMIT: Final = timedelta(seconds=30)
"""Far more than anything here takes; a test that waits longer hangs."""
_TERMINAL: Final = [status for status in BackgroundJobStatus if status.is_terminal]
_NOT_TERMINAL: Final = [status for status in BackgroundJobStatus if not status.is_terminal]


class BackgroundJobContract(VersionedRecordSuite[BackgroundJobRecord]):
    """A job has one worker at a time, the last one that claimed it; what others report is refused.

    Give ``jobs`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def jobs(self) -> IBackgroundJobRepository:
        """The repository, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture jobs")

    @pytest.fixture
    def records(self, jobs: IBackgroundJobRepository) -> RecordAccess[BackgroundJobRecord]:
        async def add(job: BackgroundJobRecord) -> BackgroundJobRecord:
            (added,) = await jobs.add([job])
            return added

        return RecordAccess(
            store=jobs,
            make=_complete,
            change=lambda job: replace(
                job, status=BackgroundJobStatus.FAILED, error="boom", result=None, unique_key=None, metadata={"n": 1}
            ),
            add=add,
            get=jobs.get,
            save=jobs.save,
            json_field="payload",
            time_fields=("available_at", "created_at", "started_at", "finished_at"),
            set_when_saved=("updated_at",),
        )

    async def _let_leases_run_out(self) -> None:
        await self.pass_time(self.short_hold + self.instant)

    # ------------------------------------------------------------------ adding

    async def test_several_jobs_are_added_in_the_order_given(self, jobs: IBackgroundJobRepository) -> None:
        added = await jobs.add([_job("b"), _job("a"), _job("c")])
        assert _ids(added) == ["b", "a", "c"]
        assert [job.version for job in added] == [1, 1, 1]
        assert [await jobs.get(job.job_id) for job in added] == list(added)
        assert list(await jobs.add([])) == []

    async def test_of_several_jobs_all_are_added_or_none(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await jobs.add([_job("known")])
        async with uow_factory():
            with pytest.raises(OptimisticConcurrencyError):
                await jobs.add([_job("a"), _job("known"), _job("b")])
            with pytest.raises(OptimisticConcurrencyError):
                await jobs.add([_job("twice"), _job("twice")])
        assert _ids(await jobs.list_jobs()) == ["known"]

    async def test_a_result_is_any_json_value(self, jobs: IBackgroundJobRepository) -> None:
        for result in (None, 0, "", "done", [1, {"a": None}], EVERY_JSON_VALUE):
            (added,) = await jobs.add([_new(result=result)])
            found = await jobs.get(added.job_id)
            assert found is not None
            assert found.result == result

    @pytest.mark.parametrize("field", ["result", "metadata"])
    async def test_other_fields_are_json_too(self, jobs: IBackgroundJobRepository, field: str) -> None:
        with pytest.raises(SerializationError, match=field):
            await jobs.add([_job("a", **{field: {"at": datetime(2025, 1, 1, tzinfo=UTC)}})])
        assert await jobs.get("a") is None

    # ------------------------------------------------------------------ unique keys

    @pytest.mark.parametrize("status", _NOT_TERMINAL)
    async def test_a_unique_key_that_is_taken_gives_the_job_that_has_it(
        self, jobs: IBackgroundJobRepository, status: BackgroundJobStatus
    ) -> None:
        (first,) = await jobs.add([_job("a", unique_key="report", status=status, payload={"n": 1})])
        assert list(await jobs.add([_job("b", unique_key="report", payload={"n": 2})])) == [first]
        assert await jobs.get("b") is None

    async def test_the_others_of_the_call_are_added_all_the_same(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a", unique_key="report")])
        answers = await jobs.add([_job("b"), _job("c", unique_key="report"), _job("d", unique_key="other")])
        assert _ids(answers) == ["b", "a", "d"]
        assert set(_ids(await jobs.list_jobs())) == {"a", "b", "d"}

    async def test_a_unique_key_is_unique_within_one_call(self, jobs: IBackgroundJobRepository) -> None:
        answers = await jobs.add([_job("a", unique_key="report"), _job("b", unique_key="report")])
        assert _ids(answers) == ["a", "a"]
        assert _ids(await jobs.list_jobs()) == ["a"]

    @pytest.mark.parametrize("status", _TERMINAL)
    async def test_a_job_that_has_ended_leaves_its_key_free(
        self, jobs: IBackgroundJobRepository, status: BackgroundJobStatus
    ) -> None:
        (first,) = await jobs.add([_job("a", unique_key="report")])
        await jobs.save(replace(first, status=status))
        assert _ids(await jobs.add([_job("b", unique_key="report")])) == ["b"]
        assert _ids(await jobs.add([_job("c", unique_key="report")])) == ["b"]

    async def test_a_job_that_is_settled_leaves_its_key_free(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a", unique_key="report")])
        (claimed,) = await _claim(jobs)
        assert _ids(await jobs.add([_job("b", unique_key="report")])) == ["a"]
        assert await jobs.settle(_completed(claimed)) is True
        assert _ids(await jobs.add([_job("b", unique_key="report")])) == ["b"]

    async def test_a_job_between_two_attempts_keeps_its_key(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a", unique_key="report")])
        (claimed,) = await _claim(jobs)
        await jobs.settle(replace(claimed, status=BackgroundJobStatus.PENDING, worker_id=None, leased_until=None))
        assert _ids(await jobs.add([_job("b", unique_key="report")])) == ["a"]

    async def test_a_job_cannot_come_back_to_a_key_that_was_given_away(self, jobs: IBackgroundJobRepository) -> None:
        (first,) = await jobs.add([_job("a", unique_key="report")])
        failed = await jobs.save(replace(first, status=BackgroundJobStatus.FAILED))
        (second,) = await jobs.add([_job("b", unique_key="report")])
        with pytest.raises(OptimisticConcurrencyError):
            await jobs.save(replace(failed, status=BackgroundJobStatus.PENDING))
        assert await jobs.get("a") == failed
        await jobs.save(replace(second, status=BackgroundJobStatus.CANCELLED))
        assert (await jobs.save(replace(failed, status=BackgroundJobStatus.PENDING))).version == 3

    async def test_tenants_may_use_one_unique_key(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a", unique_key="report")])
        for tenant in ("acme", "other"):
            with with_tenant_context(tenant):
                assert _ids(await jobs.add([_job("b", unique_key="report")])) == ["b"]
                assert _ids(await jobs.add([_job("c", unique_key="report")])) == ["b"]

    async def test_two_that_add_one_unique_key_at_once_add_one_job(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        errors = await self.race(
            uow_factory,
            lambda: jobs.add([_job("a", unique_key="report")]),
            lambda: jobs.add([_job("b", unique_key="report")]),
        )
        assert all(isinstance(error, OptimisticConcurrencyError) for error in errors)
        assert len(await jobs.list_jobs()) == 1

    async def test_a_key_that_was_rolled_back_is_free(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()):
            await jobs.add([_job("a", unique_key="report")])
        assert _ids(await jobs.add([_job("b", unique_key="report")])) == ["b"]

    # ------------------------------------------------------------------ claiming

    async def test_the_highest_priority_is_claimed_first_then_the_longest_due(
        self, jobs: IBackgroundJobRepository
    ) -> None:
        await jobs.add(
            [
                _job("low", priority=-1, available_at=_ago(minutes=9)),
                _job("second", available_at=_ago(minutes=2)),
                _job("first", available_at=_ago(minutes=3)),
                _job("high", priority=5, available_at=_ago(minutes=1)),
                _job("later", priority=9, available_at=utc_now() + timedelta(hours=1)),
            ]
        )
        assert _ids(await _claim(jobs, 1)) == ["high"]
        assert _ids(await _claim(jobs, 2)) == ["first", "second"]
        assert _ids(await _claim(jobs, 9)) == ["low"]
        assert await _claim(jobs) == []

    async def test_a_claimed_job_is_running_under_its_worker(self, jobs: IBackgroundJobRepository) -> None:
        (added,) = await jobs.add([_job("a")])
        (claimed,) = await jobs.claim(1, worker_id="worker-1", hold=_HOLD)
        assert claimed.leased_until is not None
        assert claimed.started_at is not None
        # The store's clock may not be ours.
        assert abs(claimed.leased_until - utc_now() - _HOLD) < timedelta(minutes=1)
        assert abs(claimed.started_at - utc_now()) < timedelta(minutes=1)
        assert claimed == replace(
            added,
            status=BackgroundJobStatus.RUNNING,
            worker_id="worker-1",
            attempts=1,
            fence=claimed.fence,
            version=claimed.version,
            leased_until=claimed.leased_until,
            started_at=claimed.started_at,
            updated_at=claimed.updated_at,
        )
        assert claimed.fence > added.fence
        assert await jobs.get("a") == claimed

    async def test_only_pending_jobs_are_claimed(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job(status.value, status=status) for status in BackgroundJobStatus])
        assert _ids(await _claim(jobs)) == ["pending"]

    async def test_a_worker_claims_the_types_it_knows(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a", job_type="Report"), _job("b", job_type="Import"), _job("c", job_type="Mail")])
        claimed = await jobs.claim(9, worker_id="worker", hold=_HOLD, job_types={"Report", "Mail", "Unknown"})
        assert set(_ids(claimed)) == {"a", "c"}
        assert list(await jobs.claim(9, worker_id="worker", hold=_HOLD, job_types=[])) == []
        assert _ids(await _claim(jobs)) == ["b"]

    async def test_jobs_of_all_tenants_are_claimed(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a", available_at=_ago(minutes=3))])
        with with_tenant_context("acme"):
            await jobs.add([_job("b", available_at=_ago(minutes=2))])
        with with_tenant_context("other"):
            await jobs.add([_job("c", available_at=_ago(minutes=1))])
            claimed = await _claim(jobs)
        assert [(job.job_id, job.tenant_id) for job in claimed] == [("a", None), ("b", "acme"), ("c", "other")]

    async def test_two_workers_never_claim_one_job(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job(str(number)) for number in range(20)])
        claimed: list[str] = []

        async def work(worker_id: str) -> None:
            while batch := await jobs.claim(3, worker_id=worker_id, hold=_HOLD):
                claimed.extend(_ids(batch))
                await asyncio.sleep(0)

        await asyncio.gather(*(work(f"worker-{number}") for number in range(5)))
        # A store may answer an overtaken worker with nothing although something is left.
        claimed += _ids(await _claim(jobs, 20))
        assert sorted(claimed, key=int) == [str(number) for number in range(20)]

    async def test_a_retry_is_claimed_when_its_time_has_come(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a")])
        (first,) = await _claim(jobs)
        again = replace(
            first, status=BackgroundJobStatus.PENDING, available_at=utc_now() + self.short_hold, error="boom"
        )
        assert await jobs.settle(again) is True
        assert await _claim(jobs) == []
        await self._let_leases_run_out()
        (second,) = await _claim(jobs)
        assert (second.attempts, second.error) == (2, "boom")
        assert second.fence > first.fence

    async def test_a_claim_is_committed_at_once(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await jobs.add([_job("a")])
        async with undone(uow_factory()):
            assert _ids(await _claim(jobs)) == ["a"]
        assert await _claim(jobs) == []

    async def test_a_job_of_an_open_unit_of_work_is_not_claimed(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await jobs.add([_job("a")])
            claiming = await self.meanwhile(_claim(jobs))
            if claiming.done():
                assert claiming.result() == []
        # A store that lets one writer in at a time has made the worker wait for the commit.
        assert _ids([*await claiming, *await _claim(jobs)]) == ["a"]

    async def test_who_loaded_a_job_before_it_was_claimed_cannot_save_it(self, jobs: IBackgroundJobRepository) -> None:
        """Else a job that runs could be cancelled as if it did not, or given to a second worker."""
        (loaded,) = await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        with pytest.raises(OptimisticConcurrencyError):
            await jobs.save(replace(loaded, status=BackgroundJobStatus.CANCELLED))
        assert await jobs.get("a") == claimed

    @pytest.mark.parametrize(
        ("limit", "hold"), [(0, _HOLD), (-1, _HOLD), (1, timedelta(0)), (1, timedelta(seconds=-1))]
    )
    async def test_a_claim_of_nothing_or_for_no_time_is_refused(
        self, jobs: IBackgroundJobRepository, limit: int, hold: timedelta
    ) -> None:
        with pytest.raises(ValueError, match=r"limit|hold"):
            await jobs.claim(limit, worker_id="worker", hold=hold)

    # ------------------------------------------------------------------ holding

    async def test_a_heartbeat_holds_jobs_from_now_on(self, jobs: IBackgroundJobRepository) -> None:
        with with_tenant_context("acme"):
            await jobs.add([_job("a")])
        await jobs.add([_job("b")])
        claimed = await _claim(jobs, hold=self.short_hold)
        held = await jobs.heartbeat(claimed, hold=_HOLD)
        assert sorted(_ids(held)) == ["a", "b"]
        await self._let_leases_run_out()
        assert list(await jobs.expired(10)) == []
        for job in held:
            assert job.leased_until is not None
            assert abs(job.leased_until - utc_now() - _HOLD) < timedelta(minutes=1)
            with use_context(tenant_id=job.tenant_id):
                assert await jobs.get(job.job_id) == job
        assert list(await jobs.heartbeat([], hold=_HOLD)) == []

    async def test_a_heartbeat_hears_that_the_job_shall_be_cancelled(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        (held,) = await jobs.heartbeat([claimed], hold=_HOLD)
        assert held.cancel_requested is False
        await jobs.save(replace(held, cancel_requested=True))
        (held,) = await jobs.heartbeat([claimed], hold=_HOLD)
        assert held.cancel_requested is True

    async def test_who_loaded_a_job_before_a_heartbeat_cannot_save_it(self, jobs: IBackgroundJobRepository) -> None:
        """Else the end of the lease would be put back."""
        await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        (held,) = await jobs.heartbeat([claimed], hold=_HOLD)
        with pytest.raises(OptimisticConcurrencyError):
            await jobs.save(replace(claimed, cancel_requested=True))
        assert await jobs.get("a") == held

    async def test_only_the_last_worker_still_has_the_job(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a"), _job("b")])
        claimed = await _claim(jobs)
        lost = next(job for job in claimed if job.job_id == "a")
        await jobs.save(replace(lost, status=BackgroundJobStatus.PENDING))
        assert _ids(await jobs.heartbeat(claimed, hold=_HOLD)) == ["b"]
        (taken,) = await _claim(jobs)
        assert taken.job_id == "a"
        assert _ids(await jobs.heartbeat(claimed, hold=_HOLD)) == ["b"]
        assert await jobs.get("a") == taken

    async def test_an_unknown_or_settled_job_is_not_held(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        await jobs.settle(_completed(claimed))
        unknown = replace(claimed, job_id="unknown")
        assert list(await jobs.heartbeat([claimed, unknown], hold=_HOLD)) == []

    async def test_a_heartbeat_is_committed_at_once(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await jobs.add([_job("a")])
        claimed = await _claim(jobs, hold=self.short_hold)
        async with undone(uow_factory()):
            assert len(await jobs.heartbeat(claimed, hold=_HOLD)) == 1
        await self._let_leases_run_out()
        assert list(await jobs.expired(10)) == []

    async def test_a_lease_that_has_run_out_is_ours_until_somebody_takes_the_job(
        self, jobs: IBackgroundJobRepository
    ) -> None:
        await jobs.add([_job("a")])
        claimed = await _claim(jobs, hold=self.short_hold)
        await self._let_leases_run_out()
        assert await _claim(jobs) == []
        assert _ids(await jobs.heartbeat(claimed, hold=_HOLD)) == ["a"]

    # ------------------------------------------------------------------ settling

    @pytest.mark.parametrize("status", [*_TERMINAL, BackgroundJobStatus.PENDING])
    async def test_an_outcome_is_stored_as_it_is(
        self, jobs: IBackgroundJobRepository, status: BackgroundJobStatus
    ) -> None:
        with with_tenant_context("acme"):
            await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        outcome = replace(
            claimed,
            status=status,
            result={"rows": 7},
            error="half of it",
            processed_items=7,
            total_items=14,
            finished_at=datetime(2025, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC),
            worker_id=None,
            leased_until=None,
            metadata={"host": "a"},
        )
        assert await jobs.settle(outcome) is True
        with with_tenant_context("acme"):
            settled = await jobs.get("a")
        assert settled is not None
        assert settled == replace(outcome, version=settled.version, updated_at=settled.updated_at)
        assert settled.version > claimed.version

    async def test_a_job_is_settled_once(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        assert await jobs.settle(_completed(claimed)) is True
        settled = await jobs.get("a")
        assert await jobs.settle(replace(claimed, status=BackgroundJobStatus.FAILED)) is False
        assert await jobs.get("a") == settled

    async def test_the_version_does_not_matter_for_settling(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        await jobs.heartbeat([claimed], hold=_HOLD)
        assert await jobs.settle(_completed(claimed)) is True

    async def test_who_lost_the_job_cannot_settle_it(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a")])
        (first,) = await _claim(jobs, hold=self.short_hold)
        await self._let_leases_run_out()
        (expired,) = await jobs.expired(10)
        await jobs.save(replace(expired, status=BackgroundJobStatus.PENDING, worker_id=None, leased_until=None))
        assert await jobs.settle(_completed(first)) is False
        (second,) = await _claim(jobs)
        assert second.fence > first.fence
        assert await jobs.settle(_completed(first)) is False
        assert await jobs.get("a") == second
        assert await jobs.settle(_completed(second)) is True

    async def test_an_unknown_job_is_not_settled(self, jobs: IBackgroundJobRepository) -> None:
        assert await jobs.settle(_job("a", status=BackgroundJobStatus.COMPLETED)) is False
        assert await jobs.get("a") is None

    async def test_a_request_to_cancel_that_comes_before_the_outcome_stays(
        self, jobs: IBackgroundJobRepository
    ) -> None:
        """The worker has not heard of it; when the outcome is another attempt, that must not take place unaware."""
        await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        await jobs.save(replace(claimed, cancel_requested=True))
        assert await jobs.settle(replace(claimed, status=BackgroundJobStatus.PENDING)) is True
        settled = await jobs.get("a")
        assert settled is not None
        assert settled.cancel_requested is True
        assert settled.status is BackgroundJobStatus.PENDING

    async def test_settling_belongs_to_the_unit_of_work(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await jobs.add([_job("a", unique_key="report")])
        (claimed,) = await _claim(jobs)
        async with undone(uow_factory()):
            assert await jobs.settle(_completed(claimed)) is True
        assert await jobs.get("a") == claimed
        assert _ids(await jobs.add([_job("b", unique_key="report")])) == ["a"]
        async with uow_factory():
            assert await jobs.settle(_completed(claimed)) is True
        settled = await jobs.get("a")
        assert settled is not None
        assert settled.status is BackgroundJobStatus.COMPLETED

    async def test_a_read_only_unit_of_work_settles_nothing(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs)
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await jobs.settle(_completed(claimed))
        assert await jobs.get("a") == claimed

    # ------------------------------------------------------------------ leases that are over

    async def test_running_jobs_whose_lease_is_over_are_found_oldest_first(
        self, jobs: IBackgroundJobRepository
    ) -> None:
        with with_tenant_context("acme"):
            await jobs.add([_job("a")])
        await _claim(jobs, hold=self.short_hold)
        await self.pass_time(self.instant)
        await jobs.add([_job("b")])
        await _claim(jobs, hold=self.short_hold)
        await jobs.add([_job("held")])
        await _claim(jobs)
        await jobs.add([_job("pending")])
        assert "held" not in _ids(await jobs.expired(10))
        await self._let_leases_run_out()
        expired = await jobs.expired(10)
        assert [(job.job_id, job.tenant_id) for job in expired] == [("a", "acme"), ("b", None)]
        assert _ids(await jobs.expired(1)) == ["a"]

    async def test_settled_jobs_are_not_found_among_them(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a")])
        (claimed,) = await _claim(jobs, hold=self.short_hold)
        await jobs.settle(_completed(claimed))
        await self._let_leases_run_out()
        assert list(await jobs.expired(10)) == []

    # ------------------------------------------------------------------ lists

    async def test_the_newest_come_first(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job(str(day), created_at=datetime(2025, 1, day, tzinfo=UTC)) for day in (2, 1, 3)])
        assert _ids(await jobs.list_jobs()) == ["3", "2", "1"]
        assert _ids(await jobs.list_jobs(limit=1)) == ["3"]
        assert _ids(await jobs.list_jobs(limit=2, offset=1)) == ["2", "1"]
        assert _ids(await jobs.list_jobs(offset=3)) == []

    async def test_lists_are_narrowed_by_status_and_type(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job(status.value, status=status) for status in BackgroundJobStatus])
        await jobs.add([_job("other", job_type="Import", status=BackgroundJobStatus.FAILED)])
        assert set(_ids(await jobs.list_jobs(statuses=[BackgroundJobStatus.FAILED]))) == {"failed", "other"}
        assert set(_ids(await jobs.list_jobs(statuses=set(_NOT_TERMINAL)))) == {"pending", "running"}
        assert _ids(await jobs.list_jobs(job_type="Import")) == ["other"]
        assert list(await jobs.list_jobs(statuses=[BackgroundJobStatus.PENDING], job_type="Import")) == []
        assert list(await jobs.list_jobs(statuses=[])) == []

    async def test_jobs_are_counted_by_status(self, jobs: IBackgroundJobRepository) -> None:
        assert await jobs.count_by_status() == dict.fromkeys(BackgroundJobStatus, 0)
        await jobs.add([_job("a"), _job("b"), _job("c", status=BackgroundJobStatus.FAILED)])
        await _claim(jobs, 1)
        assert await jobs.count_by_status() == {
            BackgroundJobStatus.PENDING: 1,
            BackgroundJobStatus.RUNNING: 1,
            BackgroundJobStatus.COMPLETED: 0,
            BackgroundJobStatus.FAILED: 1,
            BackgroundJobStatus.CANCELLED: 0,
        }

    async def test_lists_and_counts_are_those_of_the_tenant(self, jobs: IBackgroundJobRepository) -> None:
        with with_tenant_context("acme"):
            await jobs.add([_job("a")])
        assert list(await jobs.list_jobs()) == []
        assert set((await jobs.count_by_status()).values()) == {0}
        with with_tenant_context("acme"):
            assert _ids(await jobs.list_jobs()) == ["a"]
            assert (await jobs.count_by_status())[BackgroundJobStatus.PENDING] == 1

    # ------------------------------------------------------------------ purge

    async def test_a_purge_removes_completed_and_cancelled_jobs_of_all_tenants(
        self, jobs: IBackgroundJobRepository
    ) -> None:
        moment = datetime(2025, 1, 1, tzinfo=UTC)
        for status in BackgroundJobStatus:
            with with_tenant_context(f"tenant-{status}"):
                finished_at = moment if status.is_terminal else None
                await jobs.add([_job(status.value, status=status, finished_at=finished_at)])
        assert await jobs.purge(finished_before=moment) == 0
        assert await jobs.purge(finished_before=moment + timedelta(microseconds=1)) == 2
        for status in BackgroundJobStatus:
            with with_tenant_context(f"tenant-{status}"):
                gone = await jobs.get(status.value) is None
                assert gone == (status in {BackgroundJobStatus.COMPLETED, BackgroundJobStatus.CANCELLED})

    async def test_a_purge_removes_at_most_what_it_was_allowed_to(self, jobs: IBackgroundJobRepository) -> None:
        moment = datetime(2025, 1, 1, tzinfo=UTC)
        await jobs.add([_new(status=BackgroundJobStatus.COMPLETED, finished_at=moment) for _ in range(5)])
        later = moment + timedelta(days=1)
        counts = [await jobs.purge(finished_before=later, limit=2) for _ in range(4)]
        assert counts == [2, 2, 1, 0]

    # ------------------------------------------------------------------ waiting

    async def test_who_waits_is_told_at_once_that_something_is_there(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a")])
        assert await jobs.wait_for_jobs(_LIMIT) is True

    async def test_who_waits_for_nothing_is_told_so(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("later", available_at=utc_now() + timedelta(hours=1))])
        assert await jobs.wait_for_jobs(timedelta(0)) is False
        assert await jobs.wait_for_jobs(self.instant) is False

    async def test_who_waits_wakes_when_a_job_is_committed(
        self, jobs: IBackgroundJobRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        waiting = asyncio.create_task(_wait_until_claimed(jobs))
        await asyncio.sleep(self.instant.total_seconds())
        async with uow_factory():
            await jobs.add([_job("a")])
        assert await waiting == ["a"]

    async def test_who_waits_wakes_when_a_job_becomes_due(self, jobs: IBackgroundJobRepository) -> None:
        await jobs.add([_job("a", available_at=utc_now() + self.short_hold)])
        waiting = asyncio.create_task(_wait_until_claimed(jobs))
        await asyncio.sleep(self.instant.total_seconds())
        assert not waiting.done()
        await self._let_leases_run_out()
        assert await waiting == ["a"]

    async def test_who_waits_can_be_cancelled(self, jobs: IBackgroundJobRepository) -> None:
        waiting = asyncio.create_task(jobs.wait_for_jobs(_LIMIT))
        await asyncio.sleep(self.instant.total_seconds())
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        await jobs.add([_job("a")])
        assert await jobs.wait_for_jobs(_LIMIT) is True


def _ago(**duration: float) -> datetime:
    return utc_now() - timedelta(**duration)


def _new(**fields: Any) -> BackgroundJobRecord:
    # Available since yesterday: the clock of the store may be a little behind ours.
    given: dict[str, Any] = {"job_type": "Report", "payload": {}, "available_at": _ago(days=1)}
    return BackgroundJobRecord(**{**given, **fields})


def _job(job_id: str, **fields: Any) -> BackgroundJobRecord:
    return _new(job_id=job_id, **fields)


def _complete(job_id: str) -> BackgroundJobRecord:
    moment = datetime(2025, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC)
    return BackgroundJobRecord(
        job_id=job_id,
        job_type="Report",
        payload={"file": "a.csv", "rows": [1, 2]},
        status=BackgroundJobStatus.RUNNING,
        priority=-3,
        available_at=moment,
        attempts=2,
        max_retries=7,
        timeout_seconds=1.5,
        unique_key=f"key of {job_id}",
        cancel_requested=True,
        processed_items=3,
        total_items=9,
        result={"rows": 3},
        error="boom",
        worker_id="worker-1",
        leased_until=moment + timedelta(hours=1),
        fence=2,
        created_at=moment,
        updated_at=moment + timedelta(microseconds=1),
        started_at=moment,
        finished_at=moment + timedelta(days=1),
        correlation_id="request-1",
        causation_id="command-1",
        metadata={"by": "ada"},
    )


def _completed(job: BackgroundJobRecord) -> BackgroundJobRecord:
    return replace(job, status=BackgroundJobStatus.COMPLETED, finished_at=utc_now(), leased_until=None, worker_id=None)


def _ids(jobs: Sequence[BackgroundJobRecord]) -> list[str]:
    return [job.job_id for job in jobs]


async def _claim(
    jobs: IBackgroundJobRepository, limit: int = 10, *, hold: timedelta = _HOLD
) -> Sequence[BackgroundJobRecord]:
    return list(await jobs.claim(limit, worker_id="worker", hold=hold))


async def _wait_until_claimed(jobs: IBackgroundJobRepository) -> list[str]:
    """What a worker does: wait, look, and wait again if it was woken for nothing."""
    async with asyncio.timeout(_LIMIT.total_seconds()):
        while not (claimed := await _claim(jobs)):
            await jobs.wait_for_jobs(_LIMIT)
    return _ids(claimed)
