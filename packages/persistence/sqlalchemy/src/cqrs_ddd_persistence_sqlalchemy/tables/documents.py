"""The tables of aggregates that are kept as documents: one for each collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, PrimaryKeyConstraint, Table
from sqlalchemy.types import TypeEngine

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.primitives.exceptions import ConfigurationError
from cqrs_ddd_persistence_sqlalchemy.column_types import DOCUMENT, KEY, UTCDateTime

__all__ = ["documents_table", "id_column_value"]

_ID_TYPES: Final[Mapping[type[Any], TypeEngine[Any]]] = {str: KEY, int: BigInteger(), UUID: KEY}


def documents_table(metadata: MetaData, prefix: str, aggregate_type: type[AggregateRoot[Any]]) -> Table:
    """One row for each aggregate of this class: its state as JSON, and its version.

    Raises ``ConfigurationError`` for an id that is declared as something else than ``str``, ``int`` or ``UUID``.
    """
    declared = aggregate_type.model_fields["id"].annotation
    id_type = _ID_TYPES.get(declared) if isinstance(declared, type) else None
    if id_type is None:
        raise ConfigurationError(
            f"The id of {aggregate_type.__name__} is declared as {declared!r}; wanted is str, int or UUID: "
            f"class {aggregate_type.__name__}(AggregateRoot[str])."
        )
    name = f"{prefix}{aggregate_type.collection_name}"
    table = Table(
        name,
        metadata,
        Column("tenant_id", KEY, nullable=False, server_default=""),
        Column("id", id_type, nullable=False, autoincrement=False),
        Column("version", Integer, nullable=False),
        Column("state", DOCUMENT, nullable=False),
        Column("updated_at", UTCDateTime, nullable=False),
        PrimaryKeyConstraint("tenant_id", "id", name=f"{name}_pkey"),
    )
    # Containment and existence in JSONB; SQLite has nothing like it.
    Index(
        f"{name}_state_idx", table.c.state, postgresql_using="gin", postgresql_ops={"state": "jsonb_path_ops"}
    ).ddl_if(dialect="postgresql")
    return table


def id_column_value(entity_id: Any) -> Any:
    """What the column holds for an id."""
    return str(entity_id) if isinstance(entity_id, UUID) else entity_id
