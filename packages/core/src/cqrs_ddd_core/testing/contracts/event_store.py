"""What every event store promises."""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.event_store import ANY_VERSION, NO_STREAM, IEventStore, StoredEvent, StreamAppend
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import (
    ConcurrencyError,
    EventStoreError,
    OptimisticConcurrencyError,
    ReadOnlyUnitOfWorkError,
    SerializationError,
)
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

__all__ = ["EventStoreContract"]

_LIMIT = 30.0
"""Seconds. Far more than anything here takes; a test that waits longer hangs."""


class EventStoreContract(TransactionalContract):
    """Appending with expected versions, streams, tenants, and one order over everything that no reader can miss.

    Give ``open_event_store`` and ``uow_factory``.
    """

    numbers_at_commit: ClassVar[bool] = False
    """Positions are given at the commit, in the order of commits; ``append`` in a unit of work returns None."""

    @pytest.fixture
    @abstractmethod
    def open_event_store(self) -> Callable[[IUpcasterRegistry | None], IEventStore]:
        """Opens the store with these upcasters, or without; every call on the same data."""
        raise NotImplementedError("give the fixture open_event_store")

    @pytest.fixture
    def event_store(self, open_event_store: Callable[[IUpcasterRegistry | None], IEventStore]) -> IEventStore:
        return open_event_store(None)

    # ------------------------------------------------------------------ append and read

    async def test_an_event_comes_back_as_it_was_appended(self, event_store: IEventStore) -> None:
        given = StoredEvent(
            event_type="OrderPlaced",
            aggregate_type="Order",
            aggregate_id="order-1",
            payload={"total": "12.30"},
            schema_version=3,
            event_id="0190-event",
            occurred_at=datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC),
            metadata={"source": "web", "retries": 2},
            correlation_id="request-1",
            causation_id="command-1",
        )
        (appended,) = await event_store.append([given], expected_version=NO_STREAM)
        assert appended == replace(given, version=1, position=appended.position)
        assert list(await event_store.read_stream("Order", "order-1")) == [appended]
        assert list(await event_store.read_all()) == [appended]

    async def test_versions_are_counted_from_one(self, event_store: IEventStore) -> None:
        appended = await event_store.append([_event(), _event()], expected_version=NO_STREAM)
        appended = [*appended, *await event_store.append([_event()], expected_version=2)]
        assert [event.version for event in appended] == [1, 2, 3]
        assert await event_store.stream_version("Order", "order-1") == 3

    async def test_versions_that_are_given_are_kept_with_their_gaps(self, event_store: IEventStore) -> None:
        await event_store.append([_event(version=2), _event(version=5)], expected_version=NO_STREAM)
        assert await _versions(event_store) == [2, 5]
        await event_store.append([_event()], expected_version=5)
        assert await _versions(event_store) == [2, 5, 6]

    async def test_the_version_of_a_stream_without_events_is_zero(self, event_store: IEventStore) -> None:
        assert await event_store.stream_version("Order", "never") == 0
        assert list(await event_store.read_stream("Order", "never")) == []

    @pytest.mark.parametrize("version", [1, 3, 4])
    async def test_a_version_never_goes_back(self, event_store: IEventStore, version: int) -> None:
        await event_store.append([_event(version=4)], expected_version=NO_STREAM)
        with pytest.raises(OptimisticConcurrencyError):
            await event_store.append([_event(version=version)], expected_version=ANY_VERSION)
        assert await _versions(event_store) == [4]

    async def test_versions_rise_within_one_append(self, event_store: IEventStore) -> None:
        with pytest.raises(OptimisticConcurrencyError):
            await event_store.append([_event(version=2), _event(version=2)], expected_version=NO_STREAM)
        with pytest.raises(OptimisticConcurrencyError):
            await event_store.append([_event(version=3), _event(version=2)], expected_version=NO_STREAM)
        assert await _versions(event_store) == []

    async def test_a_negative_version_is_refused(self, event_store: IEventStore) -> None:
        with pytest.raises(EventStoreError):
            await event_store.append([_event(version=-1)], expected_version=NO_STREAM)

    async def test_an_append_without_events_is_refused(self, event_store: IEventStore) -> None:
        with pytest.raises(EventStoreError):
            await event_store.append([], expected_version=ANY_VERSION)

    async def test_an_append_to_several_streams_is_refused(self, event_store: IEventStore) -> None:
        with pytest.raises(EventStoreError):
            await event_store.append([_event("order-1"), _event("order-2")], expected_version=ANY_VERSION)
        invoice = _event("order-1", aggregate_type="Invoice")
        with pytest.raises(EventStoreError):
            await event_store.append([_event("order-1"), invoice], expected_version=ANY_VERSION)
        assert list(await event_store.read_all()) == []

    async def test_an_event_id_is_stored_once(self, event_store: IEventStore) -> None:
        event = _event("order-1")
        await event_store.append([event], expected_version=NO_STREAM)
        with pytest.raises(EventStoreError, match=event.event_id):
            await event_store.append([_event("order-2", event_id=event.event_id)], expected_version=NO_STREAM)
        with pytest.raises(EventStoreError, match=event.event_id):
            await event_store.append([event], expected_version=ANY_VERSION)
        assert await _versions(event_store, "order-1") == [1]
        assert await _versions(event_store, "order-2") == []

    async def test_an_event_id_is_stored_once_within_one_append(self, event_store: IEventStore) -> None:
        event = _event()
        with pytest.raises(EventStoreError, match=event.event_id):
            await event_store.append([event, event], expected_version=NO_STREAM)
        assert await _versions(event_store) == []

    async def test_streams_of_two_types_may_have_the_same_id(self, event_store: IEventStore) -> None:
        await event_store.append([_event("1")], expected_version=NO_STREAM)
        await event_store.append([_event("1", aggregate_type="Invoice")], expected_version=NO_STREAM)
        assert [event.aggregate_type for event in await event_store.read_stream("Invoice", "1")] == ["Invoice"]

    @pytest.mark.parametrize(
        ("options", "versions"),
        [
            ({}, [1, 2, 4, 7, 8]),
            ({"after_version": 2}, [4, 7, 8]),
            ({"after_version": 3}, [4, 7, 8]),
            ({"after_version": 8}, []),
            ({"up_to_version": 4}, [1, 2, 4]),
            ({"up_to_version": 6}, [1, 2, 4]),
            ({"limit": 2}, [1, 2]),
            ({"after_version": 2, "limit": 1}, [4]),
            ({"after_version": 1, "up_to_version": 7, "limit": 2}, [2, 4]),
            ({"after_version": 4, "up_to_version": 4}, []),
        ],
    )
    async def test_a_part_of_a_stream_can_be_read(
        self, event_store: IEventStore, options: dict[str, int], versions: list[int]
    ) -> None:
        events = [_event(version=version) for version in (1, 2, 4, 7, 8)]
        await event_store.append(events, expected_version=NO_STREAM)
        assert [event.version for event in await event_store.read_stream("Order", "order-1", **options)] == versions

    # ------------------------------------------------------------------ expected versions

    async def test_the_expected_version_must_be_the_last_one(self, event_store: IEventStore) -> None:
        await event_store.append([_event(), _event()], expected_version=NO_STREAM)
        for expected in (0, 1, 3):
            with pytest.raises(OptimisticConcurrencyError) as caught:
                await event_store.append([_event()], expected_version=expected)
            error = caught.value
            facts = (error.entity_type, error.entity_id, error.expected, error.actual)
            assert facts == ("Order", "order-1", expected, 2)
        assert await _versions(event_store) == [1, 2]

    async def test_a_stream_that_does_not_exist_has_no_version_to_expect(self, event_store: IEventStore) -> None:
        with pytest.raises(OptimisticConcurrencyError):
            await event_store.append([_event()], expected_version=1)
        assert await _versions(event_store) == []

    async def test_any_version_appends_to_new_and_old_streams(self, event_store: IEventStore) -> None:
        for _ in range(3):
            await event_store.append([_event()], expected_version=ANY_VERSION)
        assert await _versions(event_store) == [1, 2, 3]

    async def test_an_expected_version_below_any_version_is_a_mistake(self, event_store: IEventStore) -> None:
        with pytest.raises(EventStoreError):
            await event_store.append([_event()], expected_version=-2)

    async def test_an_append_that_is_refused_leaves_the_unit_of_work_usable(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await event_store.append([_event("order-1")], expected_version=NO_STREAM)
            with pytest.raises(OptimisticConcurrencyError):
                await event_store.append([_event("order-1"), _event("order-1")], expected_version=5)
            await event_store.append([_event("order-2")], expected_version=NO_STREAM)
        assert await _versions(event_store, "order-1") == [1]
        assert await _versions(event_store, "order-2") == [1]

    # ------------------------------------------------------------------ several streams

    async def test_a_batch_appends_to_several_streams_in_order(self, event_store: IEventStore) -> None:
        appended = await event_store.append_batch(
            [
                StreamAppend(events=[_event("order-1"), _event("order-1")], expected_version=NO_STREAM),
                StreamAppend(events=[_event("order-2")], expected_version=NO_STREAM),
                StreamAppend(events=[_event("order-1")], expected_version=2),
            ]
        )
        assert [(event.aggregate_id, event.version) for event in appended] == [
            ("order-1", 1),
            ("order-1", 2),
            ("order-2", 1),
            ("order-1", 3),
        ]
        assert list(await event_store.read_all()) == list(appended)

    async def test_a_batch_is_appended_as_a_whole_or_not_at_all(self, event_store: IEventStore) -> None:
        await event_store.append([_event("order-2")], expected_version=NO_STREAM)
        known = (await event_store.read_all())[0].event_id
        refused: list[tuple[StoredEvent, int, type[Exception]]] = [
            (_event("order-2"), NO_STREAM, OptimisticConcurrencyError),
            (_event("order-2", version=1), ANY_VERSION, OptimisticConcurrencyError),
            (_event("order-3", event_id=known), NO_STREAM, EventStoreError),
            (_event("order-3", payload={"total": object()}), NO_STREAM, SerializationError),
        ]
        for event, expected, error in refused:
            with pytest.raises(error):
                await event_store.append_batch(
                    [
                        StreamAppend(events=[_event("order-1")], expected_version=NO_STREAM),
                        StreamAppend(events=[event], expected_version=expected),
                    ]
                )
        assert [event.event_id for event in await event_store.read_all()] == [known]

    async def test_a_batch_that_is_refused_leaves_nothing_in_the_unit_of_work(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await event_store.append([_event("order-2")], expected_version=NO_STREAM)
        async with uow_factory():
            with pytest.raises(OptimisticConcurrencyError):
                await event_store.append_batch(
                    [
                        StreamAppend(events=[_event("order-1")], expected_version=NO_STREAM),
                        StreamAppend(events=[_event("order-2")], expected_version=NO_STREAM),
                    ]
                )
            assert await event_store.stream_version("Order", "order-1") == 0
            await event_store.append([_event("order-3")], expected_version=NO_STREAM)
        assert [event.aggregate_id for event in await event_store.read_all()] == ["order-2", "order-3"]

    # ------------------------------------------------------------------ tenants

    async def test_an_event_belongs_to_the_current_tenant(self, event_store: IEventStore) -> None:
        with with_tenant_context("acme"):
            (appended,) = await event_store.append([_event()], expected_version=NO_STREAM)
            (found,) = await event_store.read_stream("Order", "order-1")
        assert (appended.tenant_id, found.tenant_id) == ("acme", "acme")
        (unowned,) = await event_store.append([_event()], expected_version=NO_STREAM)
        assert unowned.tenant_id is None

    async def test_tenants_have_streams_of_their_own(self, event_store: IEventStore) -> None:
        with with_tenant_context("acme"):
            await event_store.append([_event(), _event()], expected_version=NO_STREAM)
        with with_tenant_context("other"):
            await event_store.append([_event()], expected_version=NO_STREAM)
            assert await _versions(event_store) == [1]
            assert await event_store.stream_version("Order", "order-1") == 1
        assert await event_store.stream_version("Order", "order-1") == 0
        with with_tenant_context("acme"):
            assert await _versions(event_store) == [1, 2]

    async def test_an_event_of_another_tenant_is_refused(self, event_store: IEventStore) -> None:
        with with_tenant_context("acme"), pytest.raises(ValueError, match="other"):
            await event_store.append([_event(tenant_id="other")], expected_version=NO_STREAM)
        with pytest.raises(ValueError, match="acme"):
            await event_store.append([_event(tenant_id="acme")], expected_version=NO_STREAM)
        assert list(await event_store.read_all()) == []

    async def test_the_log_is_that_of_all_tenants(self, event_store: IEventStore) -> None:
        for tenant_id in ("acme", "other", "acme"):
            with with_tenant_context(tenant_id):
                await event_store.append([_event()], expected_version=ANY_VERSION)
        await event_store.append([_event()], expected_version=ANY_VERSION)
        with with_tenant_context("third"):
            assert [event.tenant_id for event in await event_store.read_all()] == ["acme", "other", "acme", None]
            assert [event.version for event in await event_store.read_all(tenant_id="acme")] == [1, 2]

    # ------------------------------------------------------------------ the unit of work

    async def test_it_says_that_it_takes_part_in_a_unit_of_work(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        self.check_joins(event_store, uow_factory())

    async def test_an_append_is_there_when_its_unit_of_work_has_committed(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await event_store.append([_event()], expected_version=NO_STREAM)
            seen = await self.meanwhile(_versions(event_store))
            assert list(await event_store.read_all()) == []
        assert await seen == []
        assert await _versions(event_store) == [1]
        assert len(await event_store.read_all()) == 1

    async def test_a_unit_of_work_sees_what_it_has_appended(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await event_store.append([_event()], expected_version=NO_STREAM)
        async with uow_factory():
            await event_store.append([_event()], expected_version=1)
            await event_store.append([_event()], expected_version=2)
            assert await _versions(event_store) == [1, 2, 3]
            assert await event_store.stream_version("Order", "order-1") == 3
            with pytest.raises(OptimisticConcurrencyError):
                await event_store.append([_event()], expected_version=1)
        assert await _versions(event_store) == [1, 2, 3]

    async def test_an_append_is_gone_when_its_unit_of_work_is_rolled_back(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        event = _event()
        async with undone(uow_factory()):
            await event_store.append([event], expected_version=NO_STREAM)
        assert await _versions(event_store) == []
        assert list(await event_store.read_all()) == []
        await event_store.append([event], expected_version=NO_STREAM)
        assert await _versions(event_store) == [1]

    async def test_a_savepoint_takes_back_what_was_appended_in_it(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory() as uow:
            await event_store.append([_event()], expected_version=NO_STREAM)
            async with undone_savepoint(uow):
                await event_store.append([_event(), _event()], expected_version=1)
            assert await event_store.stream_version("Order", "order-1") == 1
            await event_store.append([_event(event_type="OrderConfirmed")], expected_version=1)
        found = await event_store.read_all()
        assert [(event.version, event.event_type) for event in found] == [(1, "OrderPlaced"), (2, "OrderConfirmed")]

    async def test_a_task_of_a_unit_of_work_appends_by_itself(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()):
            await event_store.stream_version("Order", "order-1")
            await (await self.meanwhile(event_store.append([_event()], expected_version=NO_STREAM)))
        assert await _versions(event_store) == [1]

    async def test_a_read_only_unit_of_work_appends_nothing(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await event_store.append([_event()], expected_version=NO_STREAM)
        assert list(await event_store.read_all()) == []

    async def test_an_append_outside_a_unit_of_work_returns_positions(self, event_store: IEventStore) -> None:
        appended = await event_store.append([_event(), _event()], expected_version=NO_STREAM)
        assert list(await event_store.read_all()) == list(appended)
        first, second = map(_position, appended)
        assert 0 < first < second

    async def test_an_append_inside_a_unit_of_work_returns_positions_unless_they_come_with_the_commit(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            appended = await event_store.append([_event(), _event()], expected_version=NO_STREAM)
            read = await event_store.read_stream("Order", "order-1")
        found = await event_store.read_all()
        positions = [event.position for event in found]
        assert [event.position for event in appended] == ([None, None] if self.numbers_at_commit else positions)
        assert list(read) == list(appended)

    # ------------------------------------------------------------------ two at once

    async def test_of_two_units_of_work_that_expect_one_version_one_wins(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await event_store.append([_event()], expected_version=NO_STREAM)

        def compete(event_type: str) -> Callable[[], Any]:
            return lambda: event_store.append([_event(event_type=event_type)], expected_version=1)

        errors = await self.race(uow_factory, compete("OrderConfirmed"), compete("OrderCancelled"))
        (error,) = errors
        assert isinstance(error, OptimisticConcurrencyError)
        assert (error.entity_type, error.entity_id) == ("Order", "order-1")
        assert await _versions(event_store) == [1, 2]
        assert len(await event_store.read_all()) == 2

    async def test_of_two_units_of_work_that_start_one_stream_one_wins(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        def start() -> Any:
            return event_store.append([_event(), _event()], expected_version=NO_STREAM)

        (error,) = await self.race(uow_factory, start, start)
        assert isinstance(error, OptimisticConcurrencyError)
        assert (error.entity_type, error.entity_id) == ("Order", "order-1")
        assert await _versions(event_store) == [1, 2]

    async def test_of_two_units_of_work_that_give_one_version_one_wins(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        def append() -> Any:
            return event_store.append([_event(version=3)], expected_version=ANY_VERSION)

        (error,) = await self.race(uow_factory, append, append)
        assert isinstance(error, OptimisticConcurrencyError)
        assert await _versions(event_store) == [3]

    async def test_units_of_work_that_accept_any_version_never_share_one(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        def append() -> Any:
            return event_store.append([_event()], expected_version=ANY_VERSION)

        errors = await self.race(uow_factory, append, append)
        assert all(isinstance(error, OptimisticConcurrencyError) for error in errors)
        assert await _versions(event_store) == list(range(1, 3 - len(errors)))

    async def test_units_of_work_on_different_streams_do_not_disturb_each_other(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        def append(aggregate_id: str) -> Callable[[], Any]:
            return lambda: event_store.append([_event(aggregate_id)], expected_version=NO_STREAM)

        assert await self.race(uow_factory, append("order-1"), append("order-2")) == []
        assert {event.aggregate_id for event in await event_store.read_all()} == {"order-1", "order-2"}

    async def test_of_two_units_of_work_with_one_event_id_one_wins(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        def append(aggregate_id: str) -> Callable[[], Any]:
            event = _event(aggregate_id, event_id="the-same")
            return lambda: event_store.append([event], expected_version=NO_STREAM)

        (error,) = await self.race(uow_factory, append("order-1"), append("order-2"))
        assert isinstance(error, EventStoreError | ConcurrencyError)
        assert [event.event_id for event in await event_store.read_all()] == ["the-same"]

    async def test_writers_that_try_again_all_get_through(self, event_store: IEventStore) -> None:
        async def write(event_id: str) -> None:
            while True:
                version = await event_store.stream_version("Order", "order-1")
                await asyncio.sleep(0)
                try:
                    await event_store.append([_event(event_id=event_id)], expected_version=version)
                except OptimisticConcurrencyError:
                    continue
                return

        ids = [f"event-{number}" for number in range(12)]
        await asyncio.gather(*map(write, ids))
        found = await event_store.read_stream("Order", "order-1")
        assert [event.version for event in found] == list(range(1, 13))
        assert {event.event_id for event in found} == set(ids)

    # ------------------------------------------------------------------ the log

    async def test_an_empty_log_has_nothing_to_read(self, event_store: IEventStore) -> None:
        assert list(await event_store.read_all()) == []
        assert await event_store.latest_position() == 0

    async def test_the_log_is_read_in_order_behind_a_position(self, event_store: IEventStore) -> None:
        for number in range(5):
            await event_store.append([_event(f"order-{number % 2}")], expected_version=ANY_VERSION)
        everything = await event_store.read_all()
        positions = [_position(event) for event in everything]
        assert positions == sorted(set(positions))
        assert positions[0] > 0
        assert [event.aggregate_id for event in everything] == ["order-0", "order-1", "order-0", "order-1", "order-0"]
        for read, position in enumerate(positions, start=1):
            assert list(await event_store.read_all(position)) == list(everything[read:])
        assert await event_store.latest_position() == positions[-1]

    async def test_a_reader_gets_as_many_as_it_asked_for(self, event_store: IEventStore) -> None:
        await _append_streams(event_store, 7)
        everything = await event_store.read_all()
        assert list(await event_store.read_all(limit=3)) == list(everything[:3])
        assert list(await event_store.read_all(_position(everything[2]), limit=3)) == list(everything[3:6])
        assert list(await event_store.read_all(_position(everything[5]), limit=3)) == list(everything[6:])

    async def test_a_limit_below_one_is_refused(self, event_store: IEventStore) -> None:
        with pytest.raises(ValueError, match="limit"):
            await event_store.read_all(limit=0)
        with pytest.raises(ValueError, match="limit"):
            await event_store.read_stream("Order", "order-1", limit=0)

    async def test_the_log_can_be_read_for_some_types_only(self, event_store: IEventStore) -> None:
        types = ["OrderPlaced", "OrderPaid", "OrderShipped", "OrderPaid", "OrderPlaced", "OrderPaid"]
        for event_type in types:
            await event_store.append([_event(event_type=event_type)], expected_version=ANY_VERSION)
        paid = await event_store.read_all(event_types=["OrderPaid"])
        assert [event.version for event in paid] == [2, 4, 6]
        several = await event_store.read_all(event_types=iter(["OrderShipped", "OrderPlaced"]))
        assert [event.version for event in several] == [1, 3, 5]
        assert list(await event_store.read_all(event_types=["Unknown"])) == []
        assert list(await event_store.read_all(event_types=[])) == []

    async def test_what_is_left_out_does_not_count(self, event_store: IEventStore) -> None:
        for number in range(9):
            with with_tenant_context("acme" if number % 3 == 2 else "other"):
                event = _event(event_type="Rare" if number % 3 == 2 else "Frequent")
                await event_store.append([event], expected_version=ANY_VERSION)
        rare = await event_store.read_all(limit=2, event_types=["Rare"])
        assert [event.version for event in rare] == [1, 2]
        rest = await event_store.read_all(_position(rare[-1]), limit=2, event_types=["Rare"], tenant_id="acme")
        assert [event.version for event in rest] == [3]

    async def test_an_event_whose_transaction_commits_late_is_not_passed_by(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await event_store.append([_event("early")], expected_version=NO_STREAM)
            other = await self.meanwhile(event_store.append([_event("late")], expected_version=NO_STREAM))
            read = [*await event_store.read_all()]
        await other
        after = _position(read[-1]) if read else 0
        read += await event_store.read_all(after)
        assert sorted(event.aggregate_id for event in read) == ["early", "late"]
        positions = [_position(event) for event in read]
        assert positions == sorted(set(positions))
        if self.numbers_at_commit:
            assert [event.aggregate_id for event in read] == ["late", "early"]

    async def test_an_append_that_was_rolled_back_does_not_stop_readers(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await event_store.append([_event("order-1")], expected_version=NO_STREAM)
        async with undone(uow_factory()):
            await event_store.append([_event("order-2")], expected_version=NO_STREAM)
        await event_store.append([_event("order-3")], expected_version=NO_STREAM)
        assert [event.aggregate_id for event in await _read_everything(event_store)] == ["order-1", "order-3"]

    async def test_a_long_transaction_that_only_reads_does_not_hold_readers_back(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async def append_and_read() -> Sequence[StoredEvent]:
            await event_store.append([_event("order-2")], expected_version=NO_STREAM)
            return await event_store.read_all()

        await event_store.append([_event("order-1")], expected_version=NO_STREAM)
        async with uow_factory():
            await event_store.read_stream("Order", "order-1")
            async with asyncio.timeout(_LIMIT):
                read = await asyncio.create_task(append_and_read())
        assert [event.aggregate_id for event in read] == ["order-1", "order-2"]

    async def test_a_reader_beside_many_writers_meets_each_event_once_and_in_order(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        pauses = random.Random(20260101)
        committed: set[str] = set()

        async def write(stream: str) -> None:
            for number in range(8):
                event = _event(stream)
                changes_its_mind = number % 4 == 3
                async with undone(uow_factory()) if changes_its_mind else uow_factory():
                    await event_store.append([event], expected_version=ANY_VERSION)
                    for _ in range(pauses.randrange(6)):
                        await asyncio.sleep(0)
                if not changes_its_mind:
                    committed.add(event.event_id)

        writers = [asyncio.create_task(write(f"order-{number}")) for number in range(6)]
        read: list[StoredEvent] = []
        while not all(writer.done() for writer in writers):
            read += await event_store.read_all(_position(read[-1]) if read else 0, limit=3)
            await asyncio.sleep(0)
        await asyncio.gather(*writers)
        read += await _read_everything(event_store, _position(read[-1]) if read else 0)
        assert len(committed) == 36
        assert sorted(event.event_id for event in read) == sorted(committed)
        positions = [_position(event) for event in read]
        assert positions == sorted(set(positions))
        assert await event_store.latest_position() >= positions[-1]
        for stream in {event.aggregate_id for event in read}:
            assert [event.version for event in read if event.aggregate_id == stream] == list(range(1, 7))

    # ------------------------------------------------------------------ subscriptions

    async def test_a_subscription_gives_what_is_there_and_then_what_comes(self, event_store: IEventStore) -> None:
        await _append_streams(event_store, 3)
        async with _subscribed(event_store.subscribe()) as subscriber:
            await subscriber.wait_for(3)
            await event_store.append([_event("new")], expected_version=NO_STREAM)
            await subscriber.wait_for(4)
            await event_store.append([_event("new")], expected_version=1)
            await subscriber.wait_for(5)
            assert subscriber.events == await _read_everything(event_store)
            assert all(subscriber.batches)

    async def test_a_subscription_begins_behind_a_position(self, event_store: IEventStore) -> None:
        await _append_streams(event_store, 3)
        everything = await _read_everything(event_store)
        async with _subscribed(event_store.subscribe(_position(everything[1]))) as subscriber:
            await subscriber.wait_for(1)
            assert subscriber.events == everything[2:]

    async def test_a_subscription_gives_batches_of_the_size_that_was_asked_for(self, event_store: IEventStore) -> None:
        await _append_streams(event_store, 7)
        async with _subscribed(event_store.subscribe(batch_size=3)) as subscriber:
            await subscriber.wait_for(7)
            assert max(len(batch) for batch in subscriber.batches) <= 3
            assert subscriber.events == await _read_everything(event_store)

    async def test_a_subscription_to_some_types_passes_the_others_by(self, event_store: IEventStore) -> None:
        async with _subscribed(event_store.subscribe(batch_size=2, event_types=["Rare"])) as subscriber:
            for number in range(9):
                event = _event(event_type="Rare" if number % 4 == 3 else "Frequent")
                await event_store.append([event], expected_version=ANY_VERSION)
            await subscriber.wait_for(2)
            assert [event.version for event in subscriber.events] == [4, 8]

    async def test_a_subscription_tells_of_commits_and_not_of_rollbacks(
        self, event_store: IEventStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with _subscribed(event_store.subscribe()) as subscriber:
            async with undone(uow_factory()):
                await event_store.append([_event("undone")], expected_version=NO_STREAM)
            async with uow_factory():
                await event_store.append([_event("done")], expected_version=NO_STREAM)
                await asyncio.sleep(0)
                assert subscriber.events == []
            await subscriber.wait_for(1)
            assert [event.aggregate_id for event in subscriber.events] == ["done"]

    async def test_subscriptions_do_not_take_events_from_each_other(self, event_store: IEventStore) -> None:
        async with _subscribed(event_store.subscribe()) as one, _subscribed(event_store.subscribe()) as other:
            await _append_streams(event_store, 4)
            await one.wait_for(4)
            await other.wait_for(4)
            assert one.events == other.events

    # ------------------------------------------------------------------ upcasters

    async def test_readers_get_events_as_upcasters_make_them(
        self, open_event_store: Callable[[IUpcasterRegistry | None], IEventStore]
    ) -> None:
        plain, upcasting = open_event_store(None), open_event_store(_Upcasters({"OrderPlaced": _to_version_two}))
        (stored,) = await plain.append([_event(payload={"cust": "ada"})], expected_version=NO_STREAM)
        changed = replace(stored, payload={"customer": "ada"}, schema_version=2)
        assert list(await upcasting.read_stream("Order", "order-1")) == [changed]
        assert list(await upcasting.read_all()) == [changed]
        async with _subscribed(upcasting.subscribe()) as subscriber:
            await subscriber.wait_for(1)
            assert subscriber.events == [changed]
        assert list(await plain.read_all()) == [stored]

    async def test_an_append_returns_and_stores_what_it_was_given_whatever_the_upcasters(
        self, open_event_store: Callable[[IUpcasterRegistry | None], IEventStore]
    ) -> None:
        upcasting = open_event_store(_Upcasters({"OrderPlaced": _to_version_two}))
        (appended,) = await upcasting.append([_event(payload={"cust": "ada"})], expected_version=NO_STREAM)
        assert appended.payload == {"cust": "ada"}
        assert list(await open_event_store(None).read_all()) == [appended]

    async def test_the_parts_of_a_split_event_stay_together(
        self, open_event_store: Callable[[IUpcasterRegistry | None], IEventStore]
    ) -> None:
        store = open_event_store(_Upcasters({"OrderPlaced": _split}))
        await store.append([_event(), _event(event_type="OrderPaid"), _event()], expected_version=NO_STREAM)
        read = await store.read_stream("Order", "order-1")
        assert [(event.event_type, event.version) for event in read] == [
            ("OrderOpened", 1),
            ("OrderPriced", 1),
            ("OrderPaid", 2),
            ("OrderOpened", 3),
            ("OrderPriced", 3),
        ]
        for limit in (1, 2, 3, 4):
            paged = await _read_everything(store, limit=limit)
            assert [(event.event_type, event.version) for event in paged] == [
                (event.event_type, event.version) for event in read
            ]
            assert len(await store.read_stream("Order", "order-1", limit=limit)) <= max(limit, 2)
            assert len(await store.read_all(limit=limit)) <= max(limit, 2)

    async def test_events_that_upcasters_drop_do_not_end_the_log(
        self, open_event_store: Callable[[IUpcasterRegistry | None], IEventStore]
    ) -> None:
        store = open_event_store(_Upcasters({"Noise": _drop}))
        for event_type in ["Noise"] * 5 + ["OrderPlaced"] + ["Noise"] * 3:
            await store.append([_event(event_type=event_type)], expected_version=ANY_VERSION)
        assert [event.version for event in await store.read_all(limit=1)] == [6]
        assert [event.version for event in await store.read_stream("Order", "order-1", limit=1)] == [6]
        async with _subscribed(store.subscribe(batch_size=1)) as subscriber:
            await subscriber.wait_for(1)
            assert [event.version for event in subscriber.events] == [6]

    async def test_types_are_asked_for_by_their_names_of_today(
        self, open_event_store: Callable[[IUpcasterRegistry | None], IEventStore]
    ) -> None:
        store = open_event_store(_Upcasters({"OrderPlaced": _split}))
        await store.append([_event(), _event(event_type="OrderPaid")], expected_version=NO_STREAM)
        priced = await store.read_all(event_types=["OrderPriced"])
        assert [event.event_type for event in priced] == ["OrderPriced"]
        assert list(await store.read_all(event_types=["OrderPlaced"])) == []

    async def test_an_upcaster_that_fails_stops_the_reader_at_the_event(
        self, open_event_store: Callable[[IUpcasterRegistry | None], IEventStore]
    ) -> None:
        store = open_event_store(_Upcasters({"Broken": _fail}))
        await store.append([_event(), _event(event_type="Broken"), _event()], expected_version=NO_STREAM)
        with pytest.raises(SerializationError):
            await store.read_stream("Order", "order-1")
        with pytest.raises(SerializationError):
            await store.read_all()
        with pytest.raises(SerializationError):
            async for _ in store.subscribe():
                pass

    # ------------------------------------------------------------------ data

    async def test_every_json_value_comes_back_as_it_was(self, event_store: IEventStore) -> None:
        event = _event(payload=EVERY_JSON_VALUE, metadata=EVERY_JSON_VALUE)
        await event_store.append([event], expected_version=NO_STREAM)
        (found,) = await event_store.read_stream("Order", "order-1")
        assert found.payload == EVERY_JSON_VALUE
        assert found.metadata == EVERY_JSON_VALUE
        assert found.payload["true"] is True

    async def test_an_empty_payload_comes_back_empty(self, event_store: IEventStore) -> None:
        await event_store.append([_event(payload={})], expected_version=NO_STREAM)
        (found,) = await event_store.read_stream("Order", "order-1")
        assert found.payload == {}
        assert found.metadata == {}

    async def test_a_payload_of_a_million_characters_is_kept(self, event_store: IEventStore) -> None:
        text = "0123456789" * 100_000
        await event_store.append([_event(payload={"text": text})], expected_version=NO_STREAM)
        (found,) = await event_store.read_all()
        assert found.payload == {"text": text}

    async def test_names_in_any_script_are_kept(self, event_store: IEventStore) -> None:
        names: dict[str, Any] = {
            "event_type": "Bestellung✓",
            "aggregate_type": "Заказ",
            "aggregate_id": "注文/№ 1 'x' \"y\" %_",
        }
        event = StoredEvent(payload={}, **names)
        await event_store.append([event], expected_version=NO_STREAM)
        (found,) = await event_store.read_stream(names["aggregate_type"], names["aggregate_id"])
        assert found.event_type == names["event_type"]

    @pytest.mark.parametrize("value", NO_JSON_VALUES)
    async def test_a_value_that_json_does_not_have_is_refused(self, event_store: IEventStore, value: Any) -> None:
        broken = {"list": [{"inner": value}]}
        for event in (_event(payload=broken), _event(metadata=broken)):
            with pytest.raises(SerializationError, match="OrderPlaced"):
                await event_store.append([_event(), event], expected_version=NO_STREAM)
        assert await _versions(event_store) == []

    async def test_what_is_stored_cannot_be_changed_from_outside(self, event_store: IEventStore) -> None:
        payload, metadata = {"items": [{"sku": "a"}]}, {"tags": ["web"]}
        given = _event(payload=payload, metadata=metadata)
        (appended,) = await event_store.append([given], expected_version=NO_STREAM)
        for event in (given, appended, *await event_store.read_stream("Order", "order-1")):
            event.payload["items"][0]["sku"] = "changed"
            event.metadata["tags"].append("changed")
        for event in (*await event_store.read_stream("Order", "order-1"), *await event_store.read_all()):
            assert event.payload == {"items": [{"sku": "a"}]}
            assert event.metadata == {"tags": ["web"]}

    async def test_a_time_of_another_zone_comes_back_as_the_same_moment_in_utc(self, event_store: IEventStore) -> None:
        tokyo = datetime(2026, 1, 1, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=9)))
        await event_store.append([_event(occurred_at=tokyo)], expected_version=NO_STREAM)
        (found,) = await event_store.read_stream("Order", "order-1")
        assert found.occurred_at == tokyo
        assert found.occurred_at.utcoffset() == timedelta(0)

    async def test_a_time_without_a_zone_is_refused(self, event_store: IEventStore) -> None:
        naive = datetime(2026, 1, 1)  # noqa: DTZ001 - that is the mistake
        with pytest.raises(ValueError, match="time zone"):
            await event_store.append([_event(occurred_at=naive)], expected_version=NO_STREAM)


def _event(aggregate_id: str = "order-1", **fields: Any) -> StoredEvent:
    defaults: dict[str, Any] = {"event_type": "OrderPlaced", "aggregate_type": "Order", "payload": {"total": "1.00"}}
    return StoredEvent(aggregate_id=aggregate_id, **{**defaults, **fields})


def _position(event: StoredEvent) -> int:
    assert event.position is not None
    return event.position


async def _versions(store: IEventStore, aggregate_id: str = "order-1") -> list[int]:
    return [event.version for event in await store.read_stream("Order", aggregate_id)]


async def _append_streams(store: IEventStore, number: int) -> None:
    for index in range(number):
        await store.append([_event(f"stream-{index}")], expected_version=NO_STREAM)


async def _read_everything(store: IEventStore, after_position: int = 0, *, limit: int = 1000) -> list[StoredEvent]:
    read: list[StoredEvent] = []
    while batch := await store.read_all(after_position, limit=limit):
        read += batch
        after_position = _position(batch[-1])
    return read


class _Subscriber:
    """What one subscription has given so far."""

    def __init__(self, subscription: AsyncIterator[Sequence[StoredEvent]]) -> None:
        self.batches: list[Sequence[StoredEvent]] = []
        self._subscription = subscription
        self._arrived = asyncio.Event()

    @property
    def events(self) -> list[StoredEvent]:
        return [event for batch in self.batches for event in batch]

    async def run(self) -> None:
        async for batch in self._subscription:
            self.batches.append(batch)
            self._arrived.set()

    async def wait_for(self, number: int) -> None:
        async with asyncio.timeout(_LIMIT):
            while len(self.events) < number:
                self._arrived.clear()
                await self._arrived.wait()


@asynccontextmanager
async def _subscribed(subscription: AsyncIterator[Sequence[StoredEvent]]) -> AsyncGenerator[_Subscriber]:
    subscriber = _Subscriber(subscription)
    task = asyncio.create_task(subscriber.run(), name="subscriber")
    try:
        yield subscriber
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled(), "a subscription ends by cancelling only"


class _Upcasters:
    """Upcasters as functions, by the type that is stored."""

    def __init__(self, functions: dict[str, Callable[[StoredEvent], Sequence[StoredEvent]]]) -> None:
        self._functions = functions

    def upcast(self, event: StoredEvent, /) -> Sequence[StoredEvent]:
        function = self._functions.get(event.event_type)
        return (event,) if function is None else function(event)


def _to_version_two(event: StoredEvent) -> Sequence[StoredEvent]:
    return [replace(event, payload={"customer": event.payload["cust"]}, schema_version=2)]


def _split(event: StoredEvent) -> Sequence[StoredEvent]:
    return [replace(event, event_type="OrderOpened"), replace(event, event_type="OrderPriced")]


def _drop(_event: StoredEvent) -> Sequence[StoredEvent]:
    return []


def _fail(event: StoredEvent) -> Sequence[StoredEvent]:
    raise SerializationError(f"The upcaster of {event.event_type} failed.")
