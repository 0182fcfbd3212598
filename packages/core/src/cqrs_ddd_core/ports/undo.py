"""What can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["IUndoTokenRepository", "UndoToken", "UndoTokenStatus"]


class UndoTokenStatus(StrEnum):
    """Whether a token can be used, and for what."""

    AVAILABLE = "available"
    UNDONE = "undone"
    REDONE = "redone"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoToken:
    """The right to take back what one command did to one aggregate."""

    aggregate_type: str
    aggregate_id: str
    event_ids: tuple[str, ...]
    """The events to take back, oldest first."""
    from_version: int
    """The aggregate's version before the first of them."""
    to_version: int
    """Its version after the last of them."""
    token_id: str = field(default_factory=new_id)
    status: UndoTokenStatus = UndoTokenStatus.AVAILABLE
    command_id: str | None = None
    """Tokens of one command belong together."""
    expires_at: datetime | None = None
    undo_event_ids: tuple[str, ...] = ()
    """The events that took it back."""
    version: int = 0
    """Set by the repository: 1 when added, one more with every change."""
    created_at: datetime = field(default_factory=utc_now)
    updated_at: datetime = field(default_factory=utc_now)
    tenant_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


@runtime_checkable
class IUndoTokenRepository(Protocol):
    """Undo tokens, in the current tenant. Everything joins the open unit of work of the same database."""

    async def add(self, token: UndoToken) -> UndoToken:
        """Store a new token. Raises ``OptimisticConcurrencyError`` for an id that exists."""
        ...

    async def get(self, token_id: str) -> UndoToken | None: ...

    async def save(self, token: UndoToken) -> UndoToken:
        """Store a changed token and return it with its new version.

        Raises ``OptimisticConcurrencyError`` when the stored version is not ``token.version``.
        """
        ...

    async def for_aggregate(self, aggregate_type: str, aggregate_id: str) -> Sequence[UndoToken]:
        """The tokens of one aggregate, the newest first."""
        ...

    async def for_command(self, command_id: str) -> Sequence[UndoToken]:
        """The tokens of one command, in order of creation."""
        ...

    async def purge(self, *, expired_before: datetime, limit: int = 1000) -> int:
        """Remove at most ``limit`` tokens of all tenants that expired before a time; how many that were."""
        ...
