"""The database of the in-memory adapters: tables of immutable records, and transactions over them."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, NamedTuple

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, current_uow_or_none
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError, ReadOnlyUnitOfWorkError

__all__ = ["InMemorySavepoint", "InMemoryStore", "InMemoryTransaction", "resolve_store"]


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


_MISSING: Final = _Missing()

type _Address = tuple[str, Hashable]
type _Conflict = Callable[[], Exception]


class InMemoryStore:
    """Tables of records, by key. It outlives the units of work on it, and forgets everything with the process.

    Records are immutable, or private copies: whoever puts one in does not change it afterwards. All reading and
    writing goes through a transaction. It is for one thread: nothing in it waits, so that a commit is one step for
    every task of the event loop.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[Hashable, Any]] = {}
        """Committed records. Only transactions write here."""
        self.revisions: dict[_Address, int] = {}
        self._revision = 0
        self._sequences: dict[str, int] = {}
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}

    def next_number(self, sequence: str) -> int:
        """1, 2, 3, … for each name. Numbers that were taken and not used are gaps."""
        number = self._sequences.get(sequence, 0) + 1
        self._sequences[sequence] = number
        return number

    def next_revision(self) -> int:
        self._revision += 1
        return self._revision

    @contextmanager
    def work(self) -> Generator[InMemoryTransaction]:
        """The transaction of the unit of work that is open in this task on this store; else one for the block.

        A block that raises leaves nothing behind, in either: the caller may catch the error and go on.
        """
        uow = current_uow_or_none()
        joined = None if uow is None else getattr(uow, "transaction_on", None)
        transaction: InMemoryTransaction | None = None if joined is None else joined(self)
        if transaction is not None:
            mark = transaction.savepoint()
            try:
                yield transaction
            except BaseException:
                transaction.rollback_to(mark)
                raise
            return
        with self.alone() as transaction:
            yield transaction

    @contextmanager
    def alone(self) -> Generator[InMemoryTransaction]:
        """A transaction for the block, whatever unit of work is open: committed at its end."""
        transaction = InMemoryTransaction(self)
        yield transaction
        transaction.commit()

    def belongs_to(self, uow: UnitOfWork) -> bool:
        """Whether ``uow`` is a unit of work on this store: then ``work`` joins it."""
        return getattr(uow, "memory", None) is self

    async def wait_for_change(self, table: str, timeout: timedelta) -> bool:
        """Wait until something is committed to ``table``: True, or False after ``timeout``."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(table, set())
        waiters.add(future)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await future
        except TimeoutError:
            return False
        finally:
            waiters.discard(future)
        return True

    def wake(self, tables: set[str]) -> None:
        for table in tables:
            for future in tuple(self._waiters.get(table, ())):
                if future.done():
                    continue
                try:
                    future.get_loop().call_soon_threadsafe(_resolve, future)
                except RuntimeError:
                    # The loop was closed while somebody waited in it: no reason to fail a commit that is done.
                    self._waiters[table].discard(future)

    def clear(self) -> None:
        """Forget everything, numbers included."""
        self.tables.clear()
        self.revisions.clear()
        self._sequences.clear()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class InMemoryTransaction:
    """Changes to a store that are not there yet.

    Reads see what is committed and what this transaction has changed. ``commit`` refuses when a record that this
    transaction writes was changed by another one after this one last read it, or first wrote it: then nothing is
    written. Work that must be decided at the commit, such as giving numbers in the order of commits, is put into
    ``at_commit``.
    """

    def __init__(self, store: InMemoryStore, *, read_only: bool = False) -> None:
        self.store = store
        self.read_only = read_only
        self._writes: dict[_Address, Any] = {}
        self._conflicts: dict[_Address, _Conflict] = {}
        self._revisions: dict[_Address, int] = {}
        """What this transaction saw of the records that it read or wrote."""
        self._actions: list[Callable[[InMemoryStore], None]] = []
        self._announced: list[str] = []
        self._journal: list[tuple[_Address, Any, _Conflict | None]] = []
        """What each write replaced, for going back to a savepoint."""

    def get(self, table: str, key: Hashable) -> Any | None:
        """The record, or None."""
        address = (table, key)
        written = self._writes.get(address, _MISSING)
        if written is not _MISSING:
            return written
        # A decision that is made on this record must not overwrite what another transaction commits meanwhile.
        self._revisions[address] = self.store.revisions.get(address, 0)
        return self.store.tables.get(table, {}).get(key)

    def items(self, table: str) -> Iterator[tuple[Any, Any]]:
        """Keys and records, in the order in which they were first put in; a snapshot of this moment."""
        records = dict(self.store.tables.get(table, {}))
        for (written_table, key), record in self._writes.items():
            if written_table == table:
                if record is None:
                    records.pop(key, None)
                else:
                    records[key] = record
        return iter(records.items())

    def put(self, table: str, key: Hashable, record: Any, *, conflict: _Conflict | None = None) -> None:
        """Insert or replace. ``conflict`` makes the error of a lost race; otherwise it names table and key."""
        self._write((table, key), record, conflict)

    def delete(self, table: str, key: Hashable, *, conflict: _Conflict | None = None) -> None:
        """Remove; nothing happens where nothing is. ``conflict`` as for ``put``."""
        self._write((table, key), None, conflict)

    def _write(self, address: _Address, record: Any, conflict: _Conflict | None) -> None:
        if self.read_only:
            raise ReadOnlyUnitOfWorkError(f"change {address[0]} {address[1]!r}")
        self._revisions.setdefault(address, self.store.revisions.get(address, 0))
        self._journal.append((address, self._writes.get(address, _MISSING), self._conflicts.get(address)))
        self._writes[address] = record
        if conflict is not None:
            self._conflicts[address] = conflict

    def at_commit(self, action: Callable[[InMemoryStore], None]) -> None:
        """Run ``action`` as part of the commit, after the records are written. It must not fail."""
        if self.read_only:
            raise ReadOnlyUnitOfWorkError
        self._actions.append(action)

    def announce(self, table: str) -> None:
        """Wake who waits for changes of ``table`` after the commit, though ``at_commit`` writes it."""
        self._announced.append(table)

    def savepoint(self) -> InMemorySavepoint:
        """A mark to come back to. It costs nothing to keep, and may be forgotten."""
        return InMemorySavepoint(len(self._journal), len(self._actions), len(self._announced))

    def rollback_to(self, savepoint: InMemorySavepoint) -> None:
        """Undo what was written since the mark; marks that were set after it are void."""
        for address, record, conflict in reversed(self._journal[savepoint.writes :]):
            if record is _MISSING:
                del self._writes[address]
            else:
                self._writes[address] = record
            if conflict is None:
                self._conflicts.pop(address, None)
            else:
                self._conflicts[address] = conflict
        del self._journal[savepoint.writes :]
        del self._actions[savepoint.actions :]
        del self._announced[savepoint.announced :]

    def commit(self) -> None:
        """Write everything, or raise ``OptimisticConcurrencyError`` (or what ``conflict`` makes) and write nothing."""
        for address in self._writes:
            revision = self._revisions[address]
            if self.store.revisions.get(address, 0) != revision:
                conflict = self._conflicts.get(address)
                self.rollback()
                raise conflict() if conflict is not None else OptimisticConcurrencyError(*address, revision)
        changed = {table for table, _ in self._writes} | set(self._announced)
        for address, record in self._writes.items():
            table, key = address
            # A removed record keeps its revision: a writer that saw the old one must still lose.
            self.store.revisions[address] = self.store.next_revision()
            if record is None:
                self.store.tables.get(table, {}).pop(key, None)
            else:
                self.store.tables.setdefault(table, {})[key] = record
        for action in self._actions:
            action(self.store)
        self.rollback()
        self.store.wake(changed)

    def rollback(self) -> None:
        """Forget everything."""
        self._writes, self._conflicts, self._revisions = {}, {}, {}
        self._actions, self._announced, self._journal = [], [], []


class InMemorySavepoint(NamedTuple):
    """How long the lists of a transaction were."""

    writes: int
    actions: int
    announced: int


_stores: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, InMemoryStore] = weakref.WeakKeyDictionary()


def resolve_store(store: InMemoryStore | None) -> InMemoryStore:
    """The given store, else the one of the running event loop: every loop, and so every test, starts empty."""
    if store is not None:
        return store
    loop = asyncio.get_running_loop()
    found = _stores.get(loop)
    if found is None:
        found = _stores[loop] = InMemoryStore()
    return found
