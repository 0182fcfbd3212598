"""A mediator out of functions, for the tests of middlewares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import pytest

from cqrs_ddd_core import (
    Command,
    CommandHandler,
    CommandResponse,
    HandlerRegistry,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
    QueryHandler,
    QueryResponse,
)


class Mediate(Protocol):
    def __call__(
        self, handlers: Mapping[type[Any], Callable[[Any], Awaitable[Any]]], *middlewares: Any, **options: Any
    ) -> Mediator: ...


class _Commands(CommandHandler[Any]):
    def __init__(self, function: Callable[[Any], Awaitable[Any]]) -> None:
        self._function = function

    async def handle(self, command: Any, /) -> CommandResponse[Any]:
        result = await self._function(command)
        return result if isinstance(result, CommandResponse) else CommandResponse(result=result)


class _Queries(QueryHandler[Any]):
    def __init__(self, function: Callable[[Any], Awaitable[Any]]) -> None:
        self._function = function

    async def handle(self, query: Any, /) -> QueryResponse[Any]:
        return QueryResponse(result=await self._function(query))


@pytest.fixture
def store() -> InMemoryStore:
    """The database of the mediators."""
    return InMemoryStore()


@pytest.fixture
def mediate(store: InMemoryStore) -> Mediate:
    """``mediate({Command: async_function}, middleware, …)``: what a function returns is the result, or the response."""

    def make(
        handlers: Mapping[type[Any], Callable[[Any], Awaitable[Any]]], *middlewares: Any, **options: Any
    ) -> Mediator:
        registry = HandlerRegistry()
        for message_type, function in handlers.items():
            if issubclass(message_type, Command):
                registry.register_command_handler(message_type, _Commands(function))
            else:
                registry.register_query_handler(message_type, _Queries(function))
        options.setdefault("uow_factory", lambda: InMemoryUnitOfWork(store))
        return Mediator(registry, middleware_registry=MiddlewareRegistry(middlewares), **options)

    return make
