"""Brings events to the handlers in this process."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Literal

from cqrs_ddd_core.context import MessageContext, current_context, reset_context, set_context
from cqrs_ddd_core.cqrs.handler import EventHandler
from cqrs_ddd_core.cqrs.registry import EventHandlerCallable, EventHandlerRegistration, HandlerRegistry, When
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.instrumentation import get_hook_registry

__all__ = ["EventDispatcher", "HandlerFactory", "HandlerFailure"]

logger = logging.getLogger(__name__)

type HandlerFactory = Callable[[type[Any]], Any]
"""Makes a handler from its class: one line with any dependency container."""

type _Call = Callable[[Any], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerFailure:
    """An event handler that raised after the commit."""

    event: DomainEvent
    handler: str
    error: Exception


class EventDispatcher:
    """Runs event handlers: events in order, the handlers of one event in order of registration, never concurrently.

    A handler of a base class gets the events of all subclasses. Handlers come from ``register`` and from the
    ``HandlerRegistry`` it is attached to; later registrations count.
    """

    def __init__(
        self, registry: HandlerRegistry | None = None, *, handler_factory: HandlerFactory | None = None
    ) -> None:
        self._own = HandlerRegistry()
        self._own.on_change(self._forget)
        self._registry: HandlerRegistry | None = None
        self._factory: HandlerFactory | None = None
        self._resolved: dict[tuple[type[DomainEvent], When], tuple[tuple[str, _Call], ...]] = {}
        self.failures: Counter[str] = Counter()
        """How often each handler has failed after the commit."""
        if registry is not None:
            self.attach(registry, handler_factory=handler_factory)
        else:
            self._factory = handler_factory

    def attach(self, registry: HandlerRegistry, *, handler_factory: HandlerFactory | None = None) -> None:
        """Run the handlers of this registry too. The mediator does this with the dispatcher it is given."""
        if self._registry is not None and self._registry is not registry:
            raise ValueError("This dispatcher belongs to another registry already; give each mediator its own.")
        if self._registry is None:
            self._registry = registry
            registry.on_change(self._forget)
        self._factory = handler_factory or self._factory
        self._forget()

    def register[E: DomainEvent](
        self,
        event_type: type[E],
        handler: EventHandler[E] | type[EventHandler[E]] | EventHandlerCallable[E],
        *,
        when: When | Literal["after_commit", "before_commit"] = When.AFTER_COMMIT,
    ) -> None:
        """As ``HandlerRegistry.register_event_handler``."""
        self._own.register_event_handler(event_type, handler, when=when)

    def registrations(self, event_type: type[DomainEvent], when: When) -> Sequence[EventHandlerRegistration]:
        """Who would run for events of this class, in order."""
        registered = self._registry.get_event_handlers(event_type, when) if self._registry is not None else ()
        return (*registered, *self._own.get_event_handlers(event_type, when))

    def all_registrations(self) -> Sequence[EventHandlerRegistration]:
        return (*(self._registry.event_registrations if self._registry else ()), *self._own.event_registrations)

    async def dispatch(
        self,
        events: Iterable[DomainEvent],
        *,
        when: When | Literal["after_commit", "before_commit"] = When.AFTER_COMMIT,
        stop_at_failure: bool = False,
    ) -> Sequence[HandlerFailure]:
        """Run the handlers of these events.

        Before the commit, or with ``stop_at_failure``, the first failure is raised and the rest does not run. After
        it a failure is logged, counted and returned, and the others run all the same.
        """
        when = When(when)
        failures: list[HandlerFailure] = []
        for event in events:
            calls = self._resolved.get((event.__class__, when))
            if calls is None:
                calls = self._resolve(event.__class__, when)
            if not calls:
                continue
            outer = current_context()
            token = set_context(
                MessageContext(
                    event.correlation_id or outer.correlation_id, event.event_id, outer.tenant_id, outer.user_id
                )
            )
            try:
                for name, call in calls:
                    try:
                        await self._run(name, call, event, when)
                    except Exception as error:
                        if stop_at_failure or when is When.BEFORE_COMMIT:
                            raise
                        self.failures[name] += 1
                        failures.append(HandlerFailure(event=event, handler=name, error=error))
                        logger.exception("%s failed on %s %s after the commit", name, event.event_type, event.event_id)
            finally:
                reset_context(token)
        return failures

    async def _run(self, name: str, call: _Call, event: DomainEvent, when: When) -> None:
        hooks = get_hook_registry()
        if not hooks:
            result = call(event)
            if isawaitable(result):
                await result
            return

        async def run() -> None:
            result = call(event)
            if isawaitable(result):
                await result

        await hooks.execute_all(
            f"event.handler.{event.event_type}.{name}",
            {"event.type": event.event_type, "event.id": event.event_id, "handler.type": name, "when": str(when)},
            run,
        )

    def _resolve(self, event_type: type[DomainEvent], when: When) -> tuple[tuple[str, _Call], ...]:
        calls = tuple((found.name, self._call(found.handler)) for found in self.registrations(event_type, when))
        self._resolved[event_type, when] = calls
        return calls

    def _call(self, handler: Any) -> _Call:
        if isinstance(handler, type):
            factory = self._factory
            if factory is None:
                return handler().handle  # type: ignore[no-any-return]  # checked at registration
            # Made anew for each event, as for each command: what the container scopes to a message stays right.
            return lambda event: factory(handler).handle(event)
        handle = getattr(handler, "handle", None)
        return handler if handle is None else handle  # type: ignore[no-any-return]

    def _forget(self) -> None:
        self._resolved = {}
