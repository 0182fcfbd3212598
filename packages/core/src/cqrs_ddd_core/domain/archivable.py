"""Put aside instead of deleted."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel

from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import InvariantViolationError

__all__ = ["ArchivableMixin"]


class ArchivableMixin(BaseModel):
    """Adds ``archived_at`` and ``archived_by``, and the two transitions between active and archived."""

    archived_at: AwareDatetime | None = None
    archived_by: str | None = None

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None

    def archive(self, by: str | None = None) -> None:
        """Put aside. Raises ``InvariantViolationError`` when it is archived already."""
        if self.is_archived:
            raise InvariantViolationError(f"Already archived at {self.archived_at}.")
        self.archived_at, self.archived_by = utc_now(), by

    def restore(self) -> None:
        """Take back. Raises ``InvariantViolationError`` when it is not archived."""
        if not self.is_archived:
            raise InvariantViolationError("Not archived, so it cannot be restored.")
        self.archived_at = self.archived_by = None
