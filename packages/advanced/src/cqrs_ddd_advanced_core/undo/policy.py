"""How events of one type are taken back, and done again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.undo import UndoToken
from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["UndoContext", "UndoPolicy", "UndoPolicyRegistry", "UndoStep", "UndoSteps"]

type UndoStep = DomainEvent | Command[Any]
"""A compensating event, which the aggregate records, or a command, which is sent in the same transaction."""
type UndoSteps = Sequence[UndoStep] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoContext:
    """What a policy may look at when it decides."""

    aggregate: AggregateRoot[Any] | None
    """As it is now, with what was taken back before it in the same transaction; None when it is not there."""
    token: UndoToken
    history: tuple[DomainEvent, ...]
    """What has happened to the aggregate since the first event of the token, that event included."""
    later: tuple[DomainEvent, ...]
    """What has happened after the events of the token and stands."""


class UndoPolicy[E: DomainEvent](ABC):
    """Says how events of one class, and of its subclasses, are taken back.

    It decides against the aggregate as it is now. It may call methods of the aggregate, return events for it to record
    (for aggregates that say what their events change), return commands, or do nothing when nothing is left to do. To
    refuse, raise ``UndoError``.
    """

    event_type: ClassVar[type[DomainEvent]]

    @abstractmethod
    def undo(self, event: E, context: UndoContext, /) -> UndoSteps | Awaitable[UndoSteps]:
        """Take back what this event did. May be a coroutine function."""

    def redo(self, event: E, context: UndoContext, /) -> UndoSteps | Awaitable[UndoSteps]:
        """Do again what was taken back. Without it, the events that took it back are themselves taken back."""
        raise NotImplementedError

    def can_undo(self, event: E, context: UndoContext, /) -> bool | Awaitable[bool]:
        """Whether it can be taken back now."""
        return True

    def depends_on(self, later: DomainEvent, event: E, /) -> bool:
        """Whether something that came later stands or falls with this event. Everything does unless you know better."""
        return True


class UndoPolicyRegistry:
    """Policies by event class. The nearest class of an event counts."""

    def __init__(self, *policies: UndoPolicy[Any]) -> None:
        self._policies: dict[type[DomainEvent], UndoPolicy[Any]] = {}
        for policy in policies:
            self.register(policy)

    def register(self, policy: UndoPolicy[Any]) -> None:
        """Add one. Raises ``ConfigurationError`` for a second one of an event class, and for one without a class."""
        event_type: Any = getattr(policy, "event_type", None)
        if not (isinstance(event_type, type) and issubclass(event_type, DomainEvent)):
            raise ConfigurationError(
                f"{type(policy).__name__} does not say which events it takes back: event_type = OrderPlaced."
            )
        known = self._policies.setdefault(event_type, policy)
        if known is not policy:
            raise ConfigurationError(
                f"{event_type.__name__} is taken back by {type(known).__name__} already; {type(policy).__name__} would "
                "be a second way."
            )

    def get(self, event_type: type[DomainEvent]) -> UndoPolicy[Any] | None:
        """The policy for events of this class; None when there is none."""
        for cls in event_type.__mro__:
            policy = self._policies.get(cls)
            if policy is not None:
                return policy
        return None

    def has(self, event_type: type[DomainEvent]) -> bool:
        return self.get(event_type) is not None

    def list_event_types(self) -> tuple[type[DomainEvent], ...]:
        """The event classes that have a policy of their own."""
        return tuple(self._policies)

    def clear(self) -> None:
        self._policies.clear()
