"""A table of versioned records, as the stores of sagas, jobs, schedules and undo tokens need it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Protocol

from sqlalchemy import ColumnElement, Row, Select, Table, Update, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, tenant_of_record
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError
from cqrs_ddd_persistence_sqlalchemy.adapter import as_stored, tenant_column, tenant_of_column

__all__ = ["RecordTable", "storable_text"]


class _Record(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def version(self) -> int: ...

    @property
    def tenant_id(self) -> str | None: ...


class RecordTable[R: _Record]:
    """Records by tenant and id, each field in a column of its name, numbered in order of arrival by ``sequence``."""

    def __init__(
        self,
        record_type: type[R],
        table: Table,
        *,
        kind: str,
        id_field: str,
        json_fields: tuple[str, ...],
        types: Mapping[str, Callable[[Any], Any]],
    ) -> None:
        """``kind`` is what errors call a record, ``types`` makes of what a column holds what the field holds."""
        self._record_type = record_type
        self._table = table
        self._kind = kind
        self._id_field = id_field
        self._json_fields = json_fields
        self._types = types
        self._names = tuple(field.name for field in fields(record_type))

    # ------------------------------------------------------------------ records and rows

    def as_new(self, record: R) -> R:
        """The record as it is added to the current tenant: version 1. Raises ``ValueError`` for another tenant's."""
        changes: dict[str, Any] = {"tenant_id": tenant_of_record(record.tenant_id, self._named(record)), "version": 1}
        return self.as_kept(replace(record, **changes))

    def as_kept(self, record: R) -> R:
        """What a database keeps of the record: JSON as copies, times in UTC."""
        changes: dict[str, Any] = {}
        for name in self._names:
            value = getattr(record, name)
            if name in self._json_fields:
                stored = as_stored(value, kind=self._kind, name=self.id_of(record), field=name)
                changes[name] = self._types[name](stored) if name in self._types else stored
            elif isinstance(value, datetime):
                changes[name] = as_utc(value, name)
            elif name == "error" and value is not None:
                changes[name] = storable_text(value)
        return replace(record, **changes)

    def row(self, record: R) -> dict[str, Any]:
        """The columns of a record that ``as_kept`` gave."""
        values = {name: getattr(record, name) for name in self._names}
        row = {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}
        row["tenant_id"] = record.tenant_id or ""
        return row

    def record(self, row: Row[Any]) -> R:
        """What was stored."""
        values = {name: getattr(row, name) for name in self._names}
        values["tenant_id"] = tenant_of_column(row.tenant_id)
        for name, make in self._types.items():
            values[name] = make(values[name])
        return self._record_type(**values)

    # ------------------------------------------------------------------ statements

    def own(self, record_id: str) -> ColumnElement[bool]:
        """The record with this id in the current tenant."""
        return (self._table.c.tenant_id == tenant_column()) & (self._table.c[self._id_field] == record_id)

    async def get(self, connection: AsyncConnection, condition: ColumnElement[bool]) -> R | None:
        """The record for which this is true."""
        row = (await connection.execute(select(self._table).where(condition))).first()
        return None if row is None else self.record(row)

    async def insert(self, connection: AsyncConnection, insert: Any, record: R, **more: Any) -> R:
        """Add a record, with ``more`` columns. Raises ``OptimisticConcurrencyError`` for one that is there."""
        kept = self.as_new(record)
        # A refused row that is no error leaves the transaction usable.
        result = await connection.execute(insert.on_conflict_do_nothing(), {**self.row(kept), **more})
        if not result.rowcount:
            raise await self.conflict(connection, record, 0)
        return kept

    async def update(self, connection: AsyncConnection, record: R, **more: Any) -> R:
        """Replace a record of the current tenant, with ``more`` columns, if its version is still the stored one."""
        tenant_id = tenant_of_record(record.tenant_id, self._named(record))
        changes: dict[str, Any] = {"tenant_id": tenant_id, "version": record.version + 1}
        kept = self.as_kept(replace(record, **changes))
        statement = update(self._table).where(
            self.own(self.id_of(record)), self._table.c.version == record.version
        )  # fmt: skip
        result = await connection.execute(statement.values(**{**self.row(kept), **more}))
        if not result.rowcount:
            raise await self.conflict(connection, record, record.version)
        return kept

    async def page(self, connection: AsyncConnection, query: Select[Any], *, limit: int, offset: int = 0) -> list[R]:
        """Some of the records of a query over whole rows."""
        at_least(1, limit, "limit")
        at_least(0, offset, "offset")
        return [self.record(row) for row in await connection.execute(query.limit(limit).offset(offset))]

    def claim(self, due: Select[Any], changes: Mapping[str, Any]) -> Update:
        """Change and give the rows whose ``sequence`` a query gives, leaving out those that somebody else is at."""
        table = self._table
        # Evaluated once, before the update. SQLite lets one transaction write at a time and needs no locks on rows.
        taken = due.with_for_update(skip_locked=True).cte("due")
        return (
            update(table)
            .where(table.c.sequence.in_(select(taken.c.sequence)))
            .values(**{"version": table.c.version + 1, **changes})
            .returning(table)
        )

    async def purge(
        self, connection: AsyncConnection, condition: ColumnElement[bool], oldest: ColumnElement[Any], limit: int
    ) -> int:
        """Remove at most ``limit`` rows of all tenants, the oldest first; how many that were."""
        at_least(1, limit, "limit")
        table = self._table
        found = select(table.c.sequence).where(condition).order_by(oldest).limit(limit)
        return (await connection.execute(delete(table).where(table.c.sequence.in_(found)))).rowcount

    async def conflict(self, connection: AsyncConnection, record: R, expected: int) -> OptimisticConcurrencyError:
        """The error for a record that is not stored in the version that was expected; 0 stands for not at all."""
        actual = await connection.scalar(select(self._table.c.version).where(self.own(self.id_of(record))))
        return OptimisticConcurrencyError(self._kind.capitalize(), self.id_of(record), expected, actual or 0)

    def id_of(self, record: R) -> str:
        return str(getattr(record, self._id_field))

    def _named(self, record: R) -> str:
        return f"{self._kind.capitalize()} {self.id_of(record)!r}"


def storable_text(error: str) -> str:
    """Without what PostgreSQL cannot store, so that no text of an error keeps a failure from being noted."""
    return error.encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
