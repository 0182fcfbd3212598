"""What turns the data of an old event into that of a newer one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

__all__ = ["EventUpcaster", "UpcastContext", "UpcastEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcastContext:
    """What is known of the event besides its payload."""

    event_type: str
    schema_version: int
    event_id: str
    aggregate_type: str
    aggregate_id: str
    version: int
    """Its place in the stream."""
    occurred_at: datetime
    metadata: dict[str, Any]
    correlation_id: str | None
    causation_id: str | None
    tenant_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcastEvent:
    """One of the events that an old one has become, where it is of another type than the upcaster says."""

    event_type: str
    payload: dict[str, Any]
    schema_version: int = 1
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """Added to the metadata of the old event."""


class EventUpcaster:
    """Brings events of one type from one schema version to a later one. Nothing stored is changed.

    ``supported_type`` is the stable name of the event type. ``to_version`` is the next version unless it is set.
    ``to_type`` is the name that the type has from then on, where it was renamed.

    ``upcast`` gets a copy of the payload, which it may change, and returns the new one. A list makes several events
    of one (of the new type, or ``UpcastEvent`` for others). What it makes goes on through the upcasters of its own
    type and version. It decides by what it is given and nothing else: the same event must become the same at every
    reading. It cannot make nothing of an event, or the version that the stream reached with it would be lost: an
    event that means nothing any more keeps its class, and what applies it does nothing.

    Override ``upcast_in_context`` instead where more than the payload is needed.
    """

    supported_type: ClassVar[str] = ""
    from_version: ClassVar[int] = 0
    to_version: ClassVar[int] = 0
    to_type: ClassVar[str] = ""

    def upcast(self, payload: dict[str, Any]) -> dict[str, Any] | Sequence[dict[str, Any] | UpcastEvent]:
        """The payload in the new version, or several."""
        raise NotImplementedError(f"{type(self).__name__} needs a method upcast(payload).")

    def upcast_in_context(
        self, payload: dict[str, Any], context: UpcastContext
    ) -> dict[str, Any] | Sequence[dict[str, Any] | UpcastEvent]:
        """The same, knowing what else is known of the event."""
        return self.upcast(payload)
