"""An event store against a model of it: streams, expected versions, open transactions, and one reader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import ClassVar, Literal, override

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.event_store import ANY_VERSION, NO_STREAM, IEventStore, StoredEvent
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import EventStoreError, OptimisticConcurrencyError
from cqrs_ddd_core.testing.adapter_contract import undone_savepoint
from cqrs_ddd_core.testing.stateful.async_machine import AsyncStateMachine
from cqrs_ddd_core.testing.stateful.open_unit_of_work import OpenUnitOfWork

__all__ = ["EventStoreMachine"]

type _Stream = tuple[str | None, str]
"""Tenant and aggregate id."""
type _Fact = tuple[int, str]
"""Version and event id."""

_SLOTS = st.integers(0, 2)
_STREAMS = st.tuples(st.sampled_from([None, "acme"]), st.sampled_from(["a", "b"]))
_STEPS = st.lists(st.integers(0, 2), min_size=1, max_size=3)
"""For each event: 0 lets the store give the version, else the distance to the one before."""
_EXPECTATIONS = st.sampled_from(["right", "right", "right", "any", "none", "too high", "too low"])


@dataclass
class _Open:
    """An open unit of work, and what the model knows of it."""

    uow: OpenUnitOfWork
    at_start: dict[_Stream, int]
    """The versions of all streams when it was opened."""
    base: dict[_Stream, int | None] = field(default_factory=dict[_Stream, int | None])
    """The committed version that it saw of each stream when it first appended to it; None where that is not known."""
    demanding: set[_Stream] = field(default_factory=set[_Stream])
    """Where it expected a certain version."""
    appended: list[tuple[_Stream, _Fact]] = field(default_factory=list[tuple[_Stream, _Fact]])


class EventStoreMachine(AsyncStateMachine):
    """Derive from it, give ``open_event_store``, and let pytest find ``YourMachine.TestCase``."""

    numbers_at_commit: ClassVar[bool] = False
    """As in ``EventStoreContract``. Then the reader must also meet the events in the order of the commits."""
    interleaving: ClassVar[Literal["none", "streams", "all"]] = "none"
    """Which writers can work at the same time without waiting for each other: none, those of different streams, all."""
    reads_committed: ClassVar[bool] = True
    """A unit of work sees what others commit meanwhile. False for stores that show the state of its beginning."""

    store: IEventStore
    uow_factory: Callable[[], UnitOfWork]

    async def open_event_store(self) -> tuple[IEventStore, Callable[[], UnitOfWork]]:
        """An empty event store, and what makes units of work on its database."""
        raise NotImplementedError("open_event_store() gives the store and a factory of units of work")

    @override
    async def open(self) -> None:
        self.store, self.uow_factory = await self.open_event_store()
        self.committed: dict[_Stream, list[_Fact]] = {}
        self.log: list[str] = []
        """Event ids in the order of the commits."""
        self.units: dict[int, _Open] = {}
        self.read: list[StoredEvent] = []
        self.events_made = 0

    # ------------------------------------------------------------------ the model

    def _version(self, stream: _Stream) -> int:
        facts = self.committed.get(stream)
        return facts[-1][0] if facts else 0

    def _visible(self, stream: _Stream, unit: _Open | None) -> list[_Fact]:
        own = [] if unit is None else [fact for appended, fact in unit.appended if appended == stream]
        return [*self.committed.get(stream, []), *own]

    def _is_certain(self, stream: _Stream, unit: _Open | None) -> bool:
        """Whether the model knows what the store shows of this stream to this unit of work."""
        if unit is None:
            return True
        if stream in unit.base:
            return unit.base[stream] == self._version(stream)
        return self.reads_committed or unit.at_start.get(stream, 0) == self._version(stream)

    def _may_write(self, stream: _Stream, unit: _Open | None) -> bool:
        others = [other for other in self.units.values() if other is not unit]
        match self.interleaving:
            case "all":
                return True
            case "streams":
                return all(stream not in other.base for other in others)
            case "none":
                return not any(other.base for other in others)

    def _events(self, stream: _Stream, last: int, steps: Sequence[int]) -> tuple[list[StoredEvent], list[_Fact]]:
        events: list[StoredEvent] = []
        facts: list[_Fact] = []
        for step in steps:
            self.events_made += 1
            last += step or 1
            event_id = f"event-{self.events_made}"
            events.append(
                StoredEvent(
                    event_type="Happened",
                    aggregate_type="Thing",
                    aggregate_id=stream[1],
                    payload={"number": self.events_made},
                    version=last if step else 0,
                    event_id=event_id,
                )
            )
            facts.append((last, event_id))
        return events, facts

    # ------------------------------------------------------------------ rules

    @precondition(lambda self: len(self.units) < 3)
    @rule(slot=_SLOTS)
    def begin(self, slot: int) -> None:
        """Open a unit of work."""
        if slot not in self.units:
            uow = self.run(OpenUnitOfWork.begin(self.uow_factory()))
            self.units[slot] = _Open(uow, {stream: self._version(stream) for stream in self.committed})

    @rule(slot=st.none() | _SLOTS, stream=_STREAMS, steps=_STEPS, expectation=_EXPECTATIONS)
    def append(self, slot: int | None, stream: _Stream, steps: list[int], expectation: str) -> None:
        """Append in an open unit of work, or without one."""
        unit = None if slot is None else self.units.get(slot)
        if not self._may_write(stream, unit):
            return
        visible = self._visible(stream, unit)
        last = visible[-1][0] if visible else 0
        expected = {"right": last, "any": ANY_VERSION, "none": NO_STREAM, "too high": last + 1, "too low": last - 1}
        expected_version = max(expected[expectation], ANY_VERSION)
        events, facts = self._events(stream, last, steps)
        certain = self._is_certain(stream, unit)
        answer = self.run(_outcome(self._append(unit, stream, events, expected_version)))
        if isinstance(answer, OptimisticConcurrencyError):
            assert not certain or expected_version not in {ANY_VERSION, last}
            assert (answer.entity_type, answer.entity_id) == ("Thing", stream[1])
            return
        assert not isinstance(answer, EventStoreError)
        if certain:
            assert expected_version in {ANY_VERSION, last}
            assert [(event.version, event.event_id) for event in answer] == facts
        appended = [(stream, (event.version, event.event_id)) for event in answer]
        if unit is None:
            self._commit(appended)
        else:
            unit.base.setdefault(stream, self._version(stream) if certain else None)
            unit.appended += appended
            if expected_version != ANY_VERSION:
                unit.demanding.add(stream)

    @rule(slot=_SLOTS, stream=_STREAMS, steps=_STEPS)
    def append_and_go_back_to_a_savepoint(self, slot: int, stream: _Stream, steps: list[int]) -> None:
        """Nothing of it is left."""
        unit = self.units.get(slot)
        if unit is None or not self._may_write(stream, unit) or not self._is_certain(stream, unit):
            return
        visible = self._visible(stream, unit)
        last = visible[-1][0] if visible else 0
        events, _ = self._events(stream, last, steps)

        async def append(uow: UnitOfWork) -> None:
            async with undone_savepoint(uow):
                with _in_tenant(stream[0]):
                    await self.store.append(events, expected_version=last)

        self.run(unit.uow.do(append))

    @precondition(lambda self: self.log)
    @rule(slot=st.none() | _SLOTS, stream=_STREAMS, number=st.integers(0, 1000))
    def append_an_event_again(self, slot: int | None, stream: _Stream, number: int) -> None:
        """An id that is stored already is refused."""
        unit = None if slot is None else self.units.get(slot)
        # A store that shows an old state may notice this at the commit only.
        if not self._may_write(stream, unit) or not (unit is None or self.reads_committed):
            return
        ((event,), _) = self._events(stream, 0, [0])
        again = [_with_id(event, self.log[number % len(self.log)])]
        answer = self.run(_outcome(self._append(unit, stream, again, ANY_VERSION)))
        assert isinstance(answer, EventStoreError), "an event id was stored twice"

    @rule(slot=st.none() | _SLOTS, stream=_STREAMS, back=st.integers(0, 3))
    def append_an_old_version(self, slot: int | None, stream: _Stream, back: int) -> None:
        """A version that is not behind the last one is refused, whatever was expected."""
        unit = None if slot is None else self.units.get(slot)
        visible = self._visible(stream, unit)
        if not visible or not self._may_write(stream, unit) or not self._is_certain(stream, unit):
            return
        ((event,), _) = self._events(stream, max(0, visible[-1][0] - back - 1), [1])
        answer = self.run(_outcome(self._append(unit, stream, [event], ANY_VERSION)))
        assert isinstance(answer, OptimisticConcurrencyError)

    @precondition(lambda self: self.units)
    @rule(slot=_SLOTS)
    def commit(self, slot: int) -> None:
        """All or nothing; and nothing if another one was first on any of its streams."""
        unit = self.units.pop(slot, None)
        if unit is None:
            return
        unknown = {stream for stream, base in unit.base.items() if base is None}
        lost = {stream for stream, base in unit.base.items() if base != self._version(stream)} - unknown
        answer = self.run(_outcome(unit.uow.commit()))
        if isinstance(answer, OptimisticConcurrencyError):
            assert answer.entity_id in {stream[1] for stream in lost | unknown}
            return
        assert answer is None
        # Who accepts any version has lost nothing as long as its own are behind those of the others.
        assert not lost & unit.demanding
        for stream, (version, _) in unit.appended:
            assert version > self._version(stream)
        self._commit(unit.appended)

    @precondition(lambda self: self.units)
    @rule(slot=_SLOTS)
    def roll_back(self, slot: int) -> None:
        unit = self.units.pop(slot, None)
        if unit is not None:
            self.run(unit.uow.rollback())

    @rule(
        slot=st.none() | _SLOTS,
        stream=_STREAMS,
        after=st.integers(0, 6),
        up_to=st.none() | st.integers(0, 8),
        limit=st.none() | st.integers(1, 4),
    )
    def read_a_stream(
        self, slot: int | None, stream: _Stream, after: int, up_to: int | None, limit: int | None
    ) -> None:
        """The facts of the stream that are visible here, and no others."""
        unit = None if slot is None else self.units.get(slot)
        if not self._is_certain(stream, unit):
            return

        async def read(_: UnitOfWork | None) -> tuple[Sequence[StoredEvent], int]:
            with _in_tenant(stream[0]):
                part = await self.store.read_stream(
                    "Thing", stream[1], after_version=after, up_to_version=up_to, limit=limit
                )
                return part, await self.store.stream_version("Thing", stream[1])

        found, version = self.run(self._inside(unit, read))
        visible = self._visible(stream, unit)
        assert version == (visible[-1][0] if visible else 0)
        wanted = [fact for fact in visible if fact[0] > after and (up_to is None or fact[0] <= up_to)]
        assert [(event.version, event.event_id) for event in found] == wanted[:limit]
        assert all(event.tenant_id == stream[0] for event in found)

    @rule(limit=st.integers(1, 5))
    def read_on(self, limit: int) -> None:
        """The one reader goes on from where it is."""
        self.run(self._read_on(limit))

    @invariant()
    def the_reader_has_met_only_what_was_committed(self) -> None:
        """Each event once, in order of position."""
        ids = [event.event_id for event in self.read]
        positions = [event.position or 0 for event in self.read]
        assert positions == sorted(set(positions))
        assert len(ids) == len(set(ids))
        if self.numbers_at_commit:
            assert ids == self.log[: len(ids)]
        else:
            assert set(ids) <= set(self.log)

    @override
    async def close(self) -> None:
        for unit in self.units.values():
            await unit.uow.rollback()
        while await self._read_on(100):
            pass
        assert sorted(event.event_id for event in self.read) == sorted(self.log), "the reader has missed something"
        for stream, facts in self.committed.items():
            of_stream = [event for event in self.read if (event.tenant_id, event.aggregate_id) == stream]
            assert [(event.version, event.event_id) for event in of_stream] == facts
        assert await self.store.latest_position() >= max((event.position or 0 for event in self.read), default=0)

    # ------------------------------------------------------------------ helpers

    def _commit(self, appended: Sequence[tuple[_Stream, _Fact]]) -> None:
        for stream, fact in appended:
            self.committed.setdefault(stream, []).append(fact)
            self.log.append(fact[1])

    async def _append(
        self, unit: _Open | None, stream: _Stream, events: Sequence[StoredEvent], expected_version: int
    ) -> Sequence[StoredEvent]:
        async def append(_: UnitOfWork | None) -> Sequence[StoredEvent]:
            with _in_tenant(stream[0]):
                return await self.store.append(events, expected_version=expected_version)

        return await self._inside(unit, append)

    async def _inside[R](self, unit: _Open | None, step: Callable[[UnitOfWork | None], Awaitable[R]]) -> R:
        return await (step(None) if unit is None else unit.uow.do(step))

    async def _read_on(self, limit: int) -> int:
        position = self.read[-1].position or 0 if self.read else 0
        batch = await self.store.read_all(position, limit=limit)
        assert len(batch) <= limit
        if self.numbers_at_commit:
            assert len(batch) == min(limit, len(self.log) - len(self.read))
        self.read += batch
        return len(batch)


async def _outcome[R](work: Awaitable[R]) -> R | OptimisticConcurrencyError | EventStoreError:
    try:
        return await work
    except (OptimisticConcurrencyError, EventStoreError) as error:
        return error


def _in_tenant(tenant_id: str | None) -> AbstractContextManager[object]:
    return nullcontext() if tenant_id is None else with_tenant_context(tenant_id)


def _with_id(event: StoredEvent, event_id: str) -> StoredEvent:
    return StoredEvent(
        event_type=event.event_type,
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        payload=event.payload,
        event_id=event_id,
    )
