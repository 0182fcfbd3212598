"""Somebody who can be asked: the part of the mediator that sagas, schedulers and jobs need."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from cqrs_ddd_core.cqrs.message import Command, Query
    from cqrs_ddd_core.cqrs.response import CommandResponse, QueryResponse

__all__ = ["ICommandBus", "IQueryBus"]


@runtime_checkable
class ICommandBus(Protocol):
    """Carries out commands: the mediator, for those who only send."""

    def send[R](self, message: Command[R], /) -> Coroutine[Any, Any, CommandResponse[R]]:
        """Carry out a command. Raises what its handler raises."""
        ...


@runtime_checkable
class IQueryBus(Protocol):
    """Answers queries: the mediator, for those who only ask."""

    def send[R](self, message: Query[R], /) -> Coroutine[Any, Any, QueryResponse[R]]:
        """Answer a query. Raises what its handler raises."""
        ...
