"""Events into the event store, in the commit of the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.event_store import ANY_VERSION, IEventStore, StoredEvent, StreamAppend
from cqrs_ddd_core.ports.middleware import Stage
from cqrs_ddd_core.ports.unit_of_work import ensure_joined, get_current_uow

__all__ = ["EventStorePersistenceMiddleware"]


class EventStorePersistenceMiddleware:
    """Appends the events of commands to their streams, all or none of a command's.

    Events carry the version that their aggregate reached with them, so a stream has no gaps that its aggregate did not
    have, and two commands that raced for one version cannot both commit. An event that belongs to no aggregate belongs
    to no stream: it fails the command (``EventStoreError``).

    The events of event-sourced aggregates are left to their stores, which append them when the unit of work writes.

    An event store that would not take part in the unit of work is refused at the first event (``PipelineError``).
    """

    stage: Final = Stage.INSIDE
    priority: Final = 20

    def __init__(self, event_store: IEventStore, serializer: EventSerializer | None = None) -> None:
        self._event_store = event_store
        self._serializer = EventSerializer() if serializer is None else serializer

    def describe(self) -> str:
        return f"appends every event to its stream in {type(self._event_store).__name__}"

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        uow = get_current_uow()
        ensure_joined(self._event_store, uow, "events must be stored if, and only if, the state is")
        streams: dict[tuple[str, str], list[StoredEvent]] = {}
        kept = uow.kept_event_ids(events)
        for event in events:
            if event.event_id in kept:
                continue
            stored = self._serializer.to_stored(event)
            streams.setdefault((stored.aggregate_type, stored.aggregate_id), []).append(stored)
        if not streams:
            return
        await self._event_store.append_batch(
            [StreamAppend(events=stream, expected_version=ANY_VERSION) for stream in streams.values()]
        )
