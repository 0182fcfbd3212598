"""The way of a message: context, middlewares, unit of work, handler, events, commit."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from cqrs_ddd_core.context import MessageContext, current_context, reset_context, set_context
from cqrs_ddd_core.cqrs.event_dispatcher import EventDispatcher, HandlerFactory
from cqrs_ddd_core.cqrs.explanation import ExplainedStep, Explanation
from cqrs_ddd_core.cqrs.message import Command, Query, result_type
from cqrs_ddd_core.cqrs.registry import HandlerRegistry, When
from cqrs_ddd_core.cqrs.response import CommandResponse, QueryResponse
from cqrs_ddd_core.domain.event import DomainEvent, enrich_event_metadata
from cqrs_ddd_core.instrumentation import get_hook_registry
from cqrs_ddd_core.ports.middleware import IEventSink, IMiddleware, NextHandler, Stage
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, ambient_uow
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    HandlerError,
    HandlerNotFoundError,
    HandlerResultError,
    PipelineError,
    ReadOnlyUnitOfWorkError,
    UnitOfWorkError,
)

if TYPE_CHECKING:
    # Middlewares build on this package; the registry is only asked for its order.
    from cqrs_ddd_core.middleware.registry import MiddlewareDefinition, MiddlewareRegistry

__all__ = ["Mediator", "UnitOfWorkFactory", "has_committed", "joint_transaction"]

type UnitOfWorkFactory = Callable[[], UnitOfWork]
type _Dispatch = Callable[[Any], Coroutine[Any, Any, Any]]
type _Scoped = Callable[[Any, _Scope], Awaitable[Any]]

_MAX_ROUNDS = 100
"""How often handlers before the commit may lead to new events of one command; more is a loop."""


class _Scope:
    """What one ``send`` knows. The scopes of nested sends are linked."""

    # Defaults on the class: most messages are not nested and many have no events.
    parent: _Scope | None = None
    uow: UnitOfWork
    context: MessageContext
    """The context in which the message is handled; the events belong to it."""
    sinks: Sequence[IEventSink] = ()
    own: list[DomainEvent] | None = None
    """The events of this message that are written already."""
    done: list[DomainEvent] | None = None
    """The events of this message and of those nested in it, in the order in which they came about."""
    told: int = 0
    """How many of ``own`` the handlers before the commit have had."""
    committed: bool = False
    dispatcher: EventDispatcher | None = None
    """Who tells the events after the commit; None where that is left to the messages inside."""

    def emitted(self) -> set[str]:
        """The ids of the events that this unit of work has handled already."""
        ids: set[str] = set()
        scope: _Scope | None = self
        while scope is not None:
            if scope.done:
                ids.update(event.event_id for event in scope.done)
            scope = scope.parent
        return ids

    async def write_events(self, returned: Sequence[DomainEvent] = ()) -> None:
        """Complete and write what has come up since the last call: first in the order it is given, and each once."""
        fresh = [*returned, *self.uow.collect_events()]
        if not fresh:
            return
        known = self.emitted()
        context = self.context
        batch: list[DomainEvent] = []
        for event in fresh:
            if event.event_id not in known:
                known.add(event.event_id)
                batch.append(
                    enrich_event_metadata(
                        event, correlation_id=context.correlation_id, causation_id=context.causation_id
                    )
                )
        if not batch:
            return
        self.own = [*(self.own or ()), *batch]
        self.done = [*(self.done or ()), *batch]
        for sink in self.sinks:
            await sink.write(batch)


_scope: ContextVar[_Scope] = ContextVar("cqrs_ddd_scope")
"""The way of the scope through the middlewares around the transaction."""
_new_context: Callable[..., MessageContext] = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
"""A NamedTuple's own constructor is a Python function, and a context is made for every message."""


