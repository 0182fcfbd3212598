"""Read models: rows that follow from events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.search_result import SearchResult

__all__ = ["IProjectionReader", "IProjectionWriter", "ProjectionRow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionRow:
    """One row to be written."""

    row_id: str
    data: Mapping[str, Any]
    """JSON values."""
    position: int | None = None
    """The event that led to it. A row that has seen this position or a later one is left as it is."""


@runtime_checkable
class IProjectionWriter(Protocol):
    """Writes rows of named collections, in the current tenant. Joins the open unit of work of the same database."""

    async def upsert(self, collection: str, row: ProjectionRow) -> bool:
        """Write or replace a row. False when the row has seen ``position`` or a later one: nothing was changed."""
        ...

    async def upsert_batch(self, collection: str, rows: Sequence[ProjectionRow]) -> int:
        """Write or replace rows, all or none; how many were changed.

        Raises ``SerializationError`` for data that is not JSON.
        """
        ...

    async def delete(self, collection: str, row_id: str, *, position: int | None = None) -> bool:
        """Remove a row; whether it was. With ``position``, an older event does not bring it back."""
        ...

    async def truncate(self, collection: str) -> None:
        """Remove every row of every tenant, and what is remembered of deleted ones."""
        ...


@runtime_checkable
class IProjectionReader(Protocol):
    """Reads rows of named collections, in the current tenant."""

    async def get(self, collection: str, row_id: str) -> dict[str, Any] | None: ...

    async def get_batch(self, collection: str, row_ids: Sequence[str]) -> list[dict[str, Any] | None]:
        """One answer for each id, in order."""
        ...

    async def search(self, collection: str, options: QueryOptions) -> SearchResult[dict[str, Any]]:
        """Find rows. The search has not run yet."""
        ...
