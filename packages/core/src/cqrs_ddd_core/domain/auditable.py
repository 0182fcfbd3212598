"""When something was created and last changed."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, Field

from cqrs_ddd_core.primitives.clock import utc_now

__all__ = ["AuditableMixin"]


class AuditableMixin(BaseModel):
    """Adds ``created_at`` and ``updated_at`` (UTC). Call ``touch()`` in every method that changes the state."""

    created_at: AwareDatetime = Field(default_factory=utc_now)
    updated_at: AwareDatetime = Field(default_factory=utc_now)

    def touch(self) -> None:
        self.updated_at = utc_now()
