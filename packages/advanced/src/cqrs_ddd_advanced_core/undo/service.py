"""Tokens: who may take back what, and until when."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cqrs_ddd_advanced_core.event_sourcing.replay import hydrate
from cqrs_ddd_advanced_core.undo.methods import MethodUndoPolicy
from cqrs_ddd_advanced_core.undo.policy import UndoPolicy, UndoPolicyRegistry
from cqrs_ddd_core.adapters.arguments import longer_than_nothing
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.aggregate import AggregateRoot, known_collections
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.ports.event_store import IEventStore
from cqrs_ddd_core.ports.undo import IUndoTokenRepository, UndoToken
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    UndoError,
    UndoTokenNotFoundError,
    UnknownTypeError,
)

__all__ = ["UndoService"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wiring:
    """What a service was made of, besides its event store."""

    repository: IUndoTokenRepository
    policies: UndoPolicyRegistry
    aggregates: tuple[type[AggregateRoot[Any]], ...]
    ttl: timedelta | None
    event_registry: EventTypeRegistry | None
    upcaster_registry: IUpcasterRegistry | None


# The newest service of each event store: an executor is given the event store and finds the service by it. A service
# knows its event store, so what is kept here is all but that; otherwise neither would ever be let go.
_wirings: weakref.WeakKeyDictionary[Any, _Wiring] = weakref.WeakKeyDictionary()


class UndoService:
    """Gives out tokens for what commands did. ``UndoExecutor`` uses them.

    How events are taken back is said by policies, or by methods of their aggregates: ``undo_OrderPlaced(self, event)``,
    and ``redo_OrderPlaced`` where taking back is not simply undone. A policy counts more than a method.
    """

    def __init__(
        self,
        event_store: IEventStore,
        repository: IUndoTokenRepository,
        *,
        policies: UndoPolicyRegistry | Iterable[UndoPolicy[Any]] = (),
        aggregates: Iterable[type[AggregateRoot[Any]]] = (),
        ttl: timedelta | None = timedelta(days=1),
        event_registry: EventTypeRegistry | None = None,
        upcaster_registry: IUpcasterRegistry | None = None,
    ) -> None:
        """Put the parts together.

        ``event_store`` holds the events of the aggregates: they are event-sourced, or the mediator has an
        ``EventStorePersistenceMiddleware``. ``ttl`` is how long tokens are good; None for ever. ``aggregates`` says
        which class is meant where several have one ``aggregate_type``. ``upcaster_registry`` is for event stores that
        were not given one.
        """
        if ttl is not None:
            longer_than_nothing(ttl, "ttl")
        registry = policies if isinstance(policies, UndoPolicyRegistry) else UndoPolicyRegistry(*policies)
        self._start(
            event_store,
            _Wiring(
                repository=repository,
                policies=registry,
                aggregates=tuple(aggregates),
                ttl=ttl,
                event_registry=event_registry,
                upcaster_registry=upcaster_registry,
            ),
        )
        try:
            _wirings[event_store] = self._wiring
        except TypeError:  # it cannot be referred to weakly: then executors have to be given their service
            return

    def _start(self, event_store: IEventStore, wiring: _Wiring) -> None:
        self.event_store = event_store
        self.repository = wiring.repository
        self.policies = wiring.policies
        self._wiring = wiring
        self._serializer = EventSerializer(wiring.event_registry)

    @classmethod
    def of(cls, event_store: IEventStore) -> UndoService:
        """The service that was made last for this event store. Raises ``ConfigurationError`` when there is none."""
        try:
            wiring = _wirings.get(event_store)
        except TypeError:
            wiring = None
        if wiring is None:
            raise ConfigurationError(
                f"No UndoService is known for this {type(event_store).__name__}: make one first, "
                "UndoService(event_store=…, repository=…), or give the executor one, undo_service=…."
            )
        service = cls.__new__(cls)
        service._start(event_store, wiring)
        return service

    # ------------------------------------------------------------------ tokens

    async def create_token(
        self,
        aggregate_id: Any,
        aggregate_type: str | type[AggregateRoot[Any]],
        events: Iterable[DomainEvent],
        *,
        command_id: str | None = None,
        expires_in: timedelta | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> UndoToken:
        """A token for what a command did to one aggregate. Call it when the command is done.

        ``events`` are those of the response; what happened to other aggregates needs tokens of its own. Tokens of one
        command are used together; ``command_id`` is found in the events. ``expires_in`` replaces the service's ttl.

        Raises ``UndoError`` when no event belongs to the aggregate, or one is not in the event store.
        """
        name = aggregate_type if isinstance(aggregate_type, str) else aggregate_type.aggregate_type
        own = [event for event in events if (event.aggregate_type, event.aggregate_id) == (name, str(aggregate_id))]
        if not own:
            raise UndoError(
                f"None of the events belongs to {name} {str(aggregate_id)!r}, so there is nothing to take back: give "
                "the id and type of the aggregate that they happened to."
            )
        versions = await self._stored_versions(name, str(aggregate_id), own)
        causes = {event.causation_id for event in own}
        ttl = self._wiring.ttl if expires_in is None else longer_than_nothing(expires_in, "expires_in")
        return await self.repository.add(
            UndoToken(
                aggregate_type=name,
                aggregate_id=str(aggregate_id),
                event_ids=tuple(event.event_id for event in own),
                from_version=min(versions) - 1,
                to_version=max(versions),
                command_id=command_id or (causes.pop() if len(causes) == 1 else None),
                expires_at=None if ttl is None else utc_now() + ttl,
                metadata=dict(metadata or {}),
            )
        )

    async def create_tokens(
        self, events: Sequence[DomainEvent], *, command_id: str | None = None, expires_in: timedelta | None = None
    ) -> list[UndoToken]:
        """A token for each aggregate that something has happened to, in the order in which that began."""
        aggregates = dict.fromkeys((event.aggregate_type, event.aggregate_id) for event in events)
        return [
            await self.create_token(aggregate_id, aggregate_type, events, command_id=command_id, expires_in=expires_in)
            for aggregate_type, aggregate_id in aggregates
            if aggregate_type is not None and aggregate_id is not None
        ]

    async def get(self, token_id: str) -> UndoToken:
        """The token. Raises ``UndoTokenNotFoundError``."""
        token = await self.repository.get(token_id)
        if token is None:
            raise UndoTokenNotFoundError(token_id)
        return token

    async def purge_expired(self, *, limit: int = 1000) -> int:
        """Remove at most ``limit`` tokens of all tenants that are not good any more; how many that were."""
        return await self.repository.purge(expired_before=utc_now(), limit=limit)

    # ------------------------------------------------------------------ for executors

    async def history(self, token: UndoToken, *, since: int) -> list[DomainEvent]:
        """What has happened to the aggregate of the token after version ``since``."""
        stored = await self.event_store.read_stream(token.aggregate_type, token.aggregate_id, after_version=since)
        return hydrate(stored, self._serializer, self._wiring.upcaster_registry)

    def aggregate_class(self, token: UndoToken) -> type[AggregateRoot[Any]]:
        """The class of the aggregate. Raises ``UnknownTypeError``; ``ConfigurationError`` when two have the name."""
        name = token.aggregate_type
        found = [each for each in self._wiring.aggregates if each.aggregate_type == name]
        if not found:
            found = [each for each in known_collections if each.aggregate_type == name]
        if not found:
            raise UnknownTypeError("aggregate", name, sorted({each.aggregate_type for each in known_collections}))
        if len(found) > 1:
            paths = " and ".join(f"{cls.__module__}.{cls.__qualname__}" for cls in found)
            raise ConfigurationError(f"{paths} are called {name!r}: name one, UndoService(…, aggregates=[…]).")
        return found[0]

    def policy(self, aggregate_cls: type[AggregateRoot[Any]], event: DomainEvent) -> UndoPolicy[Any] | None:
        """What takes this event back; None when nobody said how."""
        policy = self.policies.get(type(event))
        return policy if policy is not None else MethodUndoPolicy.find(aggregate_cls, type(event))

    async def _stored_versions(
        self, aggregate_type: str, aggregate_id: str, events: Sequence[DomainEvent]
    ) -> list[int]:
        known = [event.aggregate_version for event in events if event.aggregate_version is not None]
        complete = len(known) == len(events)
        stored = await self.event_store.read_stream(
            aggregate_type,
            aggregate_id,
            after_version=min(known) - 1 if complete else 0,
            up_to_version=max(known) if complete else None,
        )
        by_id = {event.event_id: event.version for event in stored}
        missing = [event for event in events if event.event_id not in by_id]
        if missing:
            raise UndoError(
                f"{missing[0].event_type} of {aggregate_type} {aggregate_id!r} is not in the event store. Make the "
                "token after the command; and where aggregates are not event-sourced, let an "
                "EventStorePersistenceMiddleware store their events."
            )
        return [by_id[event.event_id] for event in events]
