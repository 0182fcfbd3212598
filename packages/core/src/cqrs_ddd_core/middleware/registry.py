"""Which middlewares stand around the handlers, and in which order."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast, overload

from cqrs_ddd_core.ports.middleware import IEventSink, IMiddleware, Stage
from cqrs_ddd_core.primitives.exceptions import PipelineError

__all__ = ["DEFAULT_PRIORITY", "MiddlewareDefinition", "MiddlewareRegistry"]

DEFAULT_PRIORITY = 100
"""Of middlewares that name none: inside of all that come with the toolkit, next to the transaction or the handler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareDefinition:
    """One middleware or event sink and its place."""

    middleware: IMiddleware | IEventSink
    stage: Stage
    priority: int

    @property
    def name(self) -> str:
        return getattr(self.middleware, "__qualname__", None) or type(self.middleware).__name__

    @property
    def description(self) -> str:
        """What the middleware says of itself for ``Mediator.explain``; may be empty."""
        describe: Callable[[], str] | None = getattr(self.middleware, "describe", None)
        return describe() if describe is not None else ""

    def applies_to(self, message_type: type[Any]) -> bool:
        applies: Callable[[type[Any]], bool] | None = getattr(self.middleware, "applies_to", None)
        return applies is None or applies(message_type)


class MiddlewareRegistry:
    """Middlewares in the order (stage, priority, registration); lower and earlier is outer.

    ``MiddlewareRegistry([LoggingMiddleware(), ValidatorMiddleware()])``. Those of the toolkit know their stage and
    priority, so that the order in the list only counts among equals.
    """

    def __init__(self, middlewares: Iterable[IMiddleware | IEventSink | type[IMiddleware | IEventSink]] = ()) -> None:
        self._definitions: list[MiddlewareDefinition] = []
        self._listeners: list[weakref.WeakMethod[Callable[[], None]]] = []
        for middleware in middlewares:
            self.register(middleware)

    def register(
        self,
        middleware: IMiddleware | IEventSink | type[IMiddleware | IEventSink],
        *,
        priority: int | None = None,
        stage: Stage | None = None,
    ) -> None:
        """Add one, and its companions. A class is called without arguments.

        ``priority`` and ``stage`` default to its own. Raises ``PipelineError`` for a stage in which the middleware
        cannot keep its promise, for one that is registered already, and for what is no middleware.
        """
        instance = cast(Any, middleware() if isinstance(middleware, type) else middleware)
        definitions = [self._definition(instance, priority, stage)]
        definitions += [self._definition(companion, None, None) for companion in getattr(instance, "companions", ())]
        self._definitions = sorted([*self._definitions, *definitions], key=lambda known: (known.stage, known.priority))
        self._changed()

    @overload
    def add[M](self, middleware: type[M], /) -> type[M]: ...
    @overload
    def add[M](self, /, *, priority: int | None = None, stage: Stage | None = None) -> Callable[[type[M]], type[M]]: ...
    def add(
        self, middleware: type[Any] | None = None, /, *, priority: int | None = None, stage: Stage | None = None
    ) -> Any:
        """``register`` as a decorator of a class: ``@middlewares.add``, or ``@middlewares.add(priority=35)``."""

        def decorate(decorated: type[Any]) -> type[Any]:
            self.register(decorated, priority=priority, stage=stage)
            return decorated

        return decorate if middleware is None else decorate(middleware)

    def _definition(self, instance: Any, priority: int | None, stage: Stage | None) -> MiddlewareDefinition:
        is_sink = callable(getattr(instance, "write", None))
        if not (is_sink or callable(cast(object, instance))):
            raise PipelineError(
                "A middleware is called as middleware(message, next_handler), an event sink has write(events); "
                f"{instance!r} is neither."
            )
        own_stage: Stage | None = Stage.INSIDE if is_sink else getattr(instance, "stage", None)
        if stage is not None and own_stage is not None and stage is not own_stage:
            raise PipelineError(
                f"{type(instance).__name__} belongs into stage {own_stage.name}, not {stage.name}: "
                "there it could not keep its promise. Leave stage= out."
            )
        if any(known.middleware is instance for known in self._definitions):
            raise PipelineError(f"{type(instance).__name__} is registered already; twice it would run twice.")
        if priority is None:
            priority = getattr(instance, "priority", None)
        return MiddlewareDefinition(
            middleware=instance,
            stage=stage or own_stage or Stage.AROUND,
            priority=DEFAULT_PRIORITY if priority is None else priority,
        )

    def get_ordered_middlewares(self) -> tuple[MiddlewareDefinition, ...]:
        """All of them, the outermost first."""
        return tuple(self._definitions)

    def clear(self) -> None:
        self._definitions.clear()
        self._changed()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a bound method after every change, as long as its object lives. For mediators."""
        self._listeners.append(weakref.WeakMethod(listener))

    def _changed(self) -> None:
        for reference in self._listeners:
            listener = reference()
            if listener is not None:
                listener()
