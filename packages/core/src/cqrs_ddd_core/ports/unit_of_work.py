"""One transaction and what it has seen."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from inspect import isawaitable
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from cqrs_ddd_core.context import get_current_tenant_or_none, use_context
from cqrs_ddd_core.domain.aggregate import (
    AggregateRoot,
    aggregate_for_collection,
    capture_state,
    mark_persisted,
    mark_removed,
    pending_events,
    persisted_version,
    restore_state,
    unsaved_events,
)
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.state import dump_state
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.aggregate_store import (
    AggregateStoreFactory,
    AggregateStores,
    IAggregateStore,
    keeps_events,
)
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.primitives.exceptions import (
    CollectionError,
    NoUnitOfWorkError,
    PipelineError,
    ReadOnlyUnitOfWorkError,
    UnitOfWorkError,
    UnstorableStateError,
)

__all__ = [
    "CommitCallback",
    "ITransactional",
    "IUnitOfWorkSource",
    "UnitOfWork",
    "ambient_uow",
    "check_aggregates",
    "current_uow_or_none",
    "ensure_joined",
    "get_current_uow",
]

logger = logging.getLogger(__name__)

type CommitCallback = Callable[[], Awaitable[None] | None]
type _Key = tuple[type[AggregateRoot[Any]], Any, str | None]
"""Class, id and tenant: one id in two tenants is two aggregates."""

ambient_uow: ContextVar[UnitOfWork | None] = ContextVar("cqrs_ddd_unit_of_work", default=None)
"""What ``async with`` and the mediator set. Ask ``get_current_uow`` instead: it knows about tasks."""


def current_uow_or_none() -> UnitOfWork | None:
    """The unit of work that is open in this task, or None. A task started inside one does not inherit it."""
    uow = ambient_uow.get()
    if uow is None or uow.task is None or uow.task is not _current_task():
        return None
    return uow


def get_current_uow() -> UnitOfWork:
    """The unit of work that is open in this task. Raises ``NoUnitOfWorkError`` when there is none."""
    uow = ambient_uow.get()
    if uow is None or uow.task is None or uow.task is not _current_task():
        raise NoUnitOfWorkError
    return uow


def _current_task() -> asyncio.Task[Any] | None:
    """The running task; None also where no event loop runs, as in a thread that inherited the context."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


