"""What every blob storage promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from cqrs_ddd_core.ports.blob import BlobInfo, IBlobStorage
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import BlobNotFoundError
from cqrs_ddd_core.testing.adapter_contract import AdapterContract

__all__ = ["BlobContract"]

_EVERY_BYTE = bytes(range(256))


class BlobContract(AdapterContract):
    """Bytes by key, whole or not at all.

    Give ``blob_storage``.
    """

    @pytest.fixture
    @abstractmethod
    def blob_storage(self) -> IBlobStorage:
        raise NotImplementedError("give the fixture blob_storage")

    async def test_bytes_come_back_as_they_were_put(self, blob_storage: IBlobStorage) -> None:
        await blob_storage.put("reports/2026.bin", _EVERY_BYTE)
        assert await blob_storage.get("reports/2026.bin") == _EVERY_BYTE

    async def test_what_is_known_of_a_blob_is_told_without_reading_it(self, blob_storage: IBlobStorage) -> None:
        put = await blob_storage.put(
            "reports/a.csv", b"a,b\n", content_type="text/csv; charset=utf-8", metadata={"owner": "ada", "year": "2026"}
        )
        assert (put.key, put.size, put.content_type) == ("reports/a.csv", 4, "text/csv; charset=utf-8")
        assert dict(put.metadata) == {"owner": "ada", "year": "2026"}
        assert put.etag
        assert put.modified_at.utcoffset() == timedelta(0)
        # The store's clock may not be ours.
        assert abs(put.modified_at - utc_now()) < timedelta(minutes=1)
        assert _facts(await blob_storage.info("reports/a.csv")) == _facts(put)

    async def test_a_blob_has_a_content_type_and_no_metadata_by_default(self, blob_storage: IBlobStorage) -> None:
        put = await blob_storage.put("a", b"1")
        assert (put.content_type, dict(put.metadata)) == ("application/octet-stream", {})

    async def test_an_empty_blob_is_a_blob(self, blob_storage: IBlobStorage) -> None:
        assert (await blob_storage.put("empty", b"")).size == 0
        assert await blob_storage.get("empty") == b""
        assert [piece async for piece in blob_storage.stream("empty")] == []
        assert await blob_storage.info("empty") is not None

    async def test_a_blob_is_replaced_with_everything_that_is_known_of_it(self, blob_storage: IBlobStorage) -> None:
        first = await blob_storage.put("a", b"first", content_type="text/plain", metadata={"n": "1"})
        second = await blob_storage.put("a", b"the second")
        assert await blob_storage.get("a") == b"the second"
        info = await blob_storage.info("a")
        assert info is not None
        assert (info.size, info.content_type, dict(info.metadata)) == (10, "application/octet-stream", {})
        assert first.etag != second.etag == info.etag

    async def test_the_etag_stays_while_the_content_stays(self, blob_storage: IBlobStorage) -> None:
        put = await blob_storage.put("a", b"content")
        infos = [await blob_storage.info("a"), await blob_storage.info("a")]
        assert [info.etag for info in infos if info is not None] == [put.etag, put.etag]

    async def test_what_is_not_there_is_an_error_that_names_it(self, blob_storage: IBlobStorage) -> None:
        with pytest.raises(BlobNotFoundError) as caught:
            await blob_storage.get("never")
        assert caught.value.key == "never"
        stream = blob_storage.stream("never")
        with pytest.raises(BlobNotFoundError, match="never"):
            await anext(stream)
        assert await blob_storage.info("never") is None

    async def test_a_blob_is_deleted(self, blob_storage: IBlobStorage) -> None:
        await blob_storage.put("a", b"1")
        await blob_storage.put("b", b"2")
        assert await blob_storage.delete("a") is True
        assert await blob_storage.delete("a") is False
        assert await blob_storage.info("a") is None
        assert await blob_storage.get("b") == b"2"

    async def test_a_stream_can_be_put(self, blob_storage: IBlobStorage) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b"one ", b"", b"two ", b"three"):
                yield piece

        assert (await blob_storage.put("a", pieces())).size == 13
        assert await blob_storage.get("a") == b"one two three"

    async def test_a_stream_that_breaks_off_leaves_the_old_content(self, blob_storage: IBlobStorage) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half of the"
            raise OSError("the line is dead")

        with pytest.raises(OSError, match="the line is dead"):
            await blob_storage.put("new", pieces())
        assert await blob_storage.info("new") is None
        await blob_storage.put("old", b"old content")
        with pytest.raises(OSError, match="the line is dead"):
            await blob_storage.put("old", pieces())
        assert await blob_storage.get("old") == b"old content"

    async def test_readers_see_the_old_content_until_all_of_the_new_is_there(self, blob_storage: IBlobStorage) -> None:
        seen: list[bytes] = []

        async def pieces() -> AsyncIterator[bytes]:
            yield b"new "
            seen.append(await blob_storage.get("a"))
            yield b"content"

        await blob_storage.put("a", b"old content")
        await blob_storage.put("a", pieces())
        assert seen == [b"old content"]
        assert await blob_storage.get("a") == b"new content"

    @pytest.mark.parametrize("chunk_size", [1, 7, 256, 257, 100_000])
    async def test_a_blob_is_streamed_in_pieces(self, blob_storage: IBlobStorage, chunk_size: int) -> None:
        await blob_storage.put("a", _EVERY_BYTE)
        pieces = [piece async for piece in blob_storage.stream("a", chunk_size)]
        assert b"".join(pieces) == _EVERY_BYTE
        assert min(map(len, pieces)) > 0
        assert max(map(len, pieces)) <= chunk_size

    async def test_a_large_blob_goes_in_and_out_as_a_stream(self, blob_storage: IBlobStorage) -> None:
        piece = _EVERY_BYTE * 256

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(32):
                yield piece

        assert (await blob_storage.put("large", pieces())).size == 32 * len(piece)
        size = 0
        async for part in blob_storage.stream("large"):
            assert 0 < len(part) <= 65536
            size += len(part)
        assert size == 32 * len(piece)

    async def test_a_piece_of_no_bytes_is_refused(self, blob_storage: IBlobStorage) -> None:
        await blob_storage.put("a", b"1")
        with pytest.raises(ValueError, match="chunk_size"):
            await anext(blob_storage.stream("a", 0))

    async def test_blobs_are_listed_in_order_of_key(self, blob_storage: IBlobStorage) -> None:
        keys = ["b/2", "a", "b/10", "b", "B", "c/ž", "b/1/x"]
        for number, key in enumerate(keys):
            await blob_storage.put(key, b"x" * number)
        listed = [info async for info in blob_storage.list()]
        assert [info.key for info in listed] == sorted(keys)
        assert {info.key: info.size for info in listed} == {key: number for number, key in enumerate(keys)}

    async def test_blobs_are_listed_by_prefix(self, blob_storage: IBlobStorage) -> None:
        for key in ("b/2", "a", "b/10", "b", "bb", "b%", "b_x"):
            await blob_storage.put(key, b"")
        assert [info.key async for info in blob_storage.list("b/")] == ["b/10", "b/2"]
        assert [info.key async for info in blob_storage.list("b")] == ["b", "b%", "b/10", "b/2", "b_x", "bb"]
        assert [info.key async for info in blob_storage.list("b%")] == ["b%"]
        assert [info.key async for info in blob_storage.list("never")] == []

    async def test_many_blobs_are_listed_completely(self, blob_storage: IBlobStorage) -> None:
        keys = [f"many/{number:04}" for number in range(1_050)]
        for key in keys:
            await blob_storage.put(key, b"")
        assert [info.key async for info in blob_storage.list("many/")] == keys

    @pytest.mark.parametrize("key", ["/leading", ""])
    async def test_a_key_with_a_leading_slash_or_without_anything_is_refused(
        self, blob_storage: IBlobStorage, key: str
    ) -> None:
        with pytest.raises(ValueError, match="key"):
            await blob_storage.put(key, b"1")

    async def test_a_key_is_any_text(self, blob_storage: IBlobStorage) -> None:
        keys = ["dir/файл 1 'x' \"y\" %20+&?#.txt", "..hidden", "a//b", "ends/with/"]
        for key in keys:
            await blob_storage.put(key, key.encode())
        for key in keys:
            assert await blob_storage.get(key) == key.encode()

    async def test_what_is_stored_cannot_be_changed_from_outside(self, blob_storage: IBlobStorage) -> None:
        metadata = {"owner": "ada"}
        await blob_storage.put("a", b"1", metadata=metadata)
        metadata["owner"] = "changed"
        info = await blob_storage.info("a")
        assert info is not None
        assert dict(info.metadata) == {"owner": "ada"}


def _facts(info: BlobInfo | None) -> tuple[object, ...] | None:
    """Everything but the time, which some stores round."""
    return None if info is None else (info.key, info.size, info.content_type, info.etag, dict(info.metadata))
