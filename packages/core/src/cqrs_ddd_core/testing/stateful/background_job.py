"""A repository of background jobs against a model of it: claims, leases, outcomes, versions, keys, and tenants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, override

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.ports.background_job import BackgroundJobRecord, BackgroundJobStatus, IBackgroundJobRepository
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import ConcurrencyError, OptimisticConcurrencyError
from cqrs_ddd_core.testing.adapter_contract import undone
from cqrs_ddd_core.testing.stateful.async_machine import AsyncStateMachine

__all__ = ["BackgroundJobMachine"]

type _Key = tuple[str | None, str]
"""Tenant and job id."""

_TENANTS = [None, "acme"]
_SHORT, _LONG = timedelta(seconds=10), timedelta(days=1)
_PURGED = {BackgroundJobStatus.COMPLETED, BackgroundJobStatus.CANCELLED}


class BackgroundJobMachine(AsyncStateMachine):
    """Derive from it, give ``open_jobs``, and let pytest find ``YourMachine.TestCase``."""

    moves_time: ClassVar[bool] = False
    """``pass_time`` moves the store's clock, and nothing else does. Then leases run out and retries become due."""

    jobs: IBackgroundJobRepository
    uow_factory: Callable[[], UnitOfWork]

    async def open_jobs(self) -> tuple[IBackgroundJobRepository, Callable[[], UnitOfWork]]:
        """An empty repository, and what makes units of work on its database."""
        raise NotImplementedError("open_jobs() gives the repository and a factory of units of work")

    async def pass_time(self, duration: timedelta) -> None:
        """Move the store's clock, where ``moves_time`` says so."""
        raise NotImplementedError("a machine that moves time says how")

    @override
    async def open(self) -> None:
        self.jobs, self.uow_factory = await self.open_jobs()
        self.stored: dict[_Key, BackgroundJobRecord] = {}
        """The model: what the repository has."""
        self.seen: list[BackgroundJobRecord] = []
        """Every record that the repository ever gave out; most of them are stale."""
        self.made = 0

    # ------------------------------------------------------------------ the model

    def _pick(self, number: int) -> BackgroundJobRecord:
        """A record that was given out, lately given ones first."""
        return self.seen[-1 - number % len(self.seen)]

    def _keep(self, *jobs: BackgroundJobRecord) -> None:
        for job in jobs:
            self.stored[job.tenant_id, job.job_id] = job
        self.seen += jobs

    def _held(self, job: BackgroundJobRecord) -> BackgroundJobRecord | None:
        """What is stored of a job, if this record is that of its last claim and the job not settled."""
        stored = self.stored.get((job.tenant_id, job.job_id))
        if stored is None or stored.status is not BackgroundJobStatus.RUNNING or stored.fence != job.fence:
            return None
        return stored

    def _holder(self, tenant: str | None, unique_key: str | None) -> BackgroundJobRecord | None:
        for job in self.stored.values():
            if (
                unique_key is not None
                and (job.tenant_id, job.unique_key) == (tenant, unique_key)
                and not job.status.is_terminal
            ):
                return job
        return None

    # ------------------------------------------------------------------ rules

    @rule(
        tenant=st.sampled_from(_TENANTS),
        unique_keys=st.lists(st.sampled_from([None, None, "x", "y"]), min_size=1, max_size=3),
        priority=st.integers(-1, 1),
        is_for_later=st.booleans(),
        commits=st.sampled_from([True, True, False]),
        job_type=st.sampled_from(["Report", "Import"]),
    )
    def add(
        self,
        *,
        tenant: str | None,
        unique_keys: list[str | None],
        priority: int,
        is_for_later: bool,
        commits: bool,
        job_type: str,
    ) -> None:
        """In a unit of work that commits or is rolled back. Who has the key already is given instead."""
        new: list[BackgroundJobRecord] = []
        for unique_key in unique_keys:
            self.made += 1
            # Different for each, so that the order of claims is determined; a clock that is a bit off does no harm.
            moment = utc_now() - _LONG + timedelta(seconds=self.made)
            if is_for_later:
                moment = utc_now() + (_SHORT if self.moves_time else _LONG) + timedelta(milliseconds=self.made)
            new.append(
                BackgroundJobRecord(
                    job_id=f"job-{self.made}",
                    job_type=job_type,
                    payload={"number": self.made},
                    priority=priority,
                    available_at=moment,
                    unique_key=unique_key,
                )
            )

        async def work() -> Sequence[BackgroundJobRecord]:
            async with self.uow_factory() if commits else undone(self.uow_factory()):
                answers = await self.jobs.add(new)
            return list(answers)

        answers = self.run(_within(tenant, work))
        if not commits:
            return
        for job, answer in zip(new, answers, strict=True):
            holder = self._holder(tenant, job.unique_key)
            assert answer == (holder or replace(job, tenant_id=tenant, version=1))
            self._keep(answer)

    @precondition(lambda self: self.stored)
    @rule(number=st.integers(0, 1000))
    def add_a_job_again(self, *, number: int) -> None:
        """An id is given once."""
        known = list(self.stored.values())[number % len(self.stored)]
        again = BackgroundJobRecord(job_id=known.job_id, job_type="Report", payload={})

        async def work() -> bool:
            try:
                await self.jobs.add([again])
            except OptimisticConcurrencyError:
                return False
            return True

        assert self.run(_within(known.tenant_id, work)) is False

    @rule(
        limit=st.integers(1, 4),
        is_short=st.booleans(),
        job_types=st.sampled_from([None, ("Report",), ("Report", "Import")]),
    )
    def claim(self, *, limit: int, is_short: bool, job_types: tuple[str, ...] | None) -> None:
        """Exactly the first ones that are due, each for one worker."""
        hold = _SHORT if is_short and self.moves_time else _LONG
        now = utc_now()
        due = [
            job
            for job in self.stored.values()
            if job.status is BackgroundJobStatus.PENDING
            and job.available_at <= now
            and (job_types is None or job.job_type in job_types)
        ]
        due.sort(key=lambda job: (-job.priority, job.available_at))
        worker_id = f"worker-{limit}"
        claimed = self.run(self.jobs.claim(limit, worker_id=worker_id, hold=hold, job_types=job_types))
        assert [(job.tenant_id, job.job_id) for job in claimed] == [(job.tenant_id, job.job_id) for job in due[:limit]]
        for before, job in zip(due, claimed, strict=False):
            assert job.status is BackgroundJobStatus.RUNNING
            assert (job.worker_id, job.attempts) == (worker_id, before.attempts + 1)
            assert job.fence > before.fence
            assert job.version > before.version
        self._keep(*claimed)

    @precondition(lambda self: self.seen)
    @rule(numbers=st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True), is_short=st.booleans())
    def heartbeat(self, *, numbers: list[int], is_short: bool) -> None:
        """Those that are still held, and no others."""
        picked = {(job.tenant_id, job.job_id): job for job in map(self._pick, numbers)}
        held = [stored for job in picked.values() if (stored := self._held(job)) is not None]
        hold = _SHORT if is_short and self.moves_time else _LONG
        answers = self.run(self.jobs.heartbeat(list(picked.values()), hold=hold))
        found = {(job.tenant_id, job.job_id): job for job in answers}
        assert found.keys() == {(job.tenant_id, job.job_id) for job in held}
        for before in held:
            after = found[before.tenant_id, before.job_id]
            assert after.version > before.version
            assert after == replace(
                before, leased_until=after.leased_until, version=after.version, updated_at=after.updated_at
            )
        self._keep(*answers)

    @precondition(lambda self: self.seen)
    @rule(
        number=st.integers(0, 8),
        status=st.sampled_from([*BackgroundJobStatus]),
        commits=st.sampled_from([True, True, False]),
    )
    def settle(self, *, number: int, status: BackgroundJobStatus, commits: bool) -> None:
        """The outcome of the last claim counts, whatever happened to the version, and that of no other."""
        job = self._pick(number)
        before = self._held(job)
        outcome = replace(job, status=status, result={"by": number}, finished_at=utc_now())

        async def work() -> bool:
            async with self.uow_factory() if commits else undone(self.uow_factory()):
                assert await self.jobs.settle(outcome) is (before is not None)
            return commits

        if not self.run(work()) or before is None:
            return
        after = self.run(_within(job.tenant_id, lambda: self.jobs.get(job.job_id)))
        assert after is not None
        assert after.version > before.version
        cancel_requested = before.cancel_requested or job.cancel_requested
        assert after == replace(
            outcome, cancel_requested=cancel_requested, version=after.version, updated_at=after.updated_at
        )
        self._keep(after)

    @precondition(lambda self: self.seen)
    @rule(
        number=st.integers(0, 8),
        status=st.sampled_from([None, *BackgroundJobStatus]),
        cancel_requested=st.booleans(),
    )
    def save(self, *, number: int, status: BackgroundJobStatus | None, cancel_requested: bool) -> None:
        """Only what is not stale, and leaves no unique key with two."""
        job = self._pick(number)
        changed = replace(job, status=status or job.status, cancel_requested=cancel_requested)
        stored = self.stored.get((job.tenant_id, job.job_id))
        holder = None if changed.status.is_terminal else self._holder(job.tenant_id, job.unique_key)
        is_fresh = stored is not None and stored.version == job.version
        is_allowed = is_fresh and (holder is None or holder.job_id == job.job_id)

        async def work() -> BackgroundJobRecord | None:
            try:
                return await self.jobs.save(changed)
            except OptimisticConcurrencyError:
                return None

        saved = self.run(_within(job.tenant_id, work))
        assert (saved is not None) is is_allowed
        if saved is not None:
            assert saved == replace(changed, version=job.version + 1, updated_at=saved.updated_at)
            self._keep(saved)

    @precondition(lambda self: self.seen)
    @rule(number=st.integers(0, 8))
    def meddle_as_another_tenant(self, *, number: int) -> None:
        """Nothing is found, and nothing can be saved."""
        job = self._pick(number)

        async def work() -> bool:
            assert await self.jobs.get(job.job_id) is None
            assert list(await self.jobs.list_jobs()) == []
            try:
                await self.jobs.save(job)
            except (ValueError, ConcurrencyError):
                return False
            return True

        assert self.run(_within("stranger", work)) is False

    @rule(limit=st.integers(1, 3))
    def purge(self, *, limit: int) -> None:
        """Finished jobs, and not more than allowed."""
        finished = [key for key, job in self.stored.items() if job.status in _PURGED and job.finished_at is not None]
        purged = self.run(self.jobs.purge(finished_before=utc_now() + _LONG, limit=limit))
        assert purged == min(limit, len(finished))
        if purged < len(finished):
            # Which ones it took first is the store's affair; the model goes on without any of them.
            self.run(self.jobs.purge(finished_before=utc_now() + _LONG, limit=len(finished)))
        for key in finished:
            del self.stored[key]

    @precondition(lambda self: self.moves_time)
    @rule(seconds=st.sampled_from([1, 5, 11]))
    def let_time_pass(self, *, seconds: int) -> None:
        """Leases run out, and what waits becomes due."""
        self.run(self.pass_time(timedelta(seconds=seconds)))

    # ------------------------------------------------------------------ what is always true

    @invariant()
    def the_records_agree(self) -> None:
        """Each tenant has the jobs that the model has, in its lists and in its numbers."""
        for tenant in _TENANTS:
            expected = {job.job_id: job for key, job in self.stored.items() if key[0] == tenant}
            found = self.run(_within(tenant, lambda: self.jobs.list_jobs(limit=1000)))
            assert {job.job_id: job for job in found} == expected
            counts = self.run(_within(tenant, self.jobs.count_by_status))
            statuses = Counter(job.status for job in expected.values())
            assert counts == {status: statuses[status] for status in BackgroundJobStatus}

    @invariant()
    def the_expired_ones_agree(self) -> None:
        """They are the running ones whose lease is over."""
        now = utc_now()
        expected = {
            key
            for key, job in self.stored.items()
            if job.status is BackgroundJobStatus.RUNNING and job.leased_until is not None and job.leased_until <= now
        }
        found = self.run(self.jobs.expired(1000))
        assert {(job.tenant_id, job.job_id) for job in found} == expected


async def _within[R](tenant: str | None, work: Callable[[], Awaitable[R]]) -> R:
    with use_context(tenant_id=tenant):
        return await work()
