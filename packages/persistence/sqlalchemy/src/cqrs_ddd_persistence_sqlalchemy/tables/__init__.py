"""All tables of the toolkit, in one ``MetaData``."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import MetaData, Table

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.primitives.exceptions import ConfigurationError
from cqrs_ddd_persistence_sqlalchemy.tables.background_job import background_jobs_table
from cqrs_ddd_persistence_sqlalchemy.tables.checkpoint import checkpoints_table
from cqrs_ddd_persistence_sqlalchemy.tables.command_schedule import command_schedule_table
from cqrs_ddd_persistence_sqlalchemy.tables.documents import documents_table
from cqrs_ddd_persistence_sqlalchemy.tables.event_store import events_table, position_sequence
from cqrs_ddd_persistence_sqlalchemy.tables.idempotency import idempotency_table
from cqrs_ddd_persistence_sqlalchemy.tables.inbox import inbox_table
from cqrs_ddd_persistence_sqlalchemy.tables.outbox import outbox_table
from cqrs_ddd_persistence_sqlalchemy.tables.projection import projections_table
from cqrs_ddd_persistence_sqlalchemy.tables.saga import sagas_table
from cqrs_ddd_persistence_sqlalchemy.tables.snapshot import snapshots_table
from cqrs_ddd_persistence_sqlalchemy.tables.undo import undo_tokens_table

__all__ = ["TABLES", "Tables", "metadata"]

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,30}")


class Tables:
    """The tables under one prefix and in one schema.

    Adapters take ``tables=``; those that were given nothing share ``TABLES``. Two sets with different prefixes live in
    one database side by side.
    """

    def __init__(self, *, prefix: str = "cqrs_ddd_", schema: str | None = None) -> None:
        """``schema`` is for PostgreSQL; None means the first one of the connection's search path."""
        for what, name in (("prefix", prefix or None), ("schema", schema)):
            if name is not None and not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"The {what} of tables is lower-case letters, digits and underscores, at most 31 of them and no "
                    f"digit first; found {name!r}."
                )
        self.prefix = prefix
        self.schema = schema
        self.metadata = MetaData(schema=schema)
        """Give it to Alembic as a part of ``target_metadata`` to keep these tables out of its proposals to drop."""
        self.document_metadata = MetaData(schema=schema)
        """The tables of documents that have been asked for: one for each collection of the application."""
        self.event_positions = position_sequence(self.metadata, prefix)
        self.events = events_table(self.metadata, prefix, self.event_positions)
        self.inbox = inbox_table(self.metadata, prefix)
        self.idempotency = idempotency_table(self.metadata, prefix)
        self.snapshots = snapshots_table(self.metadata, prefix)
        self.checkpoints = checkpoints_table(self.metadata, prefix)
        self.outbox = outbox_table(self.metadata, prefix)
        self.sagas = sagas_table(self.metadata, prefix)
        self.background_jobs = background_jobs_table(self.metadata, prefix)
        self.command_schedule = command_schedule_table(self.metadata, prefix)
        self.undo_tokens = undo_tokens_table(self.metadata, prefix)
        self.projections = projections_table(self.metadata, prefix)

    def documents(self, aggregate_type: type[AggregateRoot[Any]]) -> Table:
        """The table of the documents of this class; two classes of one collection name share it.

        Raises ``ConfigurationError`` when the toolkit has a table of that name itself.
        """
        name = f"{self.prefix}{aggregate_type.collection_name}"
        full_name = name if self.schema is None else f"{self.schema}.{name}"
        if full_name in self.metadata.tables:
            raise ConfigurationError(
                f"{aggregate_type.__name__} would be kept in {full_name}, which is a table of the toolkit itself. "
                "Set collection_name on the class, or use tables of another prefix: Tables(prefix=…)."
            )
        known = self.document_metadata.tables.get(full_name)
        return documents_table(self.document_metadata, self.prefix, aggregate_type) if known is None else known

    def __repr__(self) -> str:
        return f"Tables(prefix={self.prefix!r}, schema={self.schema!r})"


TABLES: Final = Tables()
"""The tables with the usual prefix, in the schema that the connection uses."""

metadata: Final = TABLES.metadata
"""The ``MetaData`` of ``TABLES``."""