class Mediator:
    """Sends commands and queries to their handlers.

    ``mediator.send(command)`` opens a unit of work, runs the handler in it, commits state and events together, and
    then tells the event handlers. A send inside a handler joins the unit of work of the handler, in a savepoint. The
    chain of each message type is built at its first use and kept until a registration changes.
    """

    def __init__(
        self,
        registry: HandlerRegistry,
        uow_factory: UnitOfWorkFactory,
        *,
        middleware_registry: MiddlewareRegistry | None = None,
        event_dispatcher: EventDispatcher | None = None,
        handler_factory: HandlerFactory | None = None,
    ) -> None:
        """Put the parts together.

        ``uow_factory`` is called for each message that is not nested. ``handler_factory`` makes handlers that were
        registered as classes, one for each message; without it they are called without arguments, once.
        """
        if not callable(uow_factory):
            raise ConfigurationError(
                f"uow_factory is called without arguments and returns a unit of work; found {uow_factory!r}. "
                "Write uow_factory=lambda: InMemoryUnitOfWork()."
            )
        self.registry = registry
        self.dispatcher = event_dispatcher or EventDispatcher()
        self.dispatcher.attach(registry, handler_factory=handler_factory)
        self._uow_factory = uow_factory
        self._middlewares = middleware_registry
        self._handler_factory = handler_factory
        self._chains: dict[type[Any], _Dispatch] = {}
        registry.on_change(self._forget_chains)
        if middleware_registry is not None:
            middleware_registry.on_change(self._forget_chains)

    @overload
    def send[R](self, message: Command[R]) -> Coroutine[Any, Any, CommandResponse[R]]: ...
    @overload
    def send[R](self, message: Query[R]) -> Coroutine[Any, Any, QueryResponse[R]]: ...
    def send(self, message: Any) -> Coroutine[Any, Any, Any]:
        """Handle a command or a query and return its response; ``await`` it.

        Raises what the handler or a middleware raises, after rolling back; ``HandlerNotFoundError`` when nobody is
        responsible; ``OptimisticConcurrencyError`` when another writer was first.
        """
        chain = self._chains.get(message.__class__)
        if chain is None:
            chain = self._build(message.__class__)
        return chain(message)

    def explain(self, message_type: type[Command[Any] | Query[Any]]) -> Explanation:
        """Say what happens to messages of this class, from the outside in; ``print`` it. Needs no server.

        Raises what sending would raise because of wrong wiring.
        """
        self._build(message_type)
        is_command = _is_command(message_type)
        handler = self._handler_of(message_type)
        result = result_type(message_type)
        uow = self._uow_factory()
        registrations = self.dispatcher.all_registrations() if is_command else ()
        name = handler.__name__ if isinstance(handler, type) else type(handler).__name__
        return Explanation(
            message_type=message_type.message_type,
            kind="command" if is_command else "query",
            result=getattr(result, "__name__", None) if isinstance(result, type) else str(result),  # type: ignore[arg-type]  # a class has a name
            steps=tuple(
                ExplainedStep(name=part.name, stage=part.stage, priority=part.priority, description=part.description)
                for part in self._definitions(message_type)
            ),
            unit_of_work=type(uow).__name__ if is_command else f"{type(uow).__name__}, read-only",
            handler=name,
            before_commit=tuple(
                f"{found.event_type.event_type} → {found.name}"
                for found in registrations
                if found.when is When.BEFORE_COMMIT
            ),
            after_commit=tuple(
                f"{found.event_type.event_type} → {found.name}"
                for found in registrations
                if found.when is When.AFTER_COMMIT
            ),
        )

    # ------------------------------------------------------------------ building a chain

    def _forget_chains(self) -> None:
        self._chains = {}

    def _definitions(self, message_type: type[Any]) -> Sequence[MiddlewareDefinition]:
        if self._middlewares is None:
            return ()
        is_command = _is_command(message_type)
        return [
            part
            for part in self._middlewares.get_ordered_middlewares()
            if (is_command or part.stage is Stage.AROUND) and part.applies_to(message_type)
        ]

    def _handler_of(self, message_type: type[Any]) -> Any:
        if _is_command(message_type):
            return self.registry.get_command_handler(message_type)
        if _is_query(message_type):
            return self.registry.get_query_handler(message_type)
        raise HandlerNotFoundError(
            f"send takes an object of a class that derives from Command or Query, found {message_type.__qualname__}."
        )

    def _build(self, message_type: type[Any]) -> _Dispatch:
        handler = self._handler_of(message_type)
        handle = self._bound(handler)
        name = handler.__name__ if isinstance(handler, type) else type(handler).__name__
        definitions = self._definitions(message_type)
        if _is_command(message_type):
            inside = _chained(
                [
                    part.middleware
                    for part in definitions
                    if part.stage is Stage.INSIDE and not isinstance(part.middleware, IEventSink)
                ],
                self._handling(handle, name),
            )
            sinks = [part.middleware for part in definitions if isinstance(part.middleware, IEventSink)]
            transaction = self._transaction(message_type, inside, sinks)
        else:
            transaction = self._reading(message_type, handle, name)
        around = [
            part.middleware
            for part in definitions
            if part.stage is Stage.AROUND and not isinstance(part.middleware, IEventSink)
        ]
        chain = self._dispatch(message_type, _through(around, transaction))
        self._chains[message_type] = chain
        return chain

    def _bound(self, handler: Any) -> NextHandler:
        if not isinstance(handler, type):
            return handler.handle  # type: ignore[no-any-return]
        factory = self._handler_factory
        if factory is not None:
            return lambda message: factory(handler).handle(message)
        try:
            return handler().handle  # type: ignore[no-any-return]
        except TypeError as error:
            raise HandlerError(
                f"{handler.__name__} was registered as a class and cannot be made without arguments ({error}). "
                "Give the mediator a handler_factory, or register an instance."
            ) from error

    # ------------------------------------------------------------------ the steps, from the inside out

    def _handling(self, handle: NextHandler, name: str) -> NextHandler:
        """The handler, its events, and the handlers before the commit."""

        async def handling(message: Any) -> Any:
            response = await handle(message)
            if response.__class__ is not CommandResponse and not isinstance(response, CommandResponse):
                raise HandlerResultError(
                    f"{name}.handle returned {type(response).__name__}, expected CommandResponse: "
                    "return CommandResponse(result=…, events=order.clear_events())."
                )
            uow = ambient_uow.get()
            assert uow is not None
            if response.events or uow.touched:
                response = _with(response, {"events": await self._settle_events(response.events, uow.scope)})
            return _identified(response)

        return handling

    async def _settle_events(self, returned: Sequence[DomainEvent], scope: _Scope) -> list[DomainEvent]:
        """Every event of this message, once, complete and written; the handlers before the commit have run for each."""
        for _ in range(_MAX_ROUNDS):
            await scope.write_events(returned)
            returned = ()
            events = scope.own or []
            untold = events[scope.told :]
            if not untold:
                return events
            scope.told = len(events)
            await self.dispatcher.dispatch(untold, when=When.BEFORE_COMMIT)
        raise PipelineError(
            f"The handlers before the commit led to new events {_MAX_ROUNDS} times for one command; the last was "
            f"{(scope.own or [])[-1].event_type}. They seem to answer each other for ever."
        )

    def _transaction(self, message_type: type[Any], inside: NextHandler, sinks: Sequence[IEventSink]) -> _Scoped:
        """Opens the unit of work, or joins the one that is open in this task."""
        factory = self._uow_factory
        dispatcher = self.dispatcher
        owner = message_type.__name__

        async def transaction(message: Any, scope: _Scope) -> Any:
            if scope.parent is not None:
                return await nested(message, scope, scope.parent)
            scope.uow = uow = factory()
            # What a former attempt left: retrying starts from nothing.
            scope.own = scope.done = None
            scope.told = 0
            scope.sinks = sinks
            scope.dispatcher = dispatcher
            uow.owner = owner
            uow.scope = scope
            uow.task = asyncio.current_task()
            token = ambient_uow.set(uow)
            try:
                response = await inside(message)
                if uow.touched or uow.begun:
                    await uow.complete()
                scope.committed = True
            except BaseException:
                await uow.rollback()
                raise
            finally:
                uow.task = None
                ambient_uow.reset(token)
                if uow.touched:
                    await uow.run_closers()
            return response

        async def nested(message: Any, scope: _Scope, parent: _Scope) -> Any:
            uow = scope.uow
            if uow.read_only:
                raise ReadOnlyUnitOfWorkError(f"send the command {owner} from a query handler")
            # What the caller's aggregates have emitted so far is the caller's: it comes first, and stays if this fails.
            await parent.write_events()
            scope.sinks = sinks
            scope.dispatcher = dispatcher
            uow.scope = scope
            try:
                async with uow.savepoint():
                    response = await inside(message)
            finally:
                uow.scope = parent
            if scope.done:
                parent.done = [*(parent.done or ()), *scope.done]
                if parent.dispatcher is None:
                    uow.on_commit(partial(_tell, dispatcher, scope.done))
            return response

        return transaction

    def _reading(self, message_type: type[Any], handle: NextHandler, name: str) -> _Scoped:
        """A query: read-only, in the unit of work of the caller where there is one."""
        factory = self._uow_factory
        owner = message_type.__name__

        async def reading(message: Any, scope: _Scope) -> Any:
            if scope.parent is not None:
                uow = scope.uow
                await uow.flush()
                former, uow.read_only = uow.read_only, True
                uow.scope = scope
                try:
                    response = await handle(message)
                finally:
                    uow.read_only = former
                    uow.scope = scope.parent
            else:
                scope.uow = uow = factory()
                uow.owner = owner
                uow.read_only = True
                uow.scope = scope
                uow.task = asyncio.current_task()
                token = ambient_uow.set(uow)
                try:
                    response = await handle(message)
                finally:
                    try:
                        await uow.rollback()
                    finally:
                        uow.task = None
                        ambient_uow.reset(token)
                        if uow.touched:
                            await uow.run_closers()
            if response.__class__ is not QueryResponse and not isinstance(response, QueryResponse):
                raise HandlerResultError(
                    f"{name}.handle returned {type(response).__name__}, expected QueryResponse: "
                    "return QueryResponse(result=…)."
                )
            return _identified(response)

        return reading

    def _dispatch(self, message_type: type[Any], around: _Scoped) -> _Dispatch:
        """The outermost step: context and scope of this message, and what follows the commit."""
        is_command = _is_command(message_type)
        operation = f"{'command' if is_command else 'query'}.send.{message_type.__name__}"

        async def dispatch(message: Any) -> Any:
            outer = current_context()
            message_id = message.command_id if is_command else message.query_id
            scope = _Scope()
            scope.context = context = _new_context(
                MessageContext, (message.correlation_id or outer[0] or message_id, message_id, outer[2], outer[3])
            )
            token = set_context(context)
            uow = ambient_uow.get()
            if uow is not None and uow.owner is not None and uow.task is asyncio.current_task():
                scope.parent, scope.uow = uow.scope, uow
            try:
                try:
                    response = await (
                        instrumented(message, scope) if get_hook_registry().active else around(message, scope)
                    )
                except Exception:
                    # Something failed on the way back from the commit: what was committed has happened all the same.
                    if scope.committed:
                        await self._after_commit(scope)
                    raise
                if scope.committed and (scope.done or scope.uow.touched):
                    await self._after_commit(scope)
                return response
            finally:
                reset_context(token)

        def instrumented(message: Any, scope: _Scope) -> Awaitable[Any]:
            return get_hook_registry().execute_all(
                operation,
                {"message_type": message_type, "message.id": message.message_id, "nested": scope.parent is not None},
                lambda: around(message, scope),
            )

        return dispatch

    async def _after_commit(self, scope: _Scope) -> None:
        # A failure in here must not lead to a second round.
        scope.committed = False
        if scope.done:
            await self.dispatcher.dispatch(scope.done, when=When.AFTER_COMMIT)
        await scope.uow.run_commit_callbacks()


