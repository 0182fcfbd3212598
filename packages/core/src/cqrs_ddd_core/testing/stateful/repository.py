"""Repositories and units of work against a model of them: commits, rollbacks, savepoints, and writers that collide."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, override

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import EntityNotFoundError, OptimisticConcurrencyError, UnitOfWorkError
from cqrs_ddd_core.testing.adapter_contract import undone, undone_savepoint
from cqrs_ddd_core.testing.repository_sample import FerryBooking, FerryFieldIs
from cqrs_ddd_core.testing.stateful.async_machine import AsyncStateMachine

__all__ = ["RepositoryMachine"]

_KEYS = st.tuples(st.sampled_from([None, "acme"]), st.sampled_from(["a", "b", "c"]))
"""Tenant and id: few, so that writers meet."""
_NAMES = st.sampled_from(["Ada", "Grace", "Mary"])

type _Key = tuple[str | None, str]


@dataclass(frozen=True)
class _Row:
    """What is stored of one aggregate."""

    passenger: str
    labels: frozenset[str]
    version: int


@dataclass
class _Object:
    """An aggregate as one unit of work has it."""

    booking: FerryBooking
    stored: int
    """The version it was loaded with; 0 for a new one."""
    passenger: str
    labels: set[str]
    version: int
    events: int = 0
    is_added: bool = False

    def row(self) -> _Row | None:
        """What a commit writes; None when nothing is written."""
        if not self.is_added and self.version == self.stored:
            return None
        return _Row(self.passenger, frozenset(self.labels), max(self.version, self.stored + 1))


@dataclass
class _Open:
    """One unit of work, and what the model knows of it."""

    uow: UnitOfWork
    objects: dict[_Key, _Object] = field(default_factory=dict[_Key, _Object])
    removed: dict[_Key, int] = field(default_factory=dict[_Key, int])
    """What was removed of what is stored, by version."""


class RepositoryMachine(AsyncStateMachine):
    """Derive from it, give ``open_unit_of_work``, and let pytest find ``YourMachine.TestCase``.

    A script of the machine is one unit of work after another; between its steps, others commit changes to the same
    aggregates. What is stored at the end of each has to be what the model says.
    """

    has_savepoints: ClassVar[bool] = True

    uow_factory: Callable[[], UnitOfWork]

    async def open_unit_of_work(self) -> Callable[[], UnitOfWork]:
        """What makes units of work on a database without any ``FerryBooking``."""
        raise NotImplementedError("open_unit_of_work() gives a factory of units of work")

    @override
    async def open(self) -> None:
        self.uow_factory = await self.open_unit_of_work()
        self.rows: dict[_Key, _Row] = {}
        self.labels = 0

    # ------------------------------------------------------------------ one unit of work, whole

    @rule(
        steps=st.lists(
            st.tuples(st.sampled_from(["load", "add", "rename", "label", "save", "delete", "search"]), _KEYS, _NAMES),
            max_size=8,
        ),
        part=st.lists(
            st.tuples(st.sampled_from(["add", "rename", "label", "save", "delete", "search"]), _KEYS, _NAMES),
            max_size=5,
        ),
        part_fails=st.booleans(),
        flushes=st.booleans(),
        rival=st.none() | st.tuples(st.sampled_from(["add", "rename", "delete"]), _KEYS, _NAMES),
        commits=st.booleans(),
    )
    def work(  # noqa: PLR0917 - drawn
        self,
        steps: list[tuple[str, _Key, str]],
        part: list[tuple[str, _Key, str]],
        part_fails: bool,  # noqa: FBT001 - drawn
        flushes: bool,  # noqa: FBT001 - drawn
        rival: tuple[str, _Key, str] | None,
        commits: bool,  # noqa: FBT001 - drawn
    ) -> None:
        """Steps, then a part that may fail alone, then the end; a rival may come in between."""
        self.run(self._work(steps, part if self.has_savepoints else [], part_fails, flushes, rival, commits))

    async def _work(  # noqa: PLR0917 - drawn
        self,
        steps: list[tuple[str, _Key, str]],
        part: list[tuple[str, _Key, str]],
        part_fails: bool,  # noqa: FBT001 - drawn
        flushes: bool,  # noqa: FBT001 - drawn
        rival: tuple[str, _Key, str] | None,
        commits: bool,  # noqa: FBT001 - drawn
    ) -> None:
        mine = _Open(self.uow_factory())
        before = dict(self.rows)
        try:
            async with mine.uow if commits else undone(mine.uow):
                for step in steps:
                    await self._step(mine, *step)
                if flushes:
                    await mine.uow.flush()
                if part:
                    await self._part(mine, part, part_fails)
                self._compare(mine)
                # Where one writer excludes the others, somebody else can only write before this one does.
                if rival is not None and not (part or flushes or {"delete", "search"} & {step[0] for step in steps}):
                    await self._rival(*rival)
        except OptimisticConcurrencyError:
            assert before != self.rows, "nobody else has changed anything"
            return
        if commits:
            assert not self._collides(mine), "a change that somebody else had committed was overwritten"
            self._commit(mine)

    async def _part(self, mine: _Open, part: list[tuple[str, _Key, str]], fails: bool) -> None:  # noqa: FBT001
        objects = {key: (known, copy.copy(known), set(known.labels)) for key, known in mine.objects.items()}
        removed = dict(mine.removed)
        async with undone_savepoint(mine.uow) if fails else mine.uow.savepoint():
            for step in part:
                await self._step(mine, *step)
        if fails:
            mine.removed = removed
            mine.objects = {}
            for key, (known, former, labels) in objects.items():
                known.passenger, known.version, known.events = former.passenger, former.version, former.events
                known.is_added, known.labels = former.is_added, labels
                mine.objects[key] = known

    async def _step(self, mine: _Open, action: str, key: _Key, name: str) -> None:
        with use_context(tenant_id=key[0]):
            await getattr(self, f"_{action}")(mine, key, name)

    # ------------------------------------------------------------------ steps

    async def _load(self, mine: _Open, key: _Key, _name: str = "") -> _Object | None:
        booking = await mine.uow.repository(FerryBooking).get(key[1])
        known = mine.objects.get(key)
        if known is not None:
            assert booking is known.booking, "the same id gives the same object"
            return known
        row = None if key in mine.removed else self.rows.get(key)
        if row is None:
            assert booking is None
            return None
        assert booking is not None
        assert (booking.passenger, booking.labels, booking.version) == (row.passenger, set(row.labels), row.version)
        known = _Object(booking, row.version, row.passenger, set(row.labels), row.version)
        mine.objects[key] = known
        return known

    async def _add(self, mine: _Open, key: _Key, name: str) -> None:
        booking = FerryBooking.book(key[1], name)
        if key in mine.objects:
            try:
                await mine.uow.repository(FerryBooking).add(booking)
            except UnitOfWorkError:
                return
            raise AssertionError("a second object for one id was taken")
        if key in self.rows and key not in mine.removed:
            return  # it would lose at the commit: what a rival does is enough of that
        await mine.uow.repository(FerryBooking).add(booking)
        mine.objects[key] = _Object(booking, 0, name, set(), 1, 1, is_added=True)

    async def _rename(self, mine: _Open, key: _Key, name: str) -> None:
        known = await self._load(mine, key)
        if known is not None:
            known.booking.rename(name)
            known.passenger, known.version, known.events = name, known.version + 1, known.events + 1

    async def _label(self, mine: _Open, key: _Key, _name: str) -> None:
        """A change without an event: it is stored if something else has it stored."""
        known = await self._load(mine, key)
        if known is not None:
            self.labels += 1
            known.booking.labels.add(f"label-{self.labels}")
            known.labels.add(f"label-{self.labels}")

    async def _save(self, mine: _Open, key: _Key, _name: str) -> None:
        known = await self._load(mine, key)
        if known is not None:
            await mine.uow.repository(FerryBooking).add(known.booking)
            known.is_added = True

    async def _delete(self, mine: _Open, key: _Key, _name: str) -> None:
        known = mine.objects.get(key)
        exists = known is not None or (key in self.rows and key not in mine.removed)
        try:
            await mine.uow.repository(FerryBooking).delete(key[1])
        except EntityNotFoundError:
            assert not exists
            return
        assert exists
        mine.objects.pop(key, None)
        if key in self.rows:
            mine.removed.setdefault(key, self.rows[key].version)

    async def _search(self, mine: _Open, key: _Key, name: str) -> None:
        """What was written is seen; so is what was added, and what has emitted events."""
        expected: list[str] = []
        for tenant_id, booking_id in sorted({*self.rows, *mine.objects}, key=str):
            if tenant_id != key[0]:
                continue
            known = mine.objects.get((tenant_id, booking_id))
            row = known.row() if known is not None else None
            if row is None and (tenant_id, booking_id) not in mine.removed:
                row = self.rows.get((tenant_id, booking_id))
            if row is not None and row.passenger == name:
                expected.append(booking_id)
        options = QueryOptions().with_specification(FerryFieldIs("passenger", name)).with_ordering("-id")
        found = await (await mine.uow.repository(FerryBooking).search(options))
        assert [booking.id for booking in found] == sorted(expected, reverse=True)
        for booking in found:
            known = mine.objects.get((key[0], booking.id))
            if known is None:
                row = self.rows[key[0], booking.id]
                mine.objects[key[0], booking.id] = _Object(
                    booking, row.version, row.passenger, set(row.labels), row.version
                )
            else:
                assert booking is known.booking

    async def _rival(self, action: str, key: _Key, name: str) -> None:
        """Somebody else, whole and committed."""
        rival = _Open(self.uow_factory())
        async with rival.uow:
            await self._step(rival, action, key, name)
        self._commit(rival)

    # ------------------------------------------------------------------ the model

    def _written(self, mine: _Open) -> dict[_Key, _Row | None]:
        written: dict[_Key, _Row | None] = dict.fromkeys(mine.removed)
        for key, known in mine.objects.items():
            row = known.row()
            if row is not None:
                written[key] = row
        return written

    def _collides(self, mine: _Open) -> bool:
        """Whether somebody else has changed what this one writes."""
        return any(
            key not in mine.removed and known.stored != (self.rows[key].version if key in self.rows else 0)
            for key, known in mine.objects.items()
            if known.row() is not None
        )

    def _commit(self, mine: _Open) -> None:
        for key, row in self._written(mine).items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row

    def _compare(self, mine: _Open) -> None:
        """Objects are as the model has them, and their events are all there."""
        for known in mine.objects.values():
            booking = known.booking
            assert (booking.passenger, booking.labels) == (known.passenger, known.labels)
        events = len(mine.uow.pending_events())
        assert events >= sum(known.events for known in mine.objects.values())

    @precondition(lambda self: self.rows)
    @rule(key=_KEYS)
    def read_only(self, key: _Key) -> None:
        """Changes in a read-only unit of work are nobody's."""

        async def read() -> None:
            uow = self.uow_factory()
            uow.read_only = True
            async with uow:
                with use_context(tenant_id=key[0]):
                    for booking in await uow.repository(FerryBooking).list_all():
                        booking.rename("never stored")

        self.run(read())

    @invariant()
    def what_is_stored_is_what_was_committed(self) -> None:
        """In each tenant, with versions."""

        async def stored(tenant_id: str | None) -> dict[_Key, _Row]:
            async with undone(self.uow_factory()) as uow:
                with use_context(tenant_id=tenant_id):
                    return {
                        (tenant_id, booking.id): _Row(booking.passenger, frozenset(booking.labels), booking.version)
                        for booking in await uow.repository(FerryBooking).list_all()
                    }

        rows: dict[_Key, _Row] = {}
        for tenant_id in (None, "acme"):
            rows |= self.run(stored(tenant_id))
        assert rows == self.rows