class UnitOfWork(ABC):
    """One transaction: everything in it is committed together, or nothing is.

    Lazy: nothing is opened before its first use. It gives one object for one id, follows what it has seen, and writes
    the changes when it commits. The mediator opens one for each command; standing alone it is used as
    ``async with``: leaving the block commits, an exception rolls back.

    ``uow.orders`` is the repository of the aggregate whose collection is named ``orders``.

    An adapter implements the methods with a leading underscore and sets ``begun`` when its transaction is open.
    """

    # Defaults on the class: making a unit of work that nobody uses must cost next to nothing.
    begun: bool = False
    """The adapter has something open that has to be committed or rolled back."""
    read_only: bool = False
    """Set before first use, for queries: writing is refused and nothing is committed."""
    owner: str | None = None
    """Who commits it: the message type when it belongs to a mediator, None when it stands alone."""
    scope: Any = None
    """The mediator's own: the message that is being handled in it."""
    touched: bool = False
    """Whether there is anything to do at its end: something was seen, or a callback given."""
    task: asyncio.Task[Any] | None = None
    """The task in which it is open."""
    closed: bool = False
    """It was open in an ``async with`` that is over."""
    aggregates: tuple[type[AggregateRoot[Any]], ...] | None = None
    """Where names of collections are looked up; None for all aggregate classes of the process."""
    aggregate_stores: AggregateStores | None = None
    """What keeps the aggregates of some classes in another way than the adapter does. Set before first use."""

    seen: dict[_Key, AggregateRoot[Any]] | None = None
    """What was loaded or added, by class, id and tenant; None while there is nothing. For mediator and adapters."""
    callbacks: list[CommitCallback] | None = None
    """What ``on_commit`` was given and has not run yet."""
    closers: list[CommitCallback] | None = None
    """What ``on_close`` was given and has not run yet."""

    _previous: UnitOfWork | None = None
    _repositories: dict[type[AggregateRoot[Any]], IRepository[Any, Any]] | None = None
    _stores: dict[type[AggregateRoot[Any]], IAggregateStore[Any, Any]] | None = None
    _added: dict[_Key, None] | None = None
    _replaced: list[AggregateRoot[Any]] | None = None
    _removed: set[_Key] | None = None
    _written: dict[_Key, int] | None = None
    _states: dict[_Key, dict[str, Any] | None] | None = None

    # ------------------------------------------------------------------ adapters

    @abstractmethod
    def _open_store(self, aggregate_type: type[AggregateRoot[Any]], /) -> IAggregateStore[Any, Any]:
        """The store of these aggregates in this transaction. Called once for each type."""

    @abstractmethod
    def _open_repository(self, aggregate_type: type[AggregateRoot[Any]], /) -> IRepository[Any, Any]:
        """The repository of these aggregates that is bound to this unit of work. Called once for each type."""

    @abstractmethod
    async def _commit(self) -> None:
        """Commit what is open. Raises ``OptimisticConcurrencyError`` for a lost race; then nothing is committed."""

    @abstractmethod
    async def _rollback(self) -> None:
        """Roll back what is open. It can be used again afterwards."""

    @abstractmethod
    async def _savepoint(self) -> Any:
        """Mark the present point, for ``_rollback_to``. Called only when ``begun``."""

    @abstractmethod
    async def _release(self, savepoint: Any, /) -> None:
        """Forget the mark and keep what was done since."""

    @abstractmethod
    async def _rollback_to(self, savepoint: Any, /) -> None:
        """Undo what was done since the mark, and forget it."""

    # ------------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        if self.task is not None:
            raise UnitOfWorkError("This unit of work is open already. Open another one, or use a savepoint.")
        self.task = asyncio.current_task()
        self._previous = ambient_uow.get()
        ambient_uow.set(self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc_type is not None or self.read_only:
                await self.rollback()
                return
            await self.complete()
        finally:
            self.task = None
            self.closed = True
            # Not a token: fixtures may leave the block in another context than they entered it.
            ambient_uow.set(self._previous)
            self._previous = None
            await self.run_closers()
        await self.run_commit_callbacks()

    async def commit(self) -> None:
        """Write the changes, commit, and run the callbacks. It can be used again afterwards.

        Raises ``UnitOfWorkError`` inside a command: the mediator commits, after the handler.
        """
        if self.owner is not None:
            raise UnitOfWorkError(
                f"This unit of work belongs to {self.owner}: it commits by itself when the handler has returned, "
                "together with the events. Remove commit(), or open a unit of work of your own."
            )
        await self.complete()
        await self.run_commit_callbacks()

    async def complete(self) -> None:
        """Write the changes and commit; the callbacks stay for ``run_commit_callbacks``. Rolls back on failure."""
        if not self.begun and self.seen is None:
            return
        if self.read_only:
            raise ReadOnlyUnitOfWorkError("commit")
        try:
            hooks = get_hook_registry()
            if hooks:
                await hooks.execute_all("uow.commit", {"uow.type": self.__class__.__name__}, self._complete)
            else:
                await self._complete()
        except BaseException:
            await self.rollback()
            raise

    async def _complete(self) -> None:
        await self._flush(is_last=True)
        if self.begun:
            await self._commit()
            self.begun = False
        written, self._written, self._added, self._states = self._written, None, None, None
        removed, self._removed = self._removed, None
        seen = self.seen or {}
        for key in removed or ():
            gone = seen.pop(key, None)
            if gone is not None:
                mark_removed(gone)
        for key, version in (written or {}).items():
            if key in seen:
                mark_persisted(seen[key], version)

    async def rollback(self) -> None:
        """Undo everything since the last commit. Objects that were loaded are stale afterwards: load them again."""
        callbacks, self.callbacks = self.callbacks, None
        self.seen = self._added = self._removed = self._written = self._states = self._replaced = None
        if not self.begun:
            return
        attributes = {"uow.type": self.__class__.__name__, "callbacks.dropped": len(callbacks or ())}
        try:
            hooks = get_hook_registry()
            if hooks and not self.read_only:
                await hooks.execute_all("uow.rollback", attributes, self._rollback)
            else:
                await self._rollback()
        finally:
            self.begun = False

    def on_commit(self, callback: CommitCallback) -> None:
        """Run ``callback`` after the commit, in the order of registration. A rollback drops it.

        A callback that raises is logged; it fails neither the others nor the command. What must survive a crash
        goes through the outbox instead.
        """
        self.touched = True
        if self.callbacks is None:
            self.callbacks = []
        self.callbacks.append(callback)

    def on_close(self, callback: CommitCallback) -> None:
        """Run ``callback`` when the transaction is over, committed or rolled back; the last one given runs first.

        For what must be held until then, such as a lock that a nested command took. Failures are logged.
        """
        self.touched = True
        if self.closers is None:
            self.closers = []
        self.closers.append(callback)

    async def run_closers(self) -> None:
        """Run and forget what ``on_close`` was given. ``async with`` and the mediator do it by themselves."""
        try:
            while self.closers:
                await _run(self.closers.pop(), "A callback at the end of a unit of work failed: %r")
        finally:
            if self.closers:  # cancelled in one of them: the others must let go all the same
                await self.run_closers()

    async def run_commit_callbacks(self) -> None:
        """Run and forget the callbacks. ``commit`` and ``async with`` do it by themselves."""
        while self.callbacks:
            callbacks, self.callbacks = self.callbacks, None
            for callback in callbacks:
                await _run(callback, "A callback after the commit failed: %r")

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """A part that can fail alone: an exception undoes what the block did, in the database and in objects.

        The exception goes on. Events that aggregates emitted in the block, and callbacks, are dropped with it. The
        objects that go back are those that it had seen before.
        """
        self.check_open()
        states = [(aggregate, capture_state(aggregate)) for aggregate in (self.seen or {}).values()]
        seen = dict(self.seen) if self.seen else None
        added = dict(self._added) if self._added else None
        written = dict(self._written) if self._written else None
        written_states = dict(self._states) if self._states else None
        removed = set(self._removed) if self._removed else None
        replaced = list(self._replaced) if self._replaced else None
        callbacks = list(self.callbacks) if self.callbacks else None
        began = self.begun
        mark = await self._savepoint() if began else None
        try:
            yield
        except BaseException:
            self.seen, self._added, self._written, self._removed = seen, added, written, removed
            self._states, self._replaced, self.callbacks = written_states, replaced, callbacks
            for aggregate, state in states:
                restore_state(aggregate, state)
            if began:
                await self._rollback_to(mark)
            elif self.begun:
                await self._rollback()
                self.begun = False
            raise
        if began:
            await self._release(mark)

    @contextmanager
    def ambient(self) -> Generator[None]:
        """Let adapters that join the open unit of work join this one within the block. For stores that use ports."""
        task, self.task = self.task, _current_task()
        token = ambient_uow.set(self)
        try:
            yield
        finally:
            ambient_uow.reset(token)
            self.task = task

    # ------------------------------------------------------------------ repositories

    def repository[T: AggregateRoot[Any]](self, aggregate_type: type[T]) -> IRepository[T, Any]:
        """The repository of this aggregate class, bound to this unit of work."""
        if self._repositories is None:
            self._repositories = {}
        found = self._repositories.get(aggregate_type)
        if found is None:
            found = self._repositories[aggregate_type] = self._open_repository(aggregate_type)
        return found

    def __getattr__(self, name: str) -> IRepository[Any, Any]:
        # Called only for names that are not attributes: the collections.
        if name.startswith("_"):
            raise AttributeError(f"{self.__class__.__name__!r} object has no attribute {name!r}")
        try:
            aggregate_type = aggregate_for_collection(name, self.aggregates)
        except CollectionError as error:
            raise CollectionError(f"{self.__class__.__name__}.{name}: {error}") from None
        return self.repository(aggregate_type)

    def store(self, aggregate_type: type[AggregateRoot[Any]]) -> IAggregateStore[Any, Any]:
        """The store below the repository. For repositories."""
        self.check_open()
        if self._stores is None:
            self._stores = {}
        found = self._stores.get(aggregate_type)
        if found is None:
            factory = None if self.aggregate_stores is None else self.aggregate_stores.get(aggregate_type)
            found = self._open_store(aggregate_type) if factory is None else factory(self)
            self._stores[aggregate_type] = found
        return found

    def provide_store(
        self, aggregate_type: type[AggregateRoot[Any]], factory: AggregateStoreFactory
    ) -> IAggregateStore[Any, Any]:
        """The store of these aggregates, made by ``factory`` when there is none yet. For repositories of their own."""
        if self.aggregate_stores is None:
            self.aggregate_stores = {}
        if self._stores is None:
            self._stores = {}
        if aggregate_type not in self._stores and aggregate_type not in self.aggregate_stores:
            self.check_open()
            self._stores[aggregate_type] = factory(self)
        return self.store(aggregate_type)

    # ------------------------------------------------------------------ what it has seen (for repositories)

    def check_open(self) -> None:
        """Raise ``UnitOfWorkError`` when it is over: what is done in it now would never be committed."""
        if self.task is None and (self.closed or self.owner is not None):
            whose = f" of {self.owner}" if self.owner else ""
            raise UnitOfWorkError(
                f"This unit of work{whose} is over, so nothing would commit what is done in it now. "
                "Open another one; from a task that outlives its handler, send a command."
            )

    def known(self, aggregate_type: type[AggregateRoot[Any]], entity_id: Any) -> AggregateRoot[Any] | None:
        """The object of this id in the current tenant that was seen before and not removed."""
        if self.seen is None:
            return None
        key = (aggregate_type, entity_id, get_current_tenant_or_none())
        return None if self._removed is not None and key in self._removed else self.seen.get(key)

    def is_removed(self, aggregate_type: type[AggregateRoot[Any]], entity_id: Any) -> bool:
        """Whether the aggregate of this id in the current tenant was removed in this unit of work."""
        return self._removed is not None and (aggregate_type, entity_id, get_current_tenant_or_none()) in self._removed

    def see[T: AggregateRoot[Any]](self, aggregate_type: type[AggregateRoot[Any]], aggregate: T) -> T:
        """Follow an object that was loaded; gives the one that was seen first for this id."""
        if self.seen is None:
            self.seen = {}
            self.touched = True
        key = (aggregate_type, aggregate.id, get_current_tenant_or_none())
        return self.seen.setdefault(key, aggregate)  # type: ignore[return-value]  # same key, same class

    def save(self, aggregate_type: type[AggregateRoot[Any]], aggregate: AggregateRoot[Any]) -> None:
        """Write this object at the next flush, and again at the commit if it changed."""
        if self.read_only:
            raise ReadOnlyUnitOfWorkError(f"add {aggregate_type.aggregate_type} {aggregate.id!r}")
        self.check_open()
        key = (aggregate_type, aggregate.id, get_current_tenant_or_none())
        known = self.see(aggregate_type, aggregate)
        if known is not aggregate:
            if self._removed is None or key not in self._removed:
                raise UnitOfWorkError(
                    f"This unit of work has another object for {aggregate_type.aggregate_type} {aggregate.id!r}. "
                    "Change the one that it gave, or add the id only once."
                )
            assert self.seen is not None
            self.seen[key] = aggregate
            if self._replaced is None:
                self._replaced = []
            self._replaced.append(known)  # the events of the removed one have happened all the same
        if self._removed is not None:
            self._removed.discard(key)
        if self._added is None:
            self._added = {}
        self._added[key] = None

    async def remove(self, aggregate_type: type[AggregateRoot[Any]], entity_id: Any) -> bool:
        """Remove now, inside the transaction, and say whether it was there."""
        if self.read_only:
            raise ReadOnlyUnitOfWorkError(f"delete {aggregate_type.aggregate_type} {entity_id!r}")
        self.check_open()
        key = (aggregate_type, entity_id, get_current_tenant_or_none())
        if self._removed is not None and key in self._removed:
            return False
        await self.flush()
        aggregate = (self.seen or {}).get(key)
        expected = None
        if aggregate is not None:
            expected = (self._written or {}).get(key, persisted_version(aggregate))
        if not await self.store(aggregate_type).remove(entity_id, expected_version=expected):
            return False
        if self._removed is None:
            self._removed = set()
        self._removed.add(key)
        if self._written is None:
            self._written = {}
        self._written[key] = 0
        if self._added is not None:
            self._added.pop(key, None)
        return True

    async def flush(self) -> None:
        """Write what was added or has emitted events into the transaction, without committing.

        What was written and has changed since is written again, now or at the commit.
        """
        await self._flush(is_last=False)

    async def _flush(self, *, is_last: bool) -> None:
        if self.seen is None or self.read_only:
            return
        for key, aggregate in list(self.seen.items()):
            if self._removed is not None and key in self._removed:
                continue
            written = (self._written or {}).get(key)
            expected = persisted_version(aggregate) if written is None else written
            version = aggregate.version
            if version <= expected:
                if not self._is_to_be_saved(key, aggregate, written):
                    continue
                # One more for the first time, and for the first after a removal.
                version = expected if written else expected + 1
            # The object keeps counting from where it was: what version it gets must not depend on when it was written.
            await self._write(key, aggregate, expected, version)
            if self._written is None:
                self._written = {}
            self._written[key] = version
            if not is_last:
                if self._states is None:
                    self._states = {}
                self._states[key] = _state_of(aggregate)

    def _is_to_be_saved(self, key: _Key, aggregate: AggregateRoot[Any], written: int | None) -> bool:
        """Whether an aggregate without new events is: whoever has new ones has changed, and needs no ``add``."""
        if keeps_events(self.store(key[0])):
            return False  # its events are all that is kept of it
        if not written:
            return self._added is not None and key in self._added
        known = None if self._states is None else self._states.get(key)
        return known is None or known != _state_of(aggregate)

    async def _write(self, key: _Key, aggregate: AggregateRoot[Any], expected: int, version: int) -> None:
        store = self.store(key[0])
        if key[2] == get_current_tenant_or_none():
            await store.write(aggregate, expected_version=expected, version=version)
            return
        with use_context(tenant_id=key[2]):  # each into the tenant that it was seen in
            await store.write(aggregate, expected_version=expected, version=version)

    def pending_events(self) -> list[DomainEvent]:
        """The events that are left in the objects it has seen, in the order they were seen; they stay there."""
        return [event for aggregate in self._emitters() for event in pending_events(aggregate)]

    def kept_event_ids(self, events: Iterable[DomainEvent]) -> Collection[str]:
        """Which of these events are in, or will come to, the streams of aggregates that are kept as their events.

        Given as event ids. The stores of these aggregates append them: no sink has to.
        """
        if self.aggregate_stores is None or self.seen is None:
            return ()
        keeping = {
            (key[0].aggregate_type, str(key[1])): aggregate
            for key, aggregate in self.seen.items()
            if keeps_events(self.store(key[0]))
        }
        if not keeping:
            return ()
        kept = {event.event_id for aggregate in keeping.values() for event in unsaved_events(aggregate)}
        for event in events:
            aggregate = keeping.get((event.aggregate_type or "", event.aggregate_id or ""))
            # What was saved before without a mediator has been told to nobody yet, but it is in the stream.
            if aggregate is not None and 0 < (event.aggregate_version or 0) <= persisted_version(aggregate):
                kept.add(event.event_id)
        return kept

    def collect_events(self) -> list[DomainEvent]:
        """Take the events that are left in the objects it has seen."""
        return [event for aggregate in self._emitters() for event in aggregate.collect_events()]

    def _emitters(self) -> Iterable[AggregateRoot[Any]]:
        seen = (self.seen or {}).values()
        return seen if self._replaced is None else (*self._replaced, *seen)


@runtime_checkable
class IUnitOfWorkSource(Protocol):
    """An adapter that can open units of work on its database, in which it takes part."""

    def open_unit_of_work(self) -> UnitOfWork:
        """A new one, not entered yet."""
        ...


@runtime_checkable
class ITransactional(Protocol):
    """An adapter that can say whether it takes part in a unit of work. Stores that must be in one commit with it do."""

    def joins(self, uow: UnitOfWork, /) -> bool:
        """Whether what this object writes while ``uow`` is open in its task is committed by ``uow``. Opens nothing."""
        ...


def ensure_joined(part: object, uow: UnitOfWork, why: str) -> None:
    """Raise ``PipelineError`` unless ``part`` writes in the transaction of ``uow``; ``why`` says what depends on it."""
    name, unit = type(part).__name__, type(uow).__name__
    joins: Callable[[UnitOfWork], bool] | None = getattr(part, "joins", None)
    if joins is None:
        raise PipelineError(
            f"{name} does not say whether it takes part in a unit of work, and {why}. "
            "Give it a method joins(uow) that answers True for a unit of work in whose transaction it writes."
        )
    if not joins(uow):
        raise PipelineError(
            f"{name} does not write in the transaction of {unit}, and {why}. "
            f"Build both on the same database: the same store, session factory or client for {name} and for {unit}."
        )


def _state_of(aggregate: AggregateRoot[Any]) -> dict[str, Any] | None:
    """Something to compare; None for a state that only its own store knows how to keep."""
    try:
        return dump_state(aggregate)
    except UnstorableStateError:
        return None


async def _run(callback: CommitCallback, failed: str) -> None:
    try:
        result = callback()
        if isawaitable(result):
            await result
    except Exception:
        logger.exception(failed, callback)


def check_aggregates(
    aggregates: Iterable[type[AggregateRoot[Any]]] | None,
) -> tuple[type[AggregateRoot[Any]], ...] | None:
    """What an adapter's ``aggregates=`` argument becomes. Raises ``CollectionError`` for two of one name."""
    if aggregates is None:
        return None
    among = tuple(aggregates)
    for aggregate_type in among:
        aggregate_for_collection(aggregate_type.collection_name, among)
    return among
