"""Somebody who brings events to handlers: the part of the dispatcher that sagas and projections need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.domain.event import DomainEvent

__all__ = ["IEventDispatcher"]


@runtime_checkable
class IEventDispatcher(Protocol):
    """Runs the event handlers of this process, in order."""

    def register(
        self, event_type: type[Any], handler: Callable[[Any], Awaitable[None] | None], *, when: Any = ...
    ) -> None:
        """Run ``handler`` for events of this class and its subclasses."""
        ...

    async def dispatch(self, events: Iterable[DomainEvent], *, when: Any = ...) -> Any:
        """Run the handlers of these events, in order."""
        ...
