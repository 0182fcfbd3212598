"""What came of an undo, or would come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.undo import UndoToken

__all__ = ["Dependent", "UndoPreview", "UndoResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """Something that came later and stands or falls with what is to be taken back."""

    event: DomainEvent
    """What came later."""
    because_of: DomainEvent
    """What it depends on."""

    def __str__(self) -> str:
        event = self.event
        return (
            f"{event.event_type} of {event.aggregate_type} {event.aggregate_id!r} at version {event.aggregate_version} "
            f"depends on {self.because_of.event_type}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoResult:
    """What was done."""

    tokens: tuple[UndoToken, ...]
    """The tokens that were used, in that order, as they are now."""
    events: tuple[DomainEvent, ...]
    """What the aggregates of the tokens recorded."""
    commands: tuple[Command[Any], ...] = ()
    """What was sent."""
    forced: tuple[Dependent, ...] = ()
    """What depended on it, and was passed over because of ``force``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPreview:
    """What would be done now. Nothing was."""

    tokens: tuple[UndoToken, ...]
    events: tuple[DomainEvent, ...]
    """What the aggregates of the tokens would record."""
    commands: tuple[Command[Any], ...]
    """What would be sent; what came of it is not known."""
    dependents: tuple[Dependent, ...]
    """What would refuse it, unless it is forced."""
    problem: str | None
    """Why it is impossible even when it is forced; None when it is possible."""

    @property
    def is_possible(self) -> bool:
        """Whether it would work without force."""
        return self.problem is None and not self.dependents
