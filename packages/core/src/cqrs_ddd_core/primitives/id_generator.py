"""New identifiers: a port, UUID version 7 as the default, and the one generator of the process."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

__all__ = [
    "IIDGenerator",
    "UUID4Generator",
    "UUID7Generator",
    "get_id_generator",
    "new_id",
    "set_id_generator",
    "use_id_generator",
    "uuid7",
]


@runtime_checkable
class IIDGenerator(Protocol):
    """Makes identifiers that are unique without asking anybody."""

    def next_id(self) -> str:
        """A new identifier, never given before."""
        ...


class UUID4Generator:
    """Random UUIDs. They say nothing about time, and index worse than version 7."""

    def next_id(self) -> str:
        return str(uuid.uuid4())


class UUID7Generator:
    """UUID version 7 (RFC 9562): sorted by time of creation, so that indexes stay compact.

    The 12 bits behind the milliseconds hold the fraction of the millisecond (RFC 9562, section 6.2, method 3).
    Within one generator each id is greater than the one before, whatever the system's clock does.
    """

    def __init__(self) -> None:
        self._last = 0
        # Ids are also made in worker threads; the lock is uncontended in an asyncio service.
        self._lock = threading.Lock()

    def next_id(self) -> str:
        nanoseconds = time.time_ns()
        milliseconds, rest = divmod(nanoseconds, 1_000_000)
        ticks = (milliseconds << 12) | ((rest << 12) // 1_000_000)
        with self._lock:
            if ticks <= self._last:
                ticks = self._last + 1
            self._last = ticks
        random = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
        digits = f"{((ticks >> 12) << 16) | 0x7000 | (ticks & 0xFFF):016x}{0x8000_0000_0000_0000 | random:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_generator: IIDGenerator = UUID7Generator()


def get_id_generator() -> IIDGenerator:
    """The generator of this process; UUID version 7 unless it was replaced."""
    return _generator


def set_id_generator(generator: IIDGenerator) -> None:
    """Replace the generator of this process. For one test, prefer ``use_id_generator``."""
    global _generator  # noqa: PLW0603 - one generator per process is the point
    _generator = generator


@contextmanager
def use_id_generator[GeneratorT: IIDGenerator](generator: GeneratorT) -> Generator[GeneratorT]:
    """Replace the generator of this process within the block, then put the former one back."""
    former = get_id_generator()
    set_id_generator(generator)
    try:
        yield generator
    finally:
        set_id_generator(former)


def new_id() -> str:
    """A new identifier from the generator of this process."""
    return _generator.next_id()


def uuid7() -> uuid.UUID:
    """A new UUID version 7, whatever the generator of this process is."""
    return uuid.UUID(_uuid7_generator.next_id())


_uuid7_generator = UUID7Generator()