def has_committed() -> bool:
    """Whether the message that is being handled is committed. For middlewares around the transaction."""
    scope = _scope.get(None)
    return scope is not None and scope.committed


@asynccontextmanager
async def joint_transaction(uow: UnitOfWork, owner: str) -> AsyncGenerator[UnitOfWork]:
    """Let the commands that are sent inside the block, through any mediator, join ``uow``; it is committed at the end.

    For consumers and workers that write something of their own, such as the mark that a message was received, in one
    commit with the commands that it leads to. Event handlers that run after the commit run after the block. ``owner``
    is who is told of in errors.

    Raises ``UnitOfWorkError`` when the block changes aggregates by itself: their events would reach nobody.
    """
    scope = _Scope()
    scope.uow = uow
    scope.context = current_context()
    scope.sinks = (_NoEvents(owner),)
    uow.owner = owner
    uow.scope = scope
    uow.task = asyncio.current_task()
    token = ambient_uow.set(uow)
    try:
        yield uow
        await scope.write_events()
        await uow.complete()
    except BaseException:
        await uow.rollback()
        raise
    finally:
        uow.task = None
        ambient_uow.reset(token)
        await uow.run_closers()
    await uow.run_commit_callbacks()


class _NoEvents:
    """Where events of no command would end up."""

    def __init__(self, owner: str) -> None:
        self._owner = owner

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        raise UnitOfWorkError(
            f"{self._owner} changed {events[0].aggregate_type} {events[0].aggregate_id!r} outside of a command: "
            f"{events[0].event_type} would reach no event store, no outbox and no handler. Send a command instead."
        )


