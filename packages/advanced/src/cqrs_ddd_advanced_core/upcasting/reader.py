"""Reading events of an event store that knows no upcasters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from cqrs_ddd_core.ports.event_store import IEventStore, StoredEvent
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry

__all__ = ["UpcastingEventReader"]


class UpcastingEventReader:
    """The reading half of an ``IEventStore``, with upcasters applied.

    Not needed where the event store was given the upcasters itself, which is the better place for them.
    """

    def __init__(self, event_store: IEventStore, upcaster_registry: IUpcasterRegistry) -> None:
        self._event_store = event_store
        self._upcasters = upcaster_registry

    async def read_stream(
        self,
        aggregate_type: str,
        aggregate_id: str,
        *,
        after_version: int = 0,
        up_to_version: int | None = None,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """``limit`` counts stored events; they may have become more, or fewer."""
        return self._upcast(
            await self._event_store.read_stream(
                aggregate_type, aggregate_id, after_version=after_version, up_to_version=up_to_version, limit=limit
            )
        )

    async def stream_version(self, aggregate_type: str, aggregate_id: str) -> int:
        return await self._event_store.stream_version(aggregate_type, aggregate_id)

    async def read_all(
        self,
        after_position: int = 0,
        *,
        limit: int = 1000,
        event_types: Iterable[str] | None = None,
        tenant_id: str | None = None,
    ) -> Sequence[StoredEvent]:
        """Events behind a position, in order; ``limit`` counts stored ones. Empty when there are none yet.

        ``event_types`` are the names of today: a stored event of another name may have become one of them.
        """
        wanted = None if event_types is None else frozenset(event_types)
        position = after_position
        while True:
            batch = await self._event_store.read_all(position, limit=limit, tenant_id=tenant_id)
            found = [event for event in self._upcast(batch) if wanted is None or event.event_type in wanted]
            # An empty answer must mean the end, not that everything in this part was left out.
            if found or not batch:
                return found
            position = batch[-1].position or position + 1

    async def subscribe(
        self, after_position: int = 0, *, batch_size: int = 1000, event_types: Iterable[str] | None = None
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        wanted = None if event_types is None else frozenset(event_types)
        async for batch in self._event_store.subscribe(after_position, batch_size=batch_size):
            found = [event for event in self._upcast(batch) if wanted is None or event.event_type in wanted]
            if found:
                yield found

    async def latest_position(self) -> int:
        return await self._event_store.latest_position()

    def _upcast(self, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        return [upcast for event in events for upcast in self._upcasters.upcast(event)]
