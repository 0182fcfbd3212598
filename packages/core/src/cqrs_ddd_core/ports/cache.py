"""A place for values that can be lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, overload, runtime_checkable

__all__ = ["ICacheService"]


@runtime_checkable
class ICacheService(Protocol):
    """Values by key, for a time. Anything may be gone at any moment; nothing is ever wrong.

    Values are JSON values or pydantic models; a copy is kept, and with ``cls`` a validated object comes back. Anything
    else is refused with ``SerializationError``.
    """

    @overload
    async def get(self, key: str) -> Any | None: ...
    @overload
    async def get[T](self, key: str, cls: type[T]) -> T | None: ...
    async def get(self, key: str, cls: type[Any] | None = None) -> Any | None:
        """The value, or None when there is none. What does not fit ``cls`` any more counts as none."""
        ...

    async def set(self, key: str, value: Any, ttl: float | None = None) -> None:
        """Keep a value for ``ttl`` seconds, more than 0; None for as long as the cache likes."""
        ...

    async def delete(self, key: str) -> bool:
        """Drop a value; whether there was one."""
        ...

    async def get_batch(self, keys: Iterable[str], cls: type[Any] | None = None) -> dict[str, Any]:
        """The values that are there, by key."""
        ...

    async def set_batch(self, values: Mapping[str, Any], ttl: float | None = None) -> None: ...

    async def delete_batch(self, keys: Iterable[str]) -> int:
        """Drop values; how many there were."""
        ...

    async def clear_namespace(self, prefix: str) -> int:
        """Drop every value whose key starts with ``prefix``; how many there were."""
        ...
