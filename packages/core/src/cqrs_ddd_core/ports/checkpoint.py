"""How far a reader of the event log has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

__all__ = ["Checkpoint", "ICheckpointStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far one reader has come, and which of its workers may say so."""

    name: str
    """The projection, with its partition if it has any."""
    position: int
    """The last position that is done; 0 for none."""
    epoch: int
    """Rises with every takeover. Only the worker that took over last may move the checkpoint."""
    updated_at: datetime


@runtime_checkable
class ICheckpointStore(Protocol):
    """Checkpoints by name. Reading and moving join the open unit of work of the same database."""

    async def get(self, name: str) -> Checkpoint | None:
        """The checkpoint, or None when nobody has ever taken it over."""
        ...

    async def take_over(self, name: str) -> Checkpoint:
        """Become the one worker that may move it. Starts at position 0 when it is new. Commits at once if it can."""
        ...

    async def advance(self, checkpoint: Checkpoint, position: int) -> Checkpoint:
        """Move to a higher position and return the new checkpoint.

        Raises ``LeaseLostError``, here or at the commit, when another worker has taken over since; ``ValueError``
        for a position that is not higher.
        """
        ...

    async def reset(self, name: str, position: int = 0) -> Checkpoint:
        """Set it to any position and shut out whoever works on it now."""
        ...

    async def list_all(self) -> list[Checkpoint]:
        """All checkpoints in order of name."""
        ...
