"""One hook pipeline for the whole process: who wants to watch an operation of the toolkit registers here.

Every operation has a dotted name (``uow.commit``, ``event.dispatch.OrderCreated``) and attributes. A hook wraps the
operation: it is called with the name, the attributes and a function that goes on, and must return what that returns.
Hooks belong to the process, not to a task or a context: one installed at start-up sees every request. With no hook
registered an operation costs one truth test.

Hooks watch; they do not decide. The operation runs exactly once, and what it returns or raises is what its caller
gets, whatever a hook does: one that fails is logged, one that forgets to go on is passed over.
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
    """Wraps one operation. It awaits ``next_handler()`` exactly once and returns its result, or raises what it raises.

    An error of its own is logged and changes nothing for the operation.
    """

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
    """Only operations on these message classes and their subclasses; empty for all. Operations without a message always
    match."""
    predicate: Callable[[str, Attributes], bool] | None = None
    """Asked last. One that raises is logged, and the hook does not see the operation."""
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
            if message_type is not None and not _is_one_of(message_type, self.message_types):
                return False
        if self.predicate is None:
            return True
        try:
            return self.predicate(operation, attributes)
        except Exception:
            logger.exception("The predicate of the instrumentation hook %r failed on %s", self.hook, operation)
            return False


def _is_one_of(message_type: Any, wanted: tuple[type, ...]) -> bool:
    return isinstance(message_type, type) and issubclass(message_type, wanted)


class HookRegistry:
    """The hooks of this process, outermost first. Registering the same hook object again replaces its registration."""

    def __init__(self) -> None:
        self._registrations: tuple[HookRegistration, ...] = ()
        self.active = False
        """Whether any hook is registered; the quickest way to ask."""

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
        self.active = True
        return registration

    def unregister(self, hook: InstrumentationHook) -> None:
        """Take ``hook`` out; nothing happens when it is not registered."""
        self._registrations = tuple(known for known in self._registrations if known.hook is not hook)
        self.active = bool(self._registrations)

    def clear(self) -> None:
        self._registrations = ()
        self.active = False

    async def execute_all[R](
        self, operation: str, attributes: Attributes, next_handler: Callable[[], Awaitable[R]]
    ) -> R:
        """Run ``next_handler`` inside every hook that matches, once; return what it returns, raise what it raises."""
        call: Callable[[], Awaitable[Any]] = next_handler
        for registration in reversed(self._registrations):
            if registration.matches(operation, attributes):
                call = _Watched(registration.hook, operation, attributes, call)
        return await call()  # type: ignore[no-any-return]  # what next_handler returns


class _Watched:
    """An operation inside one hook. What the hook does cannot change what comes of the operation."""

    __slots__ = ("_attributes", "_ended", "_error", "_hook", "_next", "_operation", "_result", "_started")

    def __init__(
        self, hook: InstrumentationHook, operation: str, attributes: Attributes, next: Callable[[], Awaitable[Any]]
    ) -> None:
        self._hook, self._operation, self._attributes, self._next = hook, operation, attributes, next
        self._started = self._ended = False
        self._result: Any = None
        self._error: BaseException | None = None

    async def __call__(self) -> Any:
        try:
            await self._hook(self._operation, self._attributes, self._go_on)
        except Exception as error:
            if error is not self._error:
                logger.exception("The instrumentation hook %r failed on %s", self._hook, self._operation)
        if not self._started:
            logger.warning("The instrumentation hook %r did not go on with %s", self._hook, self._operation)
            return await self._next()
        if not self._ended:
            raise RuntimeError(f"The instrumentation hook {self._hook!r} returned before {self._operation} had ended.")
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # an error that holds who raised it keeps all of its frames alive
        return self._result

    async def _go_on(self) -> Any:
        if self._started:
            raise RuntimeError(f"A hook awaits next_handler once; {self._operation} is not run again.")
        self._started = True
        try:
            self._result = await self._next()
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._ended = True
        return self._result


_registry = HookRegistry()


def get_hook_registry() -> HookRegistry:
    """The registry of this process. It is falsy while no hook is registered: test it before building attributes."""
    return _registry


def set_hook_registry(registry: HookRegistry) -> HookRegistry:
    """Replace the registry of this process and return the former one (for tests)."""
    global _registry
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
