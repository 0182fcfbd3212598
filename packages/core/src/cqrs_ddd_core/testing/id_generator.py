"""Ids that are the same in every run of a test."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from cqrs_ddd_core.primitives.id_generator import IIDGenerator, get_id_generator, set_id_generator

__all__ = ["SequentialIdGenerator"]


class SequentialIdGenerator:
    """Gives ``id-1``, ``id-2``, ``id-3`` and so on.

    ``with SequentialIdGenerator():`` makes it the generator of the process within the block. It is an
    ``IIDGenerator`` and can also be given to ``use_id_generator`` or to an aggregate.
    """

    def __init__(self, prefix: str = "id-", *, start: int = 1, width: int = 0) -> None:
        """``width`` fills numbers up with zeros, so that ids sort as text: ``width=4`` gives ``id-0001``."""
        self._prefix = prefix
        self._next = start
        self._width = width
        self._former: list[IIDGenerator] = []

    def next_id(self) -> str:
        number = self._next
        self._next += 1
        return f"{self._prefix}{number:0{self._width}}"

    def __enter__(self) -> Self:
        self._former.append(get_id_generator())
        set_id_generator(self)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        set_id_generator(self._former.pop())
