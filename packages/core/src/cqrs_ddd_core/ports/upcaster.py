"""From events as they were stored to events as the code of today knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from cqrs_ddd_core.ports.event_store import StoredEvent

__all__ = ["IUpcasterRegistry"]


@runtime_checkable
class IUpcasterRegistry(Protocol):
    """Applied by every reader of stored events. Nothing stored is changed."""

    def upcast(self, event: StoredEvent, /) -> Sequence[StoredEvent]:
        """The event in the newest schema version: itself, changed, or split into several (or none).

        All results keep the event's version and position. Raises ``SerializationError`` when an upcaster fails.
        """
        ...
