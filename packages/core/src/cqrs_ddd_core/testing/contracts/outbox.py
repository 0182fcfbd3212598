"""What every outbox promises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest

from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage, OutboxStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import (
    ConcurrencyError,
    OutboxError,
    ReadOnlyUnitOfWorkError,
    SerializationError,
)
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

__all__ = ["OutboxContract"]

_HOLD: Final = timedelta(minutes=5)
"""Longer than any test: such a lease does not run out."""
_LIMIT: Final = timedelta(seconds=30)
"""Far more than anything here takes; a test that waits longer hangs."""


class OutboxContract(TransactionalContract):
    """Messages leave once they are committed, in order of their keys, and no two relays hold the same one.

    Give ``outbox`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def outbox(self) -> IOutboxStorage:
        """The storage, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture outbox")

    @pytest.fixture
    def other_outbox(self, outbox: IOutboxStorage) -> IOutboxStorage:
        """The same outbox as another process has it; override it where that has connections of its own."""
        return outbox

    async def _let_leases_run_out(self) -> None:
        await self.pass_time(self.short_hold + self.instant)

    # ------------------------------------------------------------------ add and lease

    async def test_a_message_comes_back_as_it_was_added(self, outbox: IOutboxStorage) -> None:
        moment = datetime(2025, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC)
        given = OutboxMessage(
            topic="orders.placed",
            created_at=moment,
            available_at=moment + timedelta(microseconds=1),
            envelope=MessageEnvelope(
                message_type="OrderPlaced",
                payload={"total": "12.30"},
                message_id="message-1",
                schema_version=3,
                key="order-1",
                occurred_at=moment,
                aggregate_type="Order",
                aggregate_id="order-1",
                aggregate_version=7,
                correlation_id="request-1",
                causation_id="command-1",
                tenant_id="acme",
                headers={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "x-empty": ""},
            ),
        )
        await outbox.add([given])
        (leased,) = await outbox.lease(10, hold=_HOLD)
        assert replace(leased, lease=None, leased_until=None, sequence=None) == given
        assert leased.lease is not None
        assert leased.sequence is not None

    async def test_a_lease_says_until_when_it_holds(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message()])
        before = utc_now()
        (leased,) = await outbox.lease(1, hold=_HOLD)
        assert leased.leased_until is not None
        assert leased.leased_until.utcoffset() == timedelta(0)
        # The store's clock may not be ours.
        assert abs(leased.leased_until - before - _HOLD) < timedelta(minutes=1)

    async def test_an_empty_outbox_has_nothing_to_lease(self, outbox: IOutboxStorage) -> None:
        assert list(await outbox.lease(10, hold=_HOLD)) == []
        await outbox.add([])
        assert list(await outbox.lease(10, hold=_HOLD)) == []

    async def test_the_oldest_messages_are_leased_first(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a"), _message("b")])
        await outbox.add([_message("c")])
        await outbox.add([_message("d"), _message("e")])
        leased = await outbox.lease(10, hold=_HOLD)
        assert _ids(leased) == ["a", "b", "c", "d", "e"]
        sequence = [message.sequence or 0 for message in leased]
        assert sequence == sorted(set(sequence))

    async def test_a_relay_gets_as_many_as_it_asked_for(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message(str(number)) for number in range(5)])
        assert _ids(await outbox.lease(2, hold=_HOLD)) == ["0", "1"]
        assert _ids(await outbox.lease(2, hold=_HOLD)) == ["2", "3"]
        assert _ids(await outbox.lease(2, hold=_HOLD)) == ["4"]
        assert _ids(await outbox.lease(2, hold=_HOLD)) == []

    async def test_a_leased_message_is_hidden_from_other_relays(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message()])
        assert len(await outbox.lease(10, hold=_HOLD)) == 1
        assert list(await outbox.lease(10, hold=_HOLD)) == []

    async def test_relays_that_lease_at_once_never_hold_one_message(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message(str(number)) for number in range(20)])
        leased: list[str] = []

        async def relay() -> None:
            while batch := await outbox.lease(3, hold=_HOLD):
                leased.extend(_ids(batch))
                await asyncio.sleep(0)

        # A store may answer an overtaken relay with nothing although something is left: the rest is leased below.
        await asyncio.gather(*(relay() for _ in range(5)))
        leased += _ids(await outbox.lease(20, hold=_HOLD))
        assert sorted(leased, key=int) == [str(number) for number in range(20)]

    async def test_a_message_is_not_leased_before_its_time(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("later", available_at=utc_now() + self.short_hold), _message("now")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["now"]
        await self._let_leases_run_out()
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["later"]

    async def test_a_relay_sees_the_messages_of_all_tenants(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a", tenant_id="acme"), _message("b", tenant_id="other"), _message("c")])
        leased = await outbox.lease(10, hold=_HOLD)
        assert [message.tenant_id for message in leased] == ["acme", "other", None]

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_limit_below_one_is_refused(self, outbox: IOutboxStorage, limit: int) -> None:
        with pytest.raises(ValueError, match="limit"):
            await outbox.lease(limit, hold=_HOLD)

    async def test_a_lease_that_holds_for_no_time_is_refused(self, outbox: IOutboxStorage) -> None:
        with pytest.raises(ValueError, match="hold"):
            await outbox.lease(1, hold=timedelta(0))

    # ------------------------------------------------------------------ each message once

    async def test_a_message_id_is_added_once(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a")])
        with pytest.raises(OutboxError, match="a"):
            await outbox.add([_message("b"), _message("a")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a"]

    async def test_a_message_id_is_added_once_within_one_add(self, outbox: IOutboxStorage) -> None:
        with pytest.raises(OutboxError, match="a"):
            await outbox.add([_message("a"), _message("a")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == []

    async def test_the_id_of_a_published_or_dead_message_is_still_taken(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("published"), _message("dead")])
        published, dead = await outbox.lease(2, hold=_HOLD)
        await outbox.mark_published([published])
        await outbox.mark_failed(dead, "no", retry_at=None)
        for message_id in ("published", "dead"):
            with pytest.raises(OutboxError, match=message_id):
                await outbox.add([_message(message_id)])

    # ------------------------------------------------------------------ the unit of work

    async def test_it_says_that_it_takes_part_in_a_unit_of_work(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        self.check_joins(outbox, uow_factory())

    async def test_a_message_is_leased_only_after_its_unit_of_work_has_committed(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await outbox.add([_message("a")])
            leasing = await self.meanwhile(outbox.lease(10, hold=_HOLD))
            if leasing.done():
                assert list(leasing.result()) == []
        # A store that lets one writer in at a time has made the relay wait for the commit.
        assert _ids([*await leasing, *await outbox.lease(10, hold=_HOLD)]) == ["a"]

    async def test_a_message_is_gone_when_its_unit_of_work_is_rolled_back(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()):
            await outbox.add([_message("a")])
        assert list(await outbox.lease(10, hold=_HOLD)) == []
        assert (await outbox.statistics()).pending == 0
        await outbox.add([_message("a")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a"]

    async def test_a_savepoint_takes_back_what_was_added_in_it(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory() as uow:
            await outbox.add([_message("a")])
            async with undone_savepoint(uow):
                await outbox.add([_message("b")])
            await outbox.add([_message("c")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a", "c"]

    async def test_an_add_that_is_refused_leaves_the_unit_of_work_usable(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await outbox.add([_message("known")])
        async with uow_factory():
            await outbox.add([_message("a")])
            for refused in ("known", "a"):
                with pytest.raises(OutboxError):
                    await outbox.add([_message("b"), _message(refused)])
            await outbox.add([_message("c")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["known", "a", "c"]

    async def test_of_two_units_of_work_that_add_one_message_one_wins(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        (error,) = await self.race(
            uow_factory, lambda: outbox.add([_message("a")]), lambda: outbox.add([_message("a")])
        )
        assert isinstance(error, OutboxError | ConcurrencyError)
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a"]

    async def test_units_of_work_that_add_different_messages_do_not_disturb_each_other(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        errors = await self.race(uow_factory, lambda: outbox.add([_message("a")]), lambda: outbox.add([_message("b")]))
        assert errors == []
        assert set(_ids(await outbox.lease(10, hold=_HOLD))) == {"a", "b"}

    async def test_relays_commit_at_once_whatever_unit_of_work_is_open(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await outbox.add([_message(str(number)) for number in range(4)])
        async with undone(uow_factory()):
            published, dead, released, leased = await outbox.lease(4, hold=_HOLD)
            await outbox.mark_published([published])
            await outbox.mark_failed(dead, "no", retry_at=None)
            await outbox.release([released])
        assert list(await outbox.mark_published([leased])) == ["3"]
        assert _ids(await outbox.lease(4, hold=_HOLD)) == ["2"]
        assert _ids(await outbox.dead_letters()) == ["1"]
        async with undone(uow_factory()):
            assert await outbox.purge(published_before=utc_now() + _HOLD) == 2
            assert await outbox.discard(["1"]) == 1
        statistics = await outbox.statistics()
        assert (statistics.pending, statistics.dead, statistics.published) == (1, 0, 0)

    async def test_a_read_only_unit_of_work_adds_nothing(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await outbox.add([_message()])
        assert (await outbox.statistics()).pending == 0

    # ------------------------------------------------------------------ settling

    async def test_a_published_message_is_not_leased_again(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a"), _message("b")])
        leased = await outbox.lease(10, hold=self.short_hold)
        assert list(await outbox.mark_published(leased)) == ["a", "b"]
        await self._let_leases_run_out()
        assert list(await outbox.lease(10, hold=_HOLD)) == []

    async def test_other_processes_see_what_a_relay_has_done(
        self, outbox: IOutboxStorage, other_outbox: IOutboxStorage
    ) -> None:
        await outbox.add([_message(str(number)) for number in range(4)])
        published, failed, dead = await outbox.lease(3, hold=_HOLD)
        assert _ids(await other_outbox.lease(4, hold=_HOLD)) == ["3"]
        await outbox.mark_published([published])
        await outbox.mark_failed(failed, "no", retry_at=utc_now() - self.instant)
        await outbox.mark_failed(dead, "no", retry_at=None)
        (again,) = await other_outbox.lease(4, hold=_HOLD)
        assert (again.message_id, again.attempts) == ("1", 1)
        assert _ids(await other_outbox.dead_letters()) == ["2"]
        assert (await other_outbox.statistics()).published == 1

    async def test_a_message_is_settled_once(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a")])
        (leased,) = await outbox.lease(1, hold=_HOLD)
        assert list(await outbox.mark_published([leased])) == ["a"]
        assert list(await outbox.mark_published([leased])) == []
        assert await outbox.mark_failed(leased, "too late", retry_at=None) is False
        await outbox.release([leased])
        statistics = await outbox.statistics()
        assert (statistics.pending, statistics.published, statistics.dead) == (0, 1, 0)

    async def test_what_nobody_has_leased_cannot_be_settled(self, outbox: IOutboxStorage) -> None:
        message = _message("a")
        await outbox.add([message])
        assert list(await outbox.mark_published([message])) == []
        assert await outbox.mark_failed(message, "no", retry_at=None) is False
        assert list(await outbox.mark_published([])) == []
        (leased,) = await outbox.lease(1, hold=_HOLD)
        assert leased.attempts == 0

    async def test_a_failed_message_waits_for_its_next_attempt(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a")])
        (leased,) = await outbox.lease(1, hold=_HOLD)
        retry_at = utc_now() + self.short_hold
        assert await outbox.mark_failed(leased, "broker is down: žluť", retry_at=retry_at) is True
        assert list(await outbox.lease(1, hold=_HOLD)) == []
        await self._let_leases_run_out()
        (again,) = await outbox.lease(1, hold=_HOLD)
        assert (again.message_id, again.attempts, again.last_error) == ("a", 1, "broker is down: žluť")
        assert again.available_at == retry_at
        assert again.envelope == leased.envelope

    async def test_attempts_count_failures(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a")])
        for failures in range(4):
            (leased,) = await outbox.lease(1, hold=_HOLD)
            assert leased.attempts == failures
            assert await outbox.mark_failed(leased, f"failure {failures}", retry_at=utc_now() - self.instant)

    async def test_a_message_that_was_given_up_is_dead(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a"), _message("b")])
        (leased,) = await outbox.lease(1, hold=self.short_hold)
        assert await outbox.mark_failed(leased, "cannot be read", retry_at=None) is True
        await self._let_leases_run_out()
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["b"]
        (dead,) = await outbox.dead_letters()
        assert (dead.message_id, dead.status) == ("a", OutboxStatus.DEAD)
        assert (dead.attempts, dead.last_error) == (1, "cannot be read")
        assert (dead.envelope, dead.topic, dead.lease) == (leased.envelope, leased.topic, None)

    async def test_a_released_message_can_be_leased_at_once_and_has_not_been_tried(
        self, outbox: IOutboxStorage
    ) -> None:
        await outbox.add([_message("a"), _message("b")])
        leased = await outbox.lease(10, hold=_HOLD)
        await outbox.release(leased)
        again = await outbox.lease(10, hold=_HOLD)
        assert [(message.message_id, message.attempts) for message in again] == [("a", 0), ("b", 0)]
        assert again[0].lease != leased[0].lease

    async def test_a_lease_that_is_not_settled_ends(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a"), _message("b")])
        first = await outbox.lease(10, hold=self.short_hold)
        await self._let_leases_run_out()
        second = await outbox.lease(10, hold=_HOLD)
        assert [(message.message_id, message.attempts) for message in second] == [("a", 0), ("b", 0)]
        assert {message.lease for message in first}.isdisjoint(message.lease for message in second)

    async def test_a_lost_lease_settles_nothing(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a")])
        (lost,) = await outbox.lease(1, hold=self.short_hold)
        await self._let_leases_run_out()
        (held,) = await outbox.lease(1, hold=_HOLD)
        assert list(await outbox.mark_published([lost])) == []
        assert await outbox.mark_failed(lost, "no", retry_at=None) is False
        await outbox.release([lost])
        assert list(await outbox.lease(1, hold=_HOLD)) == []
        assert list(await outbox.mark_published([held])) == ["a"]

    async def test_of_several_messages_those_that_are_still_ours_are_settled(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a"), _message("b")])
        first = await outbox.lease(10, hold=_HOLD)
        await outbox.release(first[:1])
        await outbox.lease(1, hold=_HOLD)
        assert list(await outbox.mark_published(first)) == ["b"]

    async def test_poison_messages_do_not_stop_the_others(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message(f"poison-{number}", key=f"key-{number}") for number in range(5)])
        await outbox.add([_message("good", key="key-good")])
        for message in await outbox.lease(5, hold=_HOLD):
            await outbox.mark_failed(message, "poison", retry_at=utc_now() + _HOLD)
        assert _ids(await outbox.lease(5, hold=_HOLD)) == ["good"]

    # ------------------------------------------------------------------ order

    async def test_messages_of_one_key_come_in_order_in_one_lease(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a1", key="a"), _message("b1", key="b"), _message("a2", key="a")])
        await outbox.add([_message("a3", key="a"), _message("b2", key="b")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a1", "b1", "a2", "a3", "b2"]

    async def test_while_a_message_is_leased_the_later_ones_of_its_key_are_not(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a1", key="a"), _message("a2", key="a"), _message("b1", key="b")])
        first = await outbox.lease(1, hold=_HOLD)
        assert _ids(first) == ["a1"]
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["b1"]
        await outbox.mark_published(first)
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a2"]

    async def test_while_a_message_waits_the_later_ones_of_its_key_wait_too(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a1", key="a"), _message("b1", key="b"), _message("a2", key="a")])
        first, *others = await outbox.lease(10, hold=_HOLD)
        await outbox.mark_failed(first, "down", retry_at=utc_now() + self.short_hold)
        await outbox.release(others)
        await outbox.add([_message("a3", key="a")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["b1"]
        await self._let_leases_run_out()
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a1", "a2", "a3"]

    async def test_a_message_for_later_holds_back_those_behind_it(self, outbox: IOutboxStorage) -> None:
        later = utc_now() + self.short_hold
        await outbox.add([_message("a1", key="a", available_at=later), _message("a2", key="a")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == []
        await self._let_leases_run_out()
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a1", "a2"]

    async def test_a_dead_message_does_not_hold_its_key_back(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a1", key="a"), _message("a2", key="a")])
        (first,) = await outbox.lease(1, hold=_HOLD)
        await outbox.mark_failed(first, "unreadable", retry_at=None)
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a2"]

    async def test_a_lease_that_ends_gives_its_key_back_from_the_oldest_on(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message(f"a{number}", key="a") for number in (1, 2, 3)])
        await outbox.lease(2, hold=self.short_hold)
        assert _ids(await outbox.lease(10, hold=_HOLD)) == []
        await self._let_leases_run_out()
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a1", "a2", "a3"]

    async def test_a_message_in_the_middle_holds_back_only_what_is_behind_it(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message(f"a{number}", key="a") for number in (1, 2, 3)])
        leased = await outbox.lease(10, hold=_HOLD)
        await outbox.mark_failed(leased[1], "down", retry_at=utc_now() + _HOLD)
        await outbox.release([leased[0], leased[2]])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a1"]

    async def test_messages_without_a_key_do_not_wait_for_each_other(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message(str(number)) for number in range(3)])
        (first,) = await outbox.lease(1, hold=_HOLD)
        await outbox.mark_failed(first, "down", retry_at=utc_now() + _HOLD)
        assert _ids(await outbox.lease(1, hold=_HOLD)) == ["1"]
        assert _ids(await outbox.lease(1, hold=_HOLD)) == ["2"]

    async def test_what_is_held_back_does_not_count_against_the_limit(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message(f"a{number}", key="a") for number in range(10)])
        await outbox.add([_message("b", key="b")])
        await outbox.lease(1, hold=_HOLD)
        assert _ids(await outbox.lease(1, hold=_HOLD)) == ["b"]

    async def test_a_key_of_one_tenant_does_not_hold_back_that_of_another(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a1", key="a", tenant_id="acme"), _message("a2", key="a", tenant_id="acme")])
        await outbox.add([_message("b1", key="a", tenant_id="other"), _message("c1", key="a")])
        await outbox.lease(1, hold=_HOLD)
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["b1", "c1"]

    async def test_relays_that_compete_publish_each_key_in_order(self, outbox: IOutboxStorage) -> None:
        keys = ["a", "b", "c"]
        await outbox.add([_message(f"{key}{number}", key=key) for number in range(6) for key in keys])
        published: list[str] = []

        async def relay(limit: int) -> None:
            while len(published) < 18:
                for message in await outbox.lease(limit, hold=_HOLD):
                    await asyncio.sleep(0)
                    published.append(message.message_id)
                    assert list(await outbox.mark_published([message])) == [message.message_id]
                await asyncio.sleep(0)

        async with asyncio.timeout(_LIMIT.total_seconds()):
            await asyncio.gather(relay(1), relay(2), relay(5))
        for key in keys:
            assert [name for name in published if name[0] == key] == [f"{key}{number}" for number in range(6)]

    # ------------------------------------------------------------------ waiting

    async def test_who_waits_is_told_at_once_when_there_is_something(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message()])
        assert await outbox.wait_for_messages(_LIMIT) is True

    async def test_who_waits_for_nothing_is_told_so(self, outbox: IOutboxStorage) -> None:
        assert await outbox.wait_for_messages(self.instant) is False
        assert await outbox.wait_for_messages(timedelta(0)) is False

    async def test_who_waits_is_woken_by_a_commit(
        self, outbox: IOutboxStorage, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        waiting = asyncio.create_task(outbox.wait_for_messages(_LIMIT * 10))
        await asyncio.sleep(self.instant.total_seconds())
        async with uow_factory():
            await outbox.add([_message("a")])
        async with asyncio.timeout(_LIMIT.total_seconds()):
            assert await waiting is True
        assert _ids(await outbox.lease(1, hold=_HOLD)) == ["a"]

    async def test_who_waits_is_woken_when_a_message_becomes_due(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a", available_at=utc_now() + self.short_hold)])
        waiting = asyncio.create_task(outbox.wait_for_messages(_LIMIT * 10))
        await asyncio.sleep(0)
        await self._let_leases_run_out()
        async with asyncio.timeout(_LIMIT.total_seconds()):
            assert await waiting is True
        assert _ids(await outbox.lease(1, hold=_HOLD)) == ["a"]

    async def test_waiting_can_be_cancelled(self, outbox: IOutboxStorage) -> None:
        waiting = asyncio.create_task(outbox.wait_for_messages(_LIMIT * 10))
        await asyncio.sleep(self.instant.total_seconds())
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        await outbox.add([_message("a")])
        assert await outbox.wait_for_messages(_LIMIT) is True

    # ------------------------------------------------------------------ operators

    async def test_dead_letters_are_found_oldest_first(self, outbox: IOutboxStorage) -> None:
        await _bury(outbox, [_message(str(number)) for number in range(5)])
        assert _ids(await outbox.dead_letters()) == ["0", "1", "2", "3", "4"]
        assert _ids(await outbox.dead_letters(limit=2)) == ["0", "1"]
        assert _ids(await outbox.dead_letters(limit=2, offset=3)) == ["3", "4"]
        assert _ids(await outbox.dead_letters(offset=5)) == []

    async def test_dead_letters_are_found_by_topic_and_tenant(self, outbox: IOutboxStorage) -> None:
        await _bury(
            outbox,
            [
                _message("a", topic="orders", tenant_id="acme"),
                _message("b", topic="orders", tenant_id="other"),
                _message("c", topic="invoices", tenant_id="acme"),
            ],
        )
        assert _ids(await outbox.dead_letters(topic="orders")) == ["a", "b"]
        assert _ids(await outbox.dead_letters(tenant_id="acme")) == ["a", "c"]
        assert _ids(await outbox.dead_letters(topic="orders", tenant_id="acme", limit=1)) == ["a"]
        assert _ids(await outbox.dead_letters(topic="unknown")) == []

    async def test_only_dead_messages_are_dead_letters(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("published"), _message("pending")])
        await outbox.mark_published(await outbox.lease(1, hold=_HOLD))
        assert list(await outbox.dead_letters()) == []

    async def test_a_replayed_message_is_pending_again_at_its_old_place(self, outbox: IOutboxStorage) -> None:
        await _bury(outbox, [_message("a1", key="a")])
        await outbox.add([_message("a2", key="a")])
        assert await outbox.replay(["a1"]) == 1
        leased = await outbox.lease(10, hold=_HOLD)
        assert [(message.message_id, message.attempts) for message in leased] == [("a1", 0), ("a2", 0)]
        assert leased[0].status == OutboxStatus.PENDING
        assert list(await outbox.dead_letters()) == []

    async def test_a_replayed_message_can_be_published_or_die_again(self, outbox: IOutboxStorage) -> None:
        await _bury(outbox, [_message("a"), _message("b")])
        await outbox.replay(["a", "b"])
        first, second = await outbox.lease(10, hold=_HOLD)
        assert list(await outbox.mark_published([first])) == ["a"]
        assert await outbox.mark_failed(second, "again", retry_at=None) is True
        (dead,) = await outbox.dead_letters()
        assert (dead.message_id, dead.attempts, dead.last_error) == ("b", 1, "again")

    async def test_only_dead_messages_are_replayed_or_discarded(self, outbox: IOutboxStorage) -> None:
        await _bury(outbox, [_message("dead")])
        await outbox.add([_message("published"), _message("leased"), _message("pending")])
        published, leased = await outbox.lease(2, hold=_HOLD)
        await outbox.mark_published([published])
        others = ["published", "leased", "pending", "unknown"]
        assert await outbox.replay(others) == 0
        assert await outbox.discard(others) == 0
        assert await outbox.replay([]) == 0
        assert list(await outbox.mark_published([leased])) == ["leased"]
        assert await outbox.replay(["dead", *others, "dead"]) == 1
        assert await outbox.replay(["dead"]) == 0

    async def test_a_discarded_message_is_gone(self, outbox: IOutboxStorage) -> None:
        await _bury(outbox, [_message("a"), _message("b")])
        assert await outbox.discard(["a"]) == 1
        assert await outbox.discard(["a"]) == 0
        assert await outbox.replay(["a"]) == 0
        assert _ids(await outbox.dead_letters()) == ["b"]
        await outbox.add([_message("a")])
        assert _ids(await outbox.lease(10, hold=_HOLD)) == ["a"]

    async def test_a_purge_removes_what_was_published_before(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("early"), _message("late"), _message("leased"), _message("pending")])
        await _bury(outbox, [_message("dead")], skip=4)
        early, late, _ = await outbox.lease(3, hold=_HOLD)
        await outbox.mark_published([early])
        await self.pass_time(self.instant)
        moment = utc_now()
        await self.pass_time(self.instant)
        await outbox.mark_published([late])
        assert await outbox.purge(published_before=moment) == 1
        assert await outbox.purge(published_before=moment) == 0
        assert (await outbox.statistics()).published == 1
        assert await outbox.purge(published_before=utc_now() + _HOLD) == 1
        statistics = await outbox.statistics()
        assert (statistics.pending, statistics.dead, statistics.published) == (2, 1, 0)

    async def test_a_purge_removes_at_most_what_it_was_allowed_to(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message(str(number)) for number in range(5)])
        await outbox.mark_published(await outbox.lease(5, hold=_HOLD))
        later = utc_now() + _HOLD
        assert await outbox.purge(published_before=later, limit=2) == 2
        assert await outbox.purge(published_before=later, limit=2) == 2
        assert await outbox.purge(published_before=later, limit=2) == 1
        assert await outbox.purge(published_before=later, limit=2) == 0

    async def test_statistics_of_an_empty_outbox(self, outbox: IOutboxStorage) -> None:
        statistics = await outbox.statistics()
        assert (statistics.pending, statistics.leased, statistics.dead, statistics.published) == (0, 0, 0, 0)
        assert statistics.oldest_pending is None

    async def test_statistics_count_what_is_in_each_state(self, outbox: IOutboxStorage) -> None:
        created = [datetime(2025, 1, day, tzinfo=UTC) for day in (4, 3, 2, 1)]
        await outbox.add([_message(str(day.day), created_at=day) for day in created])
        _, second, third = await outbox.lease(3, hold=self.short_hold)
        await outbox.mark_published([third])
        await outbox.mark_failed(second, "no", retry_at=None)
        statistics = await outbox.statistics()
        assert (statistics.pending, statistics.leased, statistics.dead, statistics.published) == (2, 1, 1, 1)
        assert statistics.oldest_pending == datetime(2025, 1, 1, tzinfo=UTC)
        await self._let_leases_run_out()
        assert (await outbox.statistics()).leased == 0

    # ------------------------------------------------------------------ data

    async def test_every_json_value_comes_back_as_it_was(self, outbox: IOutboxStorage) -> None:
        await outbox.add([_message("a", payload=EVERY_JSON_VALUE)])
        (leased,) = await outbox.lease(1, hold=_HOLD)
        assert leased.envelope.payload == EVERY_JSON_VALUE

    async def test_a_payload_of_a_million_characters_is_kept(self, outbox: IOutboxStorage) -> None:
        text = "0123456789" * 100_000
        await outbox.add([_message("a", payload={"text": text})])
        (leased,) = await outbox.lease(1, hold=_HOLD)
        assert leased.envelope.payload == {"text": text}

    @pytest.mark.parametrize("value", NO_JSON_VALUES)
    async def test_a_value_that_json_does_not_have_is_refused(self, outbox: IOutboxStorage, value: Any) -> None:
        with pytest.raises(SerializationError, match="OrderPlaced"):
            await outbox.add([_message("a"), _message("b", payload={"list": [{"inner": value}]})])
        assert (await outbox.statistics()).pending == 0

    async def test_what_is_stored_cannot_be_changed_from_outside(self, outbox: IOutboxStorage) -> None:
        payload, headers = {"items": [{"sku": "a"}]}, {"traceparent": "00"}
        await outbox.add([_message("a", payload=payload, headers=headers)])
        payload["items"][0]["sku"] = "changed"
        headers["traceparent"] = "changed"
        (leased,) = await outbox.lease(1, hold=_HOLD)
        assert leased.envelope.payload == {"items": [{"sku": "a"}]}
        leased.envelope.payload["items"].clear()
        await outbox.release([leased])
        (again,) = await outbox.lease(1, hold=_HOLD)
        assert again.envelope.payload == {"items": [{"sku": "a"}]}
        assert again.envelope.headers == {"traceparent": "00"}

    async def test_a_time_of_another_zone_comes_back_as_the_same_moment_in_utc(self, outbox: IOutboxStorage) -> None:
        tokyo = datetime(2025, 1, 1, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=9)))
        await outbox.add([_message("a", occurred_at=tokyo, created_at=tokyo, available_at=tokyo)])
        (leased,) = await outbox.lease(1, hold=_HOLD)
        for moment in (leased.envelope.occurred_at, leased.created_at, leased.available_at):
            assert moment == tokyo
            assert moment.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("field", ["occurred_at", "created_at", "available_at"])
    async def test_a_time_without_a_zone_is_refused(self, outbox: IOutboxStorage, field: str) -> None:
        naive = datetime(2025, 1, 1)  # noqa: DTZ001 - that is the mistake
        with pytest.raises(ValueError, match=field):
            await outbox.add([_message("a", **{field: naive})])
        assert (await outbox.statistics()).pending == 0


def _message(message_id: str = "message-1", **fields: Any) -> OutboxMessage:
    # Available since yesterday: the clock of the store may be a little behind ours.
    of_the_message: dict[str, Any] = {"topic": "orders", "available_at": utc_now() - timedelta(days=1)}
    of_the_envelope: dict[str, Any] = {"message_type": "OrderPlaced", "payload": {"total": "1.00"}}
    for name, value in fields.items():
        fields_of = of_the_message if name in {"topic", "created_at", "available_at"} else of_the_envelope
        fields_of[name] = value
    return OutboxMessage(envelope=MessageEnvelope(message_id=message_id, **of_the_envelope), **of_the_message)


def _ids(messages: Iterable[OutboxMessage]) -> list[str]:
    return [message.message_id for message in messages]


async def _bury(outbox: IOutboxStorage, messages: Sequence[OutboxMessage], *, skip: int = 0) -> None:
    """Add messages and let them die; ``skip`` is how many others are there to be leased before them."""
    await outbox.add(messages)
    leased = await outbox.lease(skip + len(messages), hold=_HOLD)
    for message in leased[skip:]:
        assert await outbox.mark_failed(message, "given up", retry_at=None)
    await outbox.release(leased[:skip])
