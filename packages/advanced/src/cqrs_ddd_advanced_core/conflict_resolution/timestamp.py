"""The newer state wins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cqrs_ddd_advanced_core.conflict_resolution.strategy import IMergeStrategy
from cqrs_ddd_advanced_core.conflict_resolution.values import NO_BASE, look_up

__all__ = ["TimestampLastWinsStrategy"]


class TimestampLastWinsStrategy(IMergeStrategy):
    """Gives the state with the later time of change, ``incoming`` when they are equal.

    ``timestamp_field`` is a key, an attribute, or a function. A time is a ``datetime`` or a text in ISO 8601; one
    without a zone is taken as UTC. When a state has none, ``existing`` stays, or ``incoming`` wins with
    ``fallback_to_incoming``.
    """

    def __init__(
        self, timestamp_field: str | Callable[[Any], Any] = "modified_at", *, fallback_to_incoming: bool = False
    ) -> None:
        self._field = timestamp_field
        self._fallback_to_incoming = fallback_to_incoming

    def merge(self, existing: Any, incoming: Any, base: Any = NO_BASE) -> Any:
        """Raises ``ValueError`` or ``TypeError`` for a time that cannot be read."""
        theirs, ours = self._time_of(existing), self._time_of(incoming)
        if theirs is None or ours is None:
            return incoming if self._fallback_to_incoming else existing
        return incoming if ours >= theirs else existing

    def _time_of(self, state: Any) -> datetime | None:
        found: Any = look_up(state, self._field)
        if found is None:
            return None
        time = datetime.fromisoformat(found) if isinstance(found, str) else found
        if not isinstance(time, datetime):
            raise TypeError(f"The time of a change is a datetime or a text in ISO 8601, found {found!r}.")
        return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
