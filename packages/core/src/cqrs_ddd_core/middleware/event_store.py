"""Events into the event store, in the same commit as the state."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.event_store import ANY_VERSION, IEventStore, StreamAppend
from cqrs_ddd_core.ports.middleware import Stage

__all__ = ["EventStorePersistenceMiddleware"]


class EventStorePersistenceMiddleware:
    """An event sink that appends every event of a command to the stream of its aggregate.

    The events carry the versions of their aggregates, so that two writers of one aggregate cannot both win. An event
    that belongs to no aggregate is an error: nothing is left out silently.
    """

    stage = Stage.INSIDE
    priority = 20

    def __init__(self, event_store: IEventStore, *, serializer: EventSerializer | None = None) -> None:
        self._event_store = event_store
        self._serializer = serializer or EventSerializer()

    def describe(self) -> str:
        return f"events are appended to {type(self._event_store).__name__}"

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        stored = [self._serializer.to_stored(event) for event in events]
        runs = groupby(stored, key=lambda event: (event.aggregate_type, event.aggregate_id))
        await self._event_store.append_batch(
            [StreamAppend(events=tuple(run), expected_version=ANY_VERSION) for _, run in runs]
        )
