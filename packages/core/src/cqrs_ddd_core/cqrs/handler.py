"""What does the work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from cqrs_ddd_core.cqrs.response import CommandResponse, QueryResponse
from cqrs_ddd_core.domain.event import DomainEvent

__all__ = ["CommandHandler", "EventHandler", "QueryHandler"]


# A handler of a command narrows the parameter to its own command class. That is only sound because the mediator gives
# it nothing else, and ``Any`` is how type checkers are told so.


class CommandHandler[R](ABC):
    """Handles the commands of one class, whose result is ``R``."""

    @abstractmethod
    async def handle(self, command: Any, /) -> CommandResponse[R]:
        """Carry out the command, inside the unit of work that ``get_current_uow()`` gives."""


class QueryHandler[R](ABC):
    """Answers the queries of one class, whose answer is ``R``."""

    @abstractmethod
    async def handle(self, query: Any, /) -> QueryResponse[R]:
        """Answer the query. ``get_current_uow()`` is read-only."""


class EventHandler[E: DomainEvent](ABC):
    """Reacts to events of class ``E`` and its subclasses."""

    @abstractmethod
    async def handle(self, event: E, /) -> None: ...
