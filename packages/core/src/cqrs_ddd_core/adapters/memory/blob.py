"""The in-memory blob storage."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cqrs_ddd_core.adapters.arguments import at_least
from cqrs_ddd_core.adapters.memory.store import InMemoryStore, resolve_store
from cqrs_ddd_core.ports.blob import BlobInfo, IBlobStorage
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import BlobNotFoundError

__all__ = ["InMemoryBlobStorage"]

_BLOBS = "blobs"


@dataclass(frozen=True, slots=True)
class _Blob:
    info: BlobInfo
    data: bytes

    def describe(self) -> BlobInfo:
        # A copy of the metadata: who is told about a blob cannot change what is stored.
        return replace(self.info, metadata=dict(self.info.metadata))


class InMemoryBlobStorage(IBlobStorage):
    """Bytes by key, in memory. An open unit of work does not matter to it."""

    def __init__(self, store: InMemoryStore | None = None) -> None:
        self._store = store

    async def put(
        self,
        key: str,
        data: bytes | AsyncIterator[bytes],
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> BlobInfo:
        if not key or key.startswith("/"):
            raise ValueError(f"The key of a blob is a text without a leading slash, found {key!r}.")
        content = data if isinstance(data, bytes) else b"".join([piece async for piece in data])
        info = BlobInfo(
            key=key,
            size=len(content),
            content_type=content_type,
            etag=hashlib.sha256(content).hexdigest(),
            modified_at=utc_now(),
            metadata=dict(metadata or {}),
        )
        blob = _Blob(info, content)
        with resolve_store(self._store).alone() as transaction:
            transaction.put(_BLOBS, key, blob)
        return blob.describe()

    async def get(self, key: str) -> bytes:
        return self._require(key).data

    async def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        at_least(1, chunk_size, "chunk_size")
        data = self._require(key).data
        for start in range(0, len(data), chunk_size):
            yield data[start : start + chunk_size]

    async def info(self, key: str) -> BlobInfo | None:
        blob = self._blobs().get(key)
        return None if blob is None else blob.describe()

    async def delete(self, key: str) -> bool:
        with resolve_store(self._store).alone() as transaction:
            if transaction.get(_BLOBS, key) is None:
                return False
            transaction.delete(_BLOBS, key)
            return True

    async def list(self, prefix: str = "") -> AsyncIterator[BlobInfo]:
        for key, blob in sorted(self._blobs().items()):
            if key.startswith(prefix):
                yield blob.describe()

    def _require(self, key: str) -> _Blob:
        blob = self._blobs().get(key)
        if blob is None:
            raise BlobNotFoundError(key)
        return blob

    def _blobs(self) -> dict[Any, _Blob]:
        return resolve_store(self._store).tables.get(_BLOBS, {})
