"""Aggregates in a cache, such that nothing older than the last save comes out."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.domain.aggregate import AggregateRoot, mark_persisted
from cqrs_ddd_core.ports.cache import ICacheService
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["AggregateCache", "Lookup"]

logger = logging.getLogger(__name__)

_CLOSED = "closed"


@dataclass(slots=True, kw_only=True)
class Lookup[T]:
    """What the cache knew, and what it may be told."""

    found: dict[Any, T] = field(default_factory=dict[Any, Any])
    """Aggregates by id, each a new object with the version it was stored with."""
    generations: dict[Any, str] = field(default_factory=dict[Any, str])
    """For the ids that may be filled once the database has been read: as which generation."""


class AggregateCache[T: AggregateRoot[Any]]:
    """Two entries for each aggregate: its generation, and its state with the generation that it belongs to.

    A state counts only while its generation is the current one. Who finds none draws a generation, *then* reads the
    database, then puts the state in. Who saves ends the generation after the commit. So a state that was read before
    the save can arrive as late as it likes: its generation is over. That an entry vanishes does no harm, generations
    never come back.

    A cache that fails is as good as an empty one; a warning says so.
    """

    def __init__(self, cache: ICacheService, *, ttl: float, guard: float) -> None:
        self._cache = cache
        self._ttl = ttl
        self._guard = guard
        self._has_refused = False

    def key(self, aggregate_type: type[T], entity_id: object) -> str:
        """Where an aggregate of the current tenant is. Different for the id 1 and the id "1"."""
        tenant_id = get_current_tenant_or_none()
        parts = (
            "aggregate",
            aggregate_type.aggregate_type,
            "" if tenant_id is None else f"tenant-{tenant_id}",
            type(entity_id).__name__,
            str(entity_id),
        )
        return ":".join(quote(part, safe="") for part in parts)

    async def look_up(self, aggregate_type: type[T], ids: Sequence[Any]) -> Lookup[T]:
        keys = {entity_id: self.key(aggregate_type, entity_id) for entity_id in ids}
        entries = await self._try(
            lambda: self._cache.get_batch([entry for key in keys.values() for entry in _entries(key)]), None
        )
        lookup = Lookup[T]()
        if entries is None:
            return lookup
        new: dict[str, str] = {}
        for entity_id, key in keys.items():
            generation, state = (entries.get(entry) for entry in _entries(key))
            if generation == _CLOSED:
                continue
            if not isinstance(generation, str):
                generation = new[_entries(key)[0]] = new_id()
            elif (entity := _decoded(aggregate_type, generation, state)) is not None:
                lookup.found[entity_id] = entity
                continue
            lookup.generations[entity_id] = generation
        # Longer than any state of this generation, so that it is not the generation which ends it.
        if new and not await self._try(lambda: _done(self._cache.set_batch(new, ttl=2 * self._ttl)), default=False):
            lookup.generations.clear()
        return lookup

    async def fill(self, aggregate_type: type[T], entities: Iterable[T], lookup: Lookup[T]) -> None:
        """Put in what was read from the database after the lookup."""
        states: dict[str, Any] = {}
        for entity in entities:
            generation = lookup.generations.get(entity.id)
            text = None if generation is None else self._encoded(aggregate_type, entity)
            if text is not None:
                _, entry = _entries(self.key(aggregate_type, entity.id))
                states[entry] = {"generation": generation, "version": entity.version, "state": text}
        if states:
            await self._try(lambda: self._cache.set_batch(states, ttl=self._ttl), None)

    async def close(self, key: str) -> None:
        """Give out nothing and take nothing in until ``forget``, but not for longer than ``guard``."""
        generation, _ = _entries(key)
        await self._try(lambda: self._cache.set(generation, _CLOSED, ttl=self._guard), None)

    async def forget(self, keys: Iterable[str]) -> None:
        """End the generation: what the cache knows is over, and so is what somebody is about to put in."""
        await self._try(lambda: self._cache.delete_batch([entry for key in keys for entry in _entries(key)]), None)

    async def _try[R](self, use_cache: Callable[[], Awaitable[R]], default: R) -> R:
        try:
            return await use_cache()
        except Exception:
            logger.warning("The cache failed and is left out", exc_info=True)
            return default

    def _encoded(self, aggregate_type: type[T], entity: T) -> str | None:
        """The state as JSON, if it is the same when it comes back."""
        try:
            text = entity.model_dump_json(by_alias=True, round_trip=True, warnings="error")
            back = aggregate_type.model_validate_json(text)
            if back.__class__ is entity.__class__ and back.__dict__ == entity.__dict__:
                return text
        except Exception as error:  # noqa: BLE001 - validators are the user's, and may raise anything
            self._refuse(aggregate_type, f"it does not come back from JSON: {error}")
        else:
            self._refuse(aggregate_type, "it comes back from JSON as something else")
        return None

    def _refuse(self, aggregate_type: type[T], reason: str) -> None:
        if not self._has_refused:
            self._has_refused = True
            logger.warning("%s cannot be cached, %s", aggregate_type.__name__, reason)


def _entries(key: str) -> tuple[str, str]:
    """Where the generation is, and where the state."""
    return f"{key}:generation", f"{key}:state"


async def _done(work: Awaitable[None]) -> bool:
    await work
    return True


def _decoded[T: AggregateRoot[Any]](aggregate_type: type[T], generation: str, state: Any) -> T | None:
    try:
        if state["generation"] != generation:
            return None
        entity = aggregate_type.model_validate_json(state["state"])
        mark_persisted(entity, int(state["version"]))
    except Exception:  # noqa: BLE001 - none, or by an older version of the class, or by somebody else
        return None
    return entity
