"""Events into the outbox, in the commit of the command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.outbox.buffered import BufferedOutbox
from cqrs_ddd_core.cqrs.outbox.service import OutboxService
from cqrs_ddd_core.cqrs.outbox.writing import save_events
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.middleware import Stage
from cqrs_ddd_core.ports.outbox import IOutboxStorage
from cqrs_ddd_core.ports.unit_of_work import ensure_joined, get_current_uow
from cqrs_ddd_core.primitives.exceptions import PipelineError

__all__ = ["OutboxMiddleware"]


class OutboxMiddleware:
    """Puts the events of commands into an outbox, from which a relay publishes them.

    ``outbox`` is a ``BufferedOutbox``, whose relay wakes when the command has committed; or an ``OutboxService`` or
    an ``IOutboxStorage``, which another process relays. The topic of an event is its ``@route_to`` key, else the name
    of its type; its key is the id of its aggregate, so that the events of one aggregate stay in order.

    An outbox that would not take part in the unit of work is refused at the first event (``PipelineError``).
    """

    stage: Final = Stage.INSIDE
    priority: Final = 30

    def __init__(
        self, outbox: BufferedOutbox | OutboxService | IOutboxStorage, *, serializer: EventSerializer | None = None
    ) -> None:
        """``serializer`` is for a storage; the others have their own."""
        self._outbox = outbox
        self._serializer = EventSerializer() if serializer is None else serializer
        if isinstance(outbox, BufferedOutbox | OutboxService):
            self._storage = outbox.storage
        elif callable(getattr(outbox, "lease", None)):
            self._storage = outbox
        else:
            raise PipelineError(
                "OutboxMiddleware takes a BufferedOutbox, an OutboxService or an outbox storage, found "
                f"{type(outbox).__name__}. Publishing straight from here would send events that are never committed: "
                "write OutboxMiddleware(BufferedOutbox(storage=…, broker=…))."
            )

    def describe(self) -> str:
        return f"puts every event into {type(self._storage).__name__}, to be published after the commit"

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        ensure_joined(
            self._storage, get_current_uow(), "events must be published if, and only if, the state is committed"
        )
        if isinstance(self._outbox, BufferedOutbox | OutboxService):
            await self._outbox.add(events)
        else:
            await save_events(self._storage, events, self._serializer)
