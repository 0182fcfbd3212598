"""No event of an event-sourced aggregate gets past its stream."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from cqrs_ddd_advanced_core.event_sourcing.sourcing import EventSourcing
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.middleware import Stage
from cqrs_ddd_core.ports.unit_of_work import get_current_uow
from cqrs_ddd_core.primitives.exceptions import EventSourcedAggregateRequiredError, EventStoreError

__all__ = ["EventSourcingGuard"]


class EventSourcingGuard:
    """An event sink that stores nothing: it refuses events that no stream would get.

    The events of an event-sourced aggregate are appended by its store, which knows the aggregates that were loaded or
    added in the unit of work. An event that a handler returns without either would be told to everybody and be in no
    stream.
    """

    stage: Final = Stage.INSIDE
    priority: Final = 10

    def __init__(
        self, sourcing: EventSourcing, *, enforce_registration: bool = False, state_stored: Collection[str] = ()
    ) -> None:
        """``enforce_registration`` refuses events of aggregates that are neither event-sourced nor ``state_stored``."""
        self._sourcing = sourcing
        self._enforce = enforce_registration
        self._state_stored = frozenset(state_stored)

    def describe(self) -> str:
        names = ", ".join(sorted(each.aggregate_type for each in self._sourcing.aggregates()))
        return f"{names or 'no aggregate yet'}: kept as events in {type(self._sourcing.event_store).__name__}"

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        kept = get_current_uow().kept_event_ids(events)
        for event in events:
            if event.event_id in kept or event.aggregate_type is None:
                continue
            if self._sourcing.is_event_sourced(event.aggregate_type):
                raise EventStoreError(
                    f"{event.event_type} of {event.aggregate_type} {event.aggregate_id!r} would be in no stream: its "
                    "aggregate was not loaded or added in this unit of work, or did not record it. "
                    "Use aggregate.add_event(…), and add new aggregates: await uow.orders.add(order)."
                )
            if self._enforce and event.aggregate_type not in self._state_stored:
                raise EventSourcedAggregateRequiredError(event.aggregate_type)
