"""Watching which operations the toolkit reports to its instrumentation hooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from cqrs_ddd_core.instrumentation import Attributes, get_hook_registry

__all__ = ["HookRecorder", "RecordedOperation", "record_operations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOperation:
    """One operation, as its hooks saw it."""

    name: str
    attributes: dict[str, Any]
    error: BaseException | None = None
    """What it raised, or None."""


class HookRecorder:
    """An instrumentation hook that keeps what it sees, in the order in which operations ended."""

    def __init__(self) -> None:
        self.operations: list[RecordedOperation] = []

    async def __call__(
        self, operation: str, attributes: Attributes, next_handler: Callable[[], Awaitable[Any]], /
    ) -> Any:
        error: BaseException | None = None
        try:
            return await next_handler()
        except BaseException as raised:
            error = raised
            raise
        finally:
            self.operations.append(RecordedOperation(name=operation, attributes=dict(attributes), error=error))

    @property
    def names(self) -> list[str]:
        """The names of the operations."""
        return [operation.name for operation in self.operations]

    def matching(self, pattern: str) -> list[RecordedOperation]:
        """Those whose name fits a pattern with ``*``, such as ``"uow.*"``."""
        return [operation for operation in self.operations if fnmatchcase(operation.name, pattern)]


@contextmanager
def record_operations(*patterns: str) -> Generator[HookRecorder]:
    """Record the operations of this process within the block: all, or those that fit one of the patterns.

    ::

        with record_operations("uow.*") as recorder:
            await mediator.send(ConfirmOrder(order_id="order-1"))
        assert recorder.names == ["uow.commit"]
    """
    recorder = HookRecorder()
    registry = get_hook_registry()
    registry.register(recorder, operations=patterns or None)
    try:
        yield recorder
    finally:
        registry.unregister(recorder)
