"""What every lock promises."""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final

import pytest

from cqrs_ddd_core.ports.lock import ILockStrategy, LockLease
from cqrs_ddd_core.primitives.exceptions import LockAcquisitionError
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_core.primitives.locking import LockMode, ResourceIdentifier
from cqrs_ddd_core.testing.adapter_contract import AdapterContract

__all__ = ["LockContract", "UnreachableLockContract"]

_LONG: Final = 300.0
"""Seconds. Longer than any test: such a lock does not run out."""
_LIMIT: Final = 30.0
"""Seconds. Far more than anything here takes; a test that waits longer hangs."""


class LockContract(AdapterContract):
    """One writer or any number of readers, for as long as they hold on, and who waits gets its turn.

    Give ``lock_strategy``; and ``other_lock_strategy`` where locks are shared between processes. Locks that are left
    from other tests do no harm: every test uses resources of its own.
    """

    supports_shared: ClassVar[bool] = True
    """Readers share. Otherwise every lock excludes every other, whatever its mode."""
    supports_sessions: ClassVar[bool] = True
    """Locks are re-entrant by session id."""
    supports_fencing: ClassVar[bool] = True
    """Fencing tokens rise with every holder. Otherwise they say nothing."""
    is_first_come_first_served: ClassVar[bool] = True
    """Who has waited longest is next."""
    lists_all_locks: ClassVar[bool] = True
    """``get_active_locks`` knows also what others hold."""

    @pytest.fixture
    @abstractmethod
    def lock_strategy(self) -> ILockStrategy:
        raise NotImplementedError("give the fixture lock_strategy")

    @pytest.fixture
    def other_lock_strategy(self, lock_strategy: ILockStrategy) -> ILockStrategy:
        """Another object for the same locks, as another process would have one."""
        return lock_strategy

    @pytest.fixture
    def resource(self) -> ResourceIdentifier:
        return ResourceIdentifier("Order", new_id())

    @property
    def short_ttl(self) -> float:
        return self.short_hold.total_seconds()

    async def _let_locks_run_out(self) -> None:
        await self.pass_time(self.short_hold + self.instant)

    def _needs_shared(self) -> None:
        if not self.supports_shared:
            pytest.skip("readers do not share this lock")

    def _needs_sessions(self) -> None:
        if not self.supports_sessions:
            pytest.skip("this lock knows no sessions")

    # ------------------------------------------------------------------ one at a time

    async def test_a_lease_says_what_is_held(self, lock_strategy: ILockStrategy, resource: ResourceIdentifier) -> None:
        lease = await lock_strategy.acquire(resource, ttl=_LONG, session_id="session-1")
        assert lease.resource == resource
        assert lease.token
        assert lease.session_id == "session-1"
        assert lease.acquired_at.utcoffset() == timedelta(0)
        assert abs(lease.expires_at - lease.acquired_at - timedelta(seconds=_LONG)) < timedelta(minutes=1)

    async def test_a_lock_that_is_held_is_not_had(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        await lock_strategy.acquire(resource, ttl=_LONG)
        for strategy in (lock_strategy, other_lock_strategy):
            with pytest.raises(LockAcquisitionError) as caught:
                await strategy.acquire(resource, timeout=0, ttl=_LONG)
            assert caught.value.resource == resource
            assert caught.value.timeout == 0

    async def test_a_lock_that_is_given_back_is_had(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        assert await lock_strategy.release(lease) is True
        again = await other_lock_strategy.acquire(resource, timeout=0, ttl=_LONG)
        assert again.token != lease.token

    async def test_resources_are_told_apart_by_type_and_id(self, lock_strategy: ILockStrategy) -> None:
        name = new_id()
        for resource_type, resource_id in (("Order", name), ("Order", f"{name}0"), ("Invoice", name)):
            resource = ResourceIdentifier(resource_type, resource_id)
            await lock_strategy.acquire(resource, timeout=0, ttl=_LONG)

    async def test_who_waits_gets_the_lock_when_it_is_given_back(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        waiting = await self.meanwhile(other_lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG))
        assert not waiting.done()
        await lock_strategy.release(lease)
        assert (await waiting).token != lease.token
        await _assert_held(lock_strategy, resource)

    async def test_who_waits_too_long_is_told_so_and_leaves_nothing_behind(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        with pytest.raises(LockAcquisitionError) as caught:
            await lock_strategy.acquire(resource, timeout=self.instant.total_seconds(), ttl=_LONG)
        assert caught.value.resource == resource
        assert caught.value.timeout == self.instant.total_seconds()
        await lock_strategy.release(lease)
        await self._assert_free(lock_strategy, resource)

    async def test_after_a_hand_over_nobody_else_has_the_lock(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        """Between the release and the moment in which the waiter goes on, the lock is the waiter's."""
        for _ in range(5):
            lease = await lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG)
            waiting = await self.meanwhile(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG))
            intruding = asyncio.create_task(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG))
            await lock_strategy.release(lease)
            first = await _first_of(waiting, intruding)
            await _assert_held(lock_strategy, resource)
            assert not (waiting.done() and intruding.done())
            await lock_strategy.release(first)
            for second in {await waiting, await intruding} - {first}:
                await lock_strategy.release(second)

    async def test_many_that_change_one_thing_lose_nothing(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        total = 0

        async def add_one(strategy: ILockStrategy) -> None:
            nonlocal total
            lease = await strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG)
            read = total
            await asyncio.sleep(0.001)
            total = read + 1
            assert await strategy.release(lease) is True

        await asyncio.gather(*(add_one(strategy) for strategy in [lock_strategy, other_lock_strategy] * 10))
        assert total == 20

    @pytest.mark.parametrize("seed", range(6))
    async def test_whatever_happens_nobody_is_inside_together_with_a_writer(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, seed: int
    ) -> None:
        """Readers and writers come, wait, lose patience, are cancelled, and go, at random."""
        room = _Room(random.Random(seed), shared=self.supports_shared)
        resources = [ResourceIdentifier("Room", new_id()) for _ in range(2)]
        visitors = [
            asyncio.create_task(room.visit(strategy, room.chance.choice(resources)))
            for strategy in [lock_strategy, other_lock_strategy] * 20
        ]
        for visitor in visitors:
            if room.chance.random() < 0.3:
                await asyncio.sleep(room.chance.random() * 0.01)
                visitor.cancel()
        done, pending = await asyncio.wait(visitors, timeout=_LIMIT)
        assert not pending, "somebody waits for a lock that nobody holds"
        assert [task.exception() for task in done if not task.cancelled() and task.exception()] == []
        for resource in resources:
            await self._assert_free(lock_strategy, resource)

    # ------------------------------------------------------------------ readers and writers

    async def test_readers_share(self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy) -> None:
        self._needs_shared()
        reading = _reading(ResourceIdentifier("Order", new_id()))
        first = await lock_strategy.acquire(reading, timeout=0, ttl=_LONG)
        second = await other_lock_strategy.acquire(reading, timeout=0, ttl=_LONG)
        assert first.token != second.token
        assert await lock_strategy.release(first) is True
        assert await other_lock_strategy.release(second) is True

    @pytest.mark.parametrize(("held", "wanted"), [("write", "read"), ("read", "write"), ("write", "write")])
    async def test_readers_and_writers_exclude_each_other(
        self,
        lock_strategy: ILockStrategy,
        other_lock_strategy: ILockStrategy,
        resource: ResourceIdentifier,
        held: LockMode,
        wanted: LockMode,
    ) -> None:
        lease = await lock_strategy.acquire(_as(resource, held), ttl=_LONG)
        with pytest.raises(LockAcquisitionError):
            await other_lock_strategy.acquire(_as(resource, wanted), timeout=0, ttl=_LONG)
        waiting = await self.meanwhile(other_lock_strategy.acquire(_as(resource, wanted), timeout=_LIMIT, ttl=_LONG))
        assert not waiting.done()
        await lock_strategy.release(lease)
        await waiting

    async def test_a_writer_waits_for_all_readers(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_shared()
        readers = [await lock_strategy.acquire(_reading(resource), ttl=_LONG) for _ in range(3)]
        waiting = await self.meanwhile(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG))
        for reader in readers:
            assert not waiting.done()
            await lock_strategy.release(reader)
        await waiting

    async def test_readers_that_come_and_go_do_not_keep_a_writer_out_for_ever(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_shared()
        written = asyncio.Event()

        async def read() -> None:
            while not written.is_set():
                async with _held(lock_strategy, _reading(resource)):
                    await asyncio.sleep(0.02)

        readers: list[asyncio.Task[None]] = []
        for _ in range(3):  # one after another, so that there is always one inside
            readers.append(asyncio.create_task(read()))
            await asyncio.sleep(0.007)
        async with asyncio.timeout(_LIMIT):
            async with _held(lock_strategy, resource):
                written.set()
            await asyncio.gather(*readers)

    async def test_a_writer_that_loses_patience_lets_the_readers_behind_it_in(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_shared()
        await lock_strategy.acquire(_reading(resource), ttl=_LONG)
        short = (2 * self.patience).total_seconds()
        writer = await self.meanwhile(lock_strategy.acquire(resource, timeout=short, ttl=_LONG))
        reader = await self.meanwhile(lock_strategy.acquire(_reading(resource), timeout=_LIMIT, ttl=_LONG))
        with pytest.raises(LockAcquisitionError):
            await writer
        await reader

    # ------------------------------------------------------------------ the queue

    async def test_who_has_waited_longest_is_next(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        if not self.is_first_come_first_served:
            pytest.skip("this lock keeps no order")
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        waiting = [await self.meanwhile(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG)) for _ in range(4)]
        for number, task in enumerate(waiting):
            await lock_strategy.release(lease)
            lease = await task
            assert not any(later.done() for later in waiting[number + 1 :])

    async def test_who_is_cancelled_while_waiting_leaves_nothing_behind(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        waiting = await self.meanwhile(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG))
        await _cancel(waiting)
        await lock_strategy.release(lease)
        await self._assert_free(lock_strategy, resource)

    async def test_who_is_cancelled_while_waiting_does_not_block_the_others(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        waiting = [await self.meanwhile(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG)) for _ in range(4)]
        await _cancel(waiting[0])
        await _cancel(waiting[2])
        await lock_strategy.release(lease)
        first = await _first_of(waiting[1], waiting[3])
        await lock_strategy.release(first)
        async with asyncio.timeout(_LIMIT):
            await asyncio.gather(waiting[1], waiting[3])

    async def test_who_is_cancelled_in_the_moment_of_the_hand_over_keeps_nothing(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        for rounds in range(5):
            lease = await lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG)
            waiting = await self.meanwhile(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG))
            await lock_strategy.release(lease)
            for _ in range(rounds):
                await asyncio.sleep(0)
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await lock_strategy.release(await waiting)
            await self._assert_free(lock_strategy, resource)

    # ------------------------------------------------------------------ running out

    async def test_a_lock_runs_out_by_itself(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        await lock_strategy.acquire(resource, ttl=self.short_ttl)
        await _assert_held(other_lock_strategy, resource)
        await self._let_locks_run_out()
        await other_lock_strategy.acquire(resource, timeout=0, ttl=_LONG)

    async def test_who_waits_gets_a_lock_that_runs_out(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        await lock_strategy.acquire(resource, ttl=self.short_ttl)
        waiting = asyncio.create_task(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG))
        await asyncio.sleep(0)
        await self._let_locks_run_out()
        await waiting
        await _assert_held(lock_strategy, resource)

    async def test_a_reader_that_runs_out_lets_the_writer_in(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_shared()
        await lock_strategy.acquire(_reading(resource), ttl=self.short_ttl)
        staying = await lock_strategy.acquire(_reading(resource), ttl=_LONG)
        await self._let_locks_run_out()
        with pytest.raises(LockAcquisitionError):
            await lock_strategy.acquire(resource, timeout=0, ttl=_LONG)
        await lock_strategy.release(staying)
        await lock_strategy.acquire(resource, timeout=0, ttl=_LONG)

    async def test_who_lost_the_lock_learns_it_and_changes_nothing(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        lost = await lock_strategy.acquire(resource, ttl=self.short_ttl)
        await self._let_locks_run_out()
        held = await other_lock_strategy.acquire(resource, timeout=0, ttl=_LONG)
        assert await lock_strategy.extend(lost, ttl=_LONG) is None
        assert await lock_strategy.release(lost) is False
        await _assert_held(lock_strategy, resource)
        assert await other_lock_strategy.extend(held, ttl=_LONG) is not None
        assert await other_lock_strategy.release(held) is True

    async def test_who_lost_the_lock_learns_it_also_if_nobody_else_has_it(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        extended = await lock_strategy.acquire(_sibling(resource, "a"), ttl=self.short_ttl)
        released = await lock_strategy.acquire(_sibling(resource, "b"), ttl=self.short_ttl)
        await self._let_locks_run_out()
        assert await lock_strategy.extend(extended, ttl=_LONG) is None
        assert await lock_strategy.release(released) is False

    async def test_a_lock_is_given_back_once(self, lock_strategy: ILockStrategy, resource: ResourceIdentifier) -> None:
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        assert await lock_strategy.release(lease) is True
        assert await lock_strategy.release(lease) is False
        assert await lock_strategy.extend(lease, ttl=_LONG) is None

    @pytest.mark.parametrize("mode", ["write", "read"])
    async def test_a_lock_that_is_extended_lives_on(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier, mode: LockMode
    ) -> None:
        lease = await lock_strategy.acquire(_as(resource, mode), ttl=self.short_ttl)
        extended = await lock_strategy.extend(lease, ttl=_LONG)
        assert extended is not None
        assert (extended.token, extended.fencing_token) == (lease.token, lease.fencing_token)
        assert extended.expires_at > lease.expires_at
        await self._let_locks_run_out()
        await _assert_held(lock_strategy, resource)
        assert await lock_strategy.release(extended) is True
        await self._assert_free(lock_strategy, resource)

    async def test_the_lease_from_before_an_extension_is_as_good(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        lease = await lock_strategy.acquire(resource, ttl=self.short_ttl)
        assert await lock_strategy.extend(lease, ttl=_LONG) is not None
        assert await lock_strategy.extend(lease, ttl=_LONG) is not None
        assert await lock_strategy.release(lease) is True
        await self._assert_free(lock_strategy, resource)

    async def test_an_extension_never_shortens(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        """Two sections of one session hold one lock, and the inner one may want it for less long."""
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        assert await lock_strategy.extend(lease, ttl=self.short_ttl) is not None
        await self._let_locks_run_out()
        await _assert_held(lock_strategy, resource)
        assert await lock_strategy.release(lease) is True

    # ------------------------------------------------------------------ fencing

    async def test_the_fencing_token_rises_with_every_holder(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        if not self.supports_fencing:
            pytest.skip("this lock has no fencing tokens")
        tokens: list[int] = []
        for strategy in (lock_strategy, other_lock_strategy, lock_strategy):
            lease = await strategy.acquire(resource, timeout=0, ttl=_LONG)
            tokens.append(lease.fencing_token)
            await strategy.release(lease)
        lost = await other_lock_strategy.acquire(resource, timeout=0, ttl=self.short_ttl)
        await self._let_locks_run_out()
        held = await lock_strategy.acquire(resource, timeout=0, ttl=_LONG)
        tokens += [lost.fencing_token, held.fencing_token]
        assert tokens == sorted(set(tokens))

    async def test_a_writer_has_a_higher_fencing_token_than_the_readers_before_it(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        if not self.supports_fencing:
            pytest.skip("this lock has no fencing tokens")
        before = await lock_strategy.acquire(resource, timeout=0, ttl=_LONG)
        await lock_strategy.release(before)
        reader = await lock_strategy.acquire(_reading(resource), timeout=0, ttl=_LONG)
        await lock_strategy.release(reader)
        after = await lock_strategy.acquire(resource, timeout=0, ttl=_LONG)
        assert before.fencing_token < reader.fencing_token < after.fencing_token

    # ------------------------------------------------------------------ sessions

    async def test_without_a_session_every_acquisition_is_one_of_its_own(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        lease = await lock_strategy.acquire(resource, ttl=_LONG)
        assert lease.session_id is None
        with pytest.raises(LockAcquisitionError):
            await lock_strategy.acquire(resource, timeout=0, ttl=_LONG)

    async def test_sessions_exclude_each_other(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        await lock_strategy.acquire(resource, ttl=_LONG, session_id="session-1")
        for session_id in ("session-2", None):
            with pytest.raises(LockAcquisitionError):
                await lock_strategy.acquire(resource, timeout=0, ttl=_LONG, session_id=session_id)

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    @pytest.mark.parametrize("mode", ["write", "read"])
    async def test_a_session_acquires_again_and_releases_as_often(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier, mode: LockMode, order: tuple[int, ...]
    ) -> None:
        self._needs_sessions()
        leases = [
            await lock_strategy.acquire(_as(resource, mode), timeout=0, ttl=_LONG, session_id="session-1")
            for _ in order
        ]
        if self.supports_fencing:
            assert len({lease.fencing_token for lease in leases}) == 1, "what the inner one writes outdates the outer"
        for number in order:
            await _assert_held(lock_strategy, resource)
            assert await lock_strategy.release(leases[number]) is True
        await self._assert_free(lock_strategy, resource)

    async def test_a_session_acquires_again_although_others_wait(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_sessions()
        outer = await lock_strategy.acquire(resource, ttl=_LONG, session_id="session-1")
        waiting = await self.meanwhile(lock_strategy.acquire(resource, timeout=_LIMIT, ttl=_LONG))
        inner = await lock_strategy.acquire(resource, timeout=0, ttl=_LONG, session_id="session-1")
        await lock_strategy.release(inner)
        assert not waiting.done()
        await lock_strategy.release(outer)
        await waiting

    async def test_a_session_that_writes_may_read(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_sessions()
        writing = await lock_strategy.acquire(resource, ttl=_LONG, session_id="session-1")
        reading = await lock_strategy.acquire(_reading(resource), timeout=0, ttl=_LONG, session_id="session-1")
        with pytest.raises(LockAcquisitionError):
            await lock_strategy.acquire(_reading(resource), timeout=0, ttl=_LONG)
        assert await lock_strategy.release(reading) is True
        await _assert_held(lock_strategy, resource)
        assert await lock_strategy.release(writing) is True
        await self._assert_free(lock_strategy, resource)

    async def test_a_session_that_reads_does_not_write_while_others_read(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_sessions()
        self._needs_shared()
        await lock_strategy.acquire(_reading(resource), ttl=_LONG, session_id="session-1")
        await lock_strategy.acquire(_reading(resource), ttl=_LONG, session_id="session-2")
        with pytest.raises(LockAcquisitionError):
            await lock_strategy.acquire(resource, timeout=0, ttl=_LONG, session_id="session-1")

    async def test_acquiring_again_holds_the_lock_for_longer_and_never_for_less(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_sessions()
        await lock_strategy.acquire(resource, ttl=self.short_ttl, session_id="session-1")
        inner = await lock_strategy.acquire(resource, timeout=0, ttl=_LONG, session_id="session-1")
        await lock_strategy.acquire(resource, timeout=0, ttl=self.short_ttl, session_id="session-1")
        await self._let_locks_run_out()
        await _assert_held(lock_strategy, resource)
        assert await lock_strategy.release(inner) is True

    async def test_a_session_that_lost_the_lock_begins_anew(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        self._needs_sessions()
        lost = await lock_strategy.acquire(resource, ttl=self.short_ttl, session_id="session-1")
        await self._let_locks_run_out()
        held = await lock_strategy.acquire(resource, timeout=0, ttl=_LONG, session_id="session-1")
        if self.supports_fencing:
            assert held.fencing_token > lost.fencing_token
        assert await lock_strategy.release(held) is True
        await self._assert_free(lock_strategy, resource)

    # ------------------------------------------------------------------ looking at it

    async def test_it_says_that_locks_can_be_had(self, lock_strategy: ILockStrategy) -> None:
        assert await lock_strategy.health_check() is True

    async def test_the_locks_that_are_held_are_listed(
        self, lock_strategy: ILockStrategy, other_lock_strategy: ILockStrategy, resource: ResourceIdentifier
    ) -> None:
        kept = await lock_strategy.acquire(resource, ttl=_LONG, session_id="session-1")
        given_back = await lock_strategy.acquire(_sibling(resource, "b"), ttl=_LONG)
        await lock_strategy.release(given_back)
        await lock_strategy.acquire(_sibling(resource, "c"), ttl=self.short_ttl)
        await self._let_locks_run_out()
        strategies = [lock_strategy, other_lock_strategy] if self.lists_all_locks else [lock_strategy]
        for strategy in strategies:
            found = [
                lease
                for lease in await strategy.get_active_locks()
                if lease.resource.resource_id.startswith(resource.resource_id)
            ]
            assert [(lease.resource, lease.session_id) for lease in found] == [(resource, "session-1")]
            assert found[0].fencing_token == kept.fencing_token
            assert found[0].expires_at >= kept.acquired_at

    @pytest.mark.parametrize("timeout", [-1.0, float("nan")])
    async def test_a_negative_timeout_is_refused(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier, timeout: float
    ) -> None:
        with pytest.raises(ValueError, match="timeout"):
            await lock_strategy.acquire(resource, timeout=timeout, ttl=_LONG)
        await self._assert_free(lock_strategy, resource)

    @pytest.mark.parametrize("ttl", [0.0, -1.0, float("nan"), float("inf")])
    async def test_a_lock_for_no_time_or_for_ever_is_refused(
        self, lock_strategy: ILockStrategy, resource: ResourceIdentifier, ttl: float
    ) -> None:
        with pytest.raises(ValueError, match="ttl"):
            await lock_strategy.acquire(resource, timeout=0, ttl=ttl)
        lease = await lock_strategy.acquire(resource, timeout=0, ttl=_LONG)
        with pytest.raises(ValueError, match="ttl"):
            await lock_strategy.extend(lease, ttl=ttl)
        assert await lock_strategy.release(lease) is True

    async def _assert_free(self, strategy: ILockStrategy, resource: ResourceIdentifier) -> None:
        async with _held(strategy, resource, timeout=0):
            pass
        assert all(lease.resource.key != resource.key for lease in await strategy.get_active_locks())


class UnreachableLockContract(AdapterContract):
    """What is promised while the server that keeps the locks cannot be reached.

    Give ``lock_strategy``, for a server that is not there. Give it short limits for connecting.
    """

    @pytest.fixture
    @abstractmethod
    def lock_strategy(self) -> ILockStrategy:
        raise NotImplementedError("give the fixture lock_strategy")

    async def test_no_lock_is_had(self, lock_strategy: ILockStrategy) -> None:
        resource = ResourceIdentifier("Order", new_id())
        with pytest.raises(LockAcquisitionError) as caught:
            await lock_strategy.acquire(resource, timeout=self.instant.total_seconds(), ttl=_LONG)
        assert caught.value.resource == resource
        assert caught.value.reason, "it says that the lock was not just taken"

    async def test_it_says_that_no_lock_can_be_had(self, lock_strategy: ILockStrategy) -> None:
        assert await lock_strategy.health_check() is False


@dataclass
class _Room:
    """Who is inside, by resource. It complains as soon as two are inside that must not be."""

    chance: random.Random
    shared: bool
    readers: dict[str, int] = field(default_factory=dict[str, int])
    writers: dict[str, int] = field(default_factory=dict[str, int])

    async def visit(self, strategy: ILockStrategy, resource: ResourceIdentifier) -> None:
        for _ in range(self.chance.randint(1, 3)):
            wanted = _as(resource, self.chance.choice(["read", "write"]))
            patience = self.chance.choice([0.0, 0.005, _LIMIT])
            try:
                async with _held(strategy, wanted, timeout=patience):
                    await self.stay(wanted)
            except LockAcquisitionError:
                assert patience < _LIMIT, f"{wanted} was not free in {_LIMIT} s"

    async def stay(self, resource: ResourceIdentifier) -> None:
        inside = self.readers if resource.lock_mode == "read" and self.shared else self.writers
        inside[resource.key] = inside.get(resource.key, 0) + 1
        try:
            for _ in range(3):
                writers, readers = self.writers.get(resource.key, 0), self.readers.get(resource.key, 0)
                assert writers <= 1
                assert not (writers and readers), f"{writers} writers and {readers} readers are inside"
                await asyncio.sleep(self.chance.random() * 0.003)
        finally:
            inside[resource.key] -= 1


@asynccontextmanager
async def _held(
    strategy: ILockStrategy, resource: ResourceIdentifier, *, timeout: float = _LIMIT
) -> AsyncGenerator[LockLease]:
    lease = await strategy.acquire(resource, timeout=timeout, ttl=_LONG)
    try:
        yield lease
    finally:
        await asyncio.shield(strategy.release(lease))


async def _assert_held(strategy: ILockStrategy, resource: ResourceIdentifier) -> None:
    with pytest.raises(LockAcquisitionError):
        await strategy.acquire(_as(resource, "write"), timeout=0, ttl=_LONG)


async def _first_of(*tasks: asyncio.Task[LockLease]) -> LockLease:
    done, _ = await asyncio.wait(tasks, timeout=_LIMIT, return_when=asyncio.FIRST_COMPLETED)
    assert done, "nobody got the lock"
    return done.pop().result()


async def _cancel(task: asyncio.Task[LockLease]) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=_LIMIT)
    assert task.cancelled()


def _as(resource: ResourceIdentifier, mode: LockMode) -> ResourceIdentifier:
    return ResourceIdentifier(resource.resource_type, resource.resource_id, mode)


def _reading(resource: ResourceIdentifier) -> ResourceIdentifier:
    return _as(resource, "read")


def _sibling(resource: ResourceIdentifier, name: str) -> ResourceIdentifier:
    return ResourceIdentifier(resource.resource_type, f"{resource.resource_id}-{name}")
