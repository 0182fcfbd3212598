"""A table of versioned records, as the stores of sagas, jobs, schedules and undo tokens need it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, ClassVar, Protocol

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, tenant_of_record
from cqrs_ddd_core.adapters.memory.store import InMemoryTransaction
from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError

__all__ = ["RecordTable", "all_or_nothing"]


@contextmanager
def all_or_nothing(transaction: InMemoryTransaction) -> Generator[None]:
    """Undo what the block wrote when it fails: the caller may catch the error and commit the rest."""
    mark = transaction.savepoint()
    try:
        yield
    except BaseException:
        transaction.rollback_to(mark)
        raise


class _Record(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def version(self) -> int: ...

    @property
    def tenant_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class _Row[R]:
    record: R
    changed_at: datetime


class RecordTable[R: _Record]:
    """Records by tenant and id. What it gives out is a copy, what it keeps is what a database would keep."""

    def __init__(self, name: str, *, kind: str, id_field: str, json_fields: tuple[str, ...]) -> None:
        """``kind`` is what errors call a record, ``json_fields`` are the fields that a database keeps as JSON."""
        self.name = name
        self._kind = kind
        self._id_field = id_field
        self._json_fields = json_fields

    def insert(self, transaction: InMemoryTransaction, record: R) -> R:
        """Put a new record in, into the current tenant, as version 1."""
        tenant_id = tenant_of_record(record.tenant_id, self._named(record))
        stored = self._find(transaction, tenant_id, self._id(record))
        if stored is not None:
            raise self._conflict(record, 0, stored.version)
        return self._put(transaction, replace(record, tenant_id=tenant_id, version=1), expected=0)

    def find(self, transaction: InMemoryTransaction, record_id: str) -> R | None:
        """A record of the current tenant."""
        stored = self._find(transaction, get_current_tenant_or_none(), record_id)
        return None if stored is None else self.copy(stored)

    def stored(self, transaction: InMemoryTransaction, record: R) -> R | None:
        """What is kept under the id and the tenant of this record; not to be given out."""
        return self._find(transaction, record.tenant_id, self._id(record))

    def update(self, transaction: InMemoryTransaction, record: R) -> R:
        """Replace a record of the current tenant if its version is still the stored one."""
        tenant_id = tenant_of_record(record.tenant_id, self._named(record))
        stored = self._find(transaction, tenant_id, self._id(record))
        if stored is None or stored.version != record.version:
            raise self._conflict(record, record.version, 0 if stored is None else stored.version)
        return self.overwrite(transaction, stored, replace(record, tenant_id=tenant_id))

    def overwrite(self, transaction: InMemoryTransaction, stored: R, record: R) -> R:
        """Replace what is stored, of any tenant and whatever version the new record has."""
        return self._put(transaction, replace(record, version=stored.version + 1), expected=stored.version)

    def select(self, transaction: InMemoryTransaction, wanted: Callable[[R], bool]) -> list[R]:
        """The stored records of all tenants that are wanted, in order of arrival; not to be given out."""
        return [row.record for row in self._rows(transaction) if wanted(row.record)]

    def select_own(self, transaction: InMemoryTransaction, wanted: Callable[[R], bool]) -> list[R]:
        """The stored records of the current tenant that are wanted, in order of arrival; not to be given out."""
        tenant_id = get_current_tenant_or_none()
        return self.select(transaction, lambda record: record.tenant_id == tenant_id and wanted(record))

    def page(self, records: list[R], *, limit: int, offset: int = 0) -> list[R]:
        """Copies of some records, for somebody outside."""
        at_least(1, limit, "limit")
        at_least(0, offset, "offset")
        return [self.copy(record) for record in records[offset : offset + limit]]

    def purge(self, transaction: InMemoryTransaction, wanted: Callable[[R, datetime], bool], limit: int) -> list[R]:
        """Remove records of all tenants that are wanted, by record and time of its last change; those it removed."""
        at_least(1, limit, "limit")
        found = [row for row in self._rows(transaction) if wanted(row.record, row.changed_at)]
        found.sort(key=lambda row: row.changed_at)
        gone = [row.record for row in found[:limit]]
        for record in gone:
            transaction.delete(self.name, (record.tenant_id, self._id(record)))
        return gone

    def copy(self, record: R) -> R:
        """The record for somebody outside."""
        return replace(record, **{name: copy.deepcopy(getattr(record, name)) for name in self._json_fields})

    def _rows(self, transaction: InMemoryTransaction) -> Iterable[_Row[R]]:
        return (row for _, row in transaction.items(self.name))

    def _find(self, transaction: InMemoryTransaction, tenant_id: str | None, record_id: str) -> R | None:
        row: _Row[R] | None = transaction.get(self.name, (tenant_id, record_id))
        return None if row is None else row.record

    def _put(self, transaction: InMemoryTransaction, record: R, *, expected: int) -> R:
        kept = self._as_kept(record)
        transaction.put(
            self.name,
            (kept.tenant_id, self._id(kept)),
            _Row(kept, utc_now()),
            conflict=lambda: self._conflict(kept, expected, None),
        )
        return self.copy(kept)

    def _as_kept(self, record: R) -> R:
        changes: dict[str, Any] = {}
        for name in (each.name for each in fields(record)):
            value = getattr(record, name)
            if name in self._json_fields:
                changes[name] = from_json(to_json(value, kind=self._kind, name=self._id(record), field=name))
            elif isinstance(value, datetime):
                changes[name] = as_utc(value, name)
        return replace(record, **changes)

    def _id(self, record: R) -> str:
        return str(getattr(record, self._id_field))

    def _named(self, record: R) -> str:
        return f"{self._kind.capitalize()} {self._id(record)!r}"

    def _conflict(self, record: R, expected: int, actual: int | None) -> OptimisticConcurrencyError:
        return OptimisticConcurrencyError(self._kind.capitalize(), self._id(record), expected, actual)
