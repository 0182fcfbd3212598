"""One hook pipeline for the whole process: who wants to watch an operation of the toolkit registers here.

Every operation has a dotted name (``uow.commit``, ``event.dispatch.OrderCreated``) and attributes. A hook wraps the
operation: it is called with the name, the attributes and a function that goes on, and must return what that returns.
Hooks belong to the process, not to a task or a context: one installed at start-up sees every request. With no hook
registered an operation costs one truth test.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol, runtime_checkable

__all__ = [
    "Attributes",
    "HookRegistration",
    "HookRegistry",
    "InstrumentationHook",
    "get_hook_registry",
    "notify",
    "set_hook_registry",
]

logger = logging.getLogger(__name__)

type Attributes = Mapping[str, Any]


@runtime_checkable
class InstrumentationHook(Protocol):
    """Wraps one operation. It awaits ``next_handler()`` exactly once and returns its result."""

    async def __call__(
        self, operation: str, attributes: Attributes, next_handler: Callable[[], Awaitable[Any]], /
    ) -> Any: ...


@dataclass(eq=False, slots=True, kw_only=True)
class HookRegistration:
    """One hook and which operations it wants. ``enabled`` may be switched at any time."""

    hook: InstrumentationHook
    priority: int = 0
    """Lower is outer."""
    operations: tuple[str, ...] = ("*",)
    """Patterns of operation names, with ``*``: ``"uow.*"``."""
    message_types: tuple[type, ...] = ()
    """Only operations on these message classes; empty for all. Operations without a message always match."""
    predicate: Callable[[str, Attributes], bool] | None = None
    enabled: bool = True
    _names: dict[str, bool] = field(default_factory=dict[str, bool], init=False, repr=False)

    def matches(self, operation: str, attributes: Attributes) -> bool:
        """Whether this hook wants to see the operation."""
        if not self.enabled:
            return False
        wanted = self._names.get(operation)
        if wanted is None:
            wanted = any(fnmatchcase(operation, pattern) for pattern in self.operations)
            if len(self._names) < 4096:  # operation names are few; this only guards against a name made of ids
                self._names[operation] = wanted
        if not wanted:
            return False
        if self.message_types:
            message_type = attributes.get("message_type")
            if message_type is not None and message_type not in self.message_types:
                return False
        return self.predicate is None or self.predicate(operation, attributes)


class HookRegistry:
    """The hooks of this process, outermost first. Registering the same hook object again replaces its registration."""

    def __init__(self) -> None:
        self._registrations: tuple[HookRegistration, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._registrations)

    def __len__(self) -> int:
        return len(self._registrations)

    def register(
        self,
        hook: InstrumentationHook,
        *,
        priority: int = 0,
        operations: Iterable[str] | None = None,
        message_types: Iterable[type] = (),
        predicate: Callable[[str, Attributes], bool] | None = None,
        enabled: bool = True,
    ) -> HookRegistration:
        """Let ``hook`` wrap the operations that match. A hook is registered once: again replaces, never doubles."""
        registration = HookRegistration(
            hook=hook,
            priority=priority,
            operations=("*",) if operations is None else tuple(operations),
            message_types=tuple(message_types),
            predicate=predicate,
            enabled=enabled,
        )
        others = [known for known in self._registrations if known.hook is not hook]
        self._registrations = tuple(sorted([*others, registration], key=lambda known: known.priority))
        return registration

    def unregister(self, hook: InstrumentationHook) -> None:
        """Take ``hook`` out; nothing happens when it is not registered."""
        self._registrations = tuple(known for known in self._registrations if known.hook is not hook)

    def clear(self) -> None:
        self._registrations = ()

    async def execute_all[R](
        self, operation: str, attributes: Attributes, next_handler: Callable[[], Awaitable[R]]
    ) -> R:
        """Run ``next_handler`` inside every hook that matches, and return its result."""
        call: Callable[[], Awaitable[Any]] = next_handler
        for registration in reversed(self._registrations):
            if registration.matches(operation, attributes):
                call = _wrapped(registration.hook, operation, attributes, call)
        return await call()


def _wrapped(
    hook: InstrumentationHook, operation: str, attributes: Attributes, call: Callable[[], Awaitable[Any]]
) -> Callable[[], Awaitable[Any]]:
    return lambda: hook(operation, attributes, call)


_registry = HookRegistry()


def get_hook_registry() -> HookRegistry:
    """The registry of this process. It is falsy while no hook is registered: test it before building attributes."""
    return _registry


def set_hook_registry(registry: HookRegistry) -> HookRegistry:
    """Replace the registry of this process and return the former one (for tests)."""
    global _registry  # noqa: PLW0603 - one registry per process is the point
    former, _registry = _registry, registry
    return former


_notifications: set[asyncio.Task[None]] = set()


async def _nothing() -> None:
    """The operation that a notification stands for: it has happened already."""


async def _notify(operation: str, attributes: Attributes) -> None:
    try:
        await _registry.execute_all(operation, attributes, _nothing)
    except Exception:
        logger.exception("An instrumentation hook failed on %s", operation)


def notify(operation: str, attributes: Attributes) -> None:
    """Tell the hooks about something that has happened, without waiting for them; their failures are logged.

    For places that are not coroutines. Does nothing without hooks or without a running event loop.
    """
    if not _registry:
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    task = loop.create_task(_notify(operation, attributes), name=f"notify {operation}")
    _notifications.add(task)  # the loop keeps only weak references
    task.add_done_callback(_notifications.discard)