async def _tell(dispatcher: EventDispatcher, events: Sequence[DomainEvent]) -> None:
    await dispatcher.dispatch(events, when=When.AFTER_COMMIT)


def _is_command(message_type: type[Any]) -> bool:
    return issubclass(message_type, Command)


def _is_query(message_type: type[Any]) -> bool:
    return issubclass(message_type, Query)


def _chained(middlewares: Sequence[IMiddleware], innermost: NextHandler) -> NextHandler:
    step = innermost
    for middleware in reversed(middlewares):
        step = _step(middleware, step)
    return step


def _step(middleware: IMiddleware, next_handler: NextHandler) -> NextHandler:
    def step(message: Any) -> Awaitable[Any]:
        return middleware(message, next_handler)

    return step


def _through(middlewares: Sequence[IMiddleware], transaction: _Scoped) -> _Scoped:
    """The transaction with the middlewares around it. They know nothing of scopes, so it travels beside them."""
    if not middlewares:
        return transaction
    chain = _chained(middlewares, lambda message: transaction(message, _scope.get()))

    async def through(message: Any, scope: _Scope) -> Any:
        token = _scope.set(scope)
        try:
            return await chain(message)
        finally:
            _scope.reset(token)

    return through


def _identified(response: Any) -> Any:
    """The response with the ids of the message that is being handled; usually it has them already."""
    context = current_context()
    if response.causation_id is context[1] and response.correlation_id is context[0]:
        return response
    return _with(response, {"correlation_id": context[0], "causation_id": context[1]})


def _with(response: Any, changes: dict[str, Any]) -> Any:
    """A copy of a response, of the same class and with all its fields, with these changed."""
    cls = response.__class__
    if hasattr(response, "__dict__") and not hasattr(cls, "__slots__"):
        changed = cls.__new__(cls)
        changed.__dict__.update(response.__dict__)
        changed.__dict__.update(changes)
        return changed
    changed = copy.copy(response)
    for field, value in changes.items():
        object.__setattr__(changed, field, value)
    return changed
