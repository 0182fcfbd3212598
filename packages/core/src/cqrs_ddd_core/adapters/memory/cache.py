"""A cache within one process."""

from __future__ import annotations

import math
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, overload

from pydantic import BaseModel, TypeAdapter, ValidationError

from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.adapters.stored_json import from_json, to_json
from cqrs_ddd_core.ports.cache import ICacheService
from cqrs_ddd_core.primitives.clock import utc_now

__all__ = ["InMemoryCacheService"]


@dataclass(frozen=True, slots=True)
class _Entry:
    text: str
    """The value as JSON: a copy that nobody can change, and what a cache server would keep."""
    expires_at: datetime | None


_entries: weakref.WeakKeyDictionary[InMemoryStore, OrderedDict[str, _Entry]] = weakref.WeakKeyDictionary()


class InMemoryCacheService(ICacheService):
    """Values in memory; all caches on one store are one. The least recently used go when there are too many.

    Times run on the clock of the process.
    """

    def __init__(self, store: InMemoryStore | None = None, *, max_entries: int = 10_000) -> None:
        """``max_entries`` is how many values may be there after this object has put one in."""
        if max_entries < 1:
            raise ValueError(f"max_entries is 1 or more, found {max_entries}.")
        self._store = store
        self._max_entries = max_entries

    @overload
    async def get(self, key: str) -> Any | None: ...
    @overload
    async def get[T](self, key: str, cls: type[T]) -> T | None: ...
    async def get(self, key: str, cls: type[Any] | None = None) -> Any | None:
        text = self._text(key)
        return None if text is None else _value(text, cls)

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        self._set({key: value}, ttl)

    async def delete(self, key: str) -> bool:
        return self._delete(key)

    async def get_batch(self, keys: Iterable[str], cls: type[Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in keys:
            text = self._text(key)
            value = None if text is None else _value(text, cls)
            if value is not None:
                found[key] = value
        return found

    async def set_batch(self, values: Mapping[str, Any], ttl: float | None = None) -> None:
        self._set(values, ttl)

    async def delete_batch(self, keys: Iterable[str]) -> int:
        return sum([self._delete(key) for key in keys])

    async def clear_namespace(self, prefix: str) -> int:
        return sum([self._delete(key) for key in list(self._entries()) if key.startswith(prefix)])

    def _entries(self) -> OrderedDict[str, _Entry]:
        return _entries.setdefault(resolve_store(self._store), OrderedDict())

    def _text(self, key: str) -> str | None:
        entries = self._entries()
        entry = entries.get(key)
        if entry is None:
            return None
        if entry.expires_at is not None and entry.expires_at <= utc_now():
            del entries[key]
            return None
        entries.move_to_end(key)
        return entry.text

    def _set(self, values: Mapping[str, Any], ttl: float | None) -> None:
        if ttl is not None and not 0 < ttl < math.inf:
            raise ValueError(f"ttl is a number of seconds above 0, or None, found {ttl!r}.")
        expires_at = None if ttl is None else utc_now() + timedelta(seconds=ttl)
        new = {key: _Entry(_json(key, value), expires_at) for key, value in values.items()}
        entries = self._entries()
        for key, entry in new.items():
            entries[key] = entry
            entries.move_to_end(key)
        while len(entries) > self._max_entries:
            entries.popitem(last=False)

    def _delete(self, key: str) -> bool:
        was_there = self._text(key) is not None
        self._entries().pop(key, None)
        return was_there


def _json(key: str, value: Any) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return to_json(value, kind="cache entry", name=key, field="value")


def _value(text: str, cls: type[Any] | None) -> Any | None:
    if cls is None:
        return from_json(text)
    try:
        if issubclass(cls, BaseModel):
            return cls.model_validate_json(text)
        return TypeAdapter(cls).validate_json(text)
    except ValidationError:
        return None
