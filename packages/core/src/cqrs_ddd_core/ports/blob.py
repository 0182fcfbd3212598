"""Large data by key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

__all__ = ["BlobInfo", "IBlobStorage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """What is known of a blob without reading it."""

    key: str
    size: int
    """Bytes."""
    content_type: str
    etag: str
    """Changes with the content."""
    modified_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


@runtime_checkable
class IBlobStorage(Protocol):
    """Bytes by key, outside of any transaction. A key is a text without a leading slash."""

    async def put(
        self,
        key: str,
        data: bytes | AsyncIterator[bytes],
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobInfo:
        """Store or replace; readers see the old or the new content, never a part.

        Raises ``ValueError`` for a key that is empty or has a leading slash. An error of ``data`` goes on; then nothing
        was changed.
        """
        ...

    async def get(self, key: str) -> bytes:
        """The whole content. Raises ``BlobNotFoundError``."""
        ...

    def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        """The content in pieces of at most ``chunk_size`` bytes. Raises ``BlobNotFoundError`` at the first piece."""
        ...

    async def info(self, key: str) -> BlobInfo | None: ...

    async def delete(self, key: str) -> bool:
        """Remove; whether it was there."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """What starts with ``prefix``, in order of key."""
        ...
