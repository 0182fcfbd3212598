"""Aggregates that know by themselves how their events are taken back."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast, override

from cqrs_ddd_advanced_core.undo.policy import UndoContext, UndoPolicy, UndoSteps
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.type_name import snake_case
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, UndoError

__all__ = ["MethodUndoPolicy", "redoes", "undoes"]

_UNDOES = "__cqrs_ddd_undoes__"
_REDOES = "__cqrs_ddd_redoes__"
type _Dependents = tuple[type[DomainEvent], ...] | None


def undoes[F: Callable[..., Any]](
    event_type: type[DomainEvent], *, dependents: tuple[type[DomainEvent], ...] | None = None
) -> Callable[[F], F]:
    """Let a method of an aggregate take back events of this class, whatever its name is.

    ``dependents`` are the classes of events that stand or fall with it; every later event when it is left out. Without
    the mark a method ``undo_OrderPlaced(self, event)`` or ``undo_order_placed`` does the same.
    """

    def mark(method: F) -> F:
        setattr(method, _UNDOES, {**getattr(method, _UNDOES, {}), event_type: dependents})
        return method

    return mark


def redoes[F: Callable[..., Any]](event_type: type[DomainEvent]) -> Callable[[F], F]:
    """Let a method of an aggregate do again what was taken back; or name it ``redo_OrderPlaced(self, event)``."""

    def mark(method: F) -> F:
        setattr(method, _REDOES, {**getattr(method, _REDOES, {}), event_type: None})
        return method

    return mark


class MethodUndoPolicy(UndoPolicy[DomainEvent]):
    """The policy that the methods of an aggregate class amount to, for one event class."""

    def __init__(self, undo: str, redo: str | None, dependents: _Dependents) -> None:
        self._undo, self._redo, self._dependents = undo, redo, dependents

    @classmethod
    def find(cls, aggregate_cls: type[AggregateRoot[Any]], event_type: type[DomainEvent]) -> MethodUndoPolicy | None:
        """The policy for events of this class; None when the aggregate has no method for them.

        Raises ``ConfigurationError`` for two methods.
        """
        for event_cls in event_type.__mro__:
            if not issubclass(event_cls, DomainEvent) or event_cls is DomainEvent:
                continue
            undo = _method(aggregate_cls, "undo", _UNDOES, event_cls)
            if undo is not None:
                redo = _method(aggregate_cls, "redo", _REDOES, event_cls)
                marks: dict[Any, _Dependents] = getattr(getattr(aggregate_cls, undo), _UNDOES, {})
                return cls(undo, redo, marks.get(event_cls))
        return None

    @property
    def can_redo(self) -> bool:
        return self._redo is not None

    @override
    def undo(self, event: DomainEvent, context: UndoContext, /) -> UndoSteps | Awaitable[UndoSteps]:
        return _call(self._undo, event, context)

    @override
    def redo(self, event: DomainEvent, context: UndoContext, /) -> UndoSteps | Awaitable[UndoSteps]:
        if self._redo is None:
            raise NotImplementedError
        return _call(self._redo, event, context)

    @override
    def depends_on(self, later: DomainEvent, event: DomainEvent, /) -> bool:
        return self._dependents is None or isinstance(later, self._dependents)


def _call(method: str, event: DomainEvent, context: UndoContext) -> UndoSteps | Awaitable[UndoSteps]:
    aggregate = context.aggregate
    if aggregate is None:
        token = context.token
        raise UndoError(
            f"{token.aggregate_type} {token.aggregate_id!r} is not there any more, so that it could take back "
            f"{event.event_type}: give the UndoService a policy for this event."
        )
    return cast("UndoSteps", getattr(aggregate, method)(event))


def _method(aggregate_cls: type[Any], prefix: str, mark: str, event_cls: type[DomainEvent]) -> str | None:
    found: dict[str, None] = {}
    for name in (f"{prefix}_{event_cls.__name__}", f"{prefix}_{snake_case(event_cls.__name__)}"):
        if inspect.isroutine(getattr(aggregate_cls, name, None)):
            found[name] = None
    for cls in aggregate_cls.__mro__:
        for name, value in vars(cls).items():
            if event_cls in getattr(value, mark, {}):
                found[name] = None
    if len(found) > 1:
        raise ConfigurationError(
            f"{aggregate_cls.__qualname__} has {' and '.join(found)} to {prefix} {event_cls.__name__}: keep one."
        )
    return next(iter(found), None)
