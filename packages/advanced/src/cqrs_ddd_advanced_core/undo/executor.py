"""Undo and redo by token."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, override

from cqrs_ddd_advanced_core.undo.change import Step, UndoChanges
from cqrs_ddd_advanced_core.undo.message import PreviewUndo, RedoChange, UndoChange
from cqrs_ddd_advanced_core.undo.result import UndoPreview, UndoResult
from cqrs_ddd_advanced_core.undo.service import UndoService
from cqrs_ddd_core.cqrs.handler import CommandHandler, QueryHandler
from cqrs_ddd_core.cqrs.mediator import Mediator
from cqrs_ddd_core.cqrs.response import CommandResponse, QueryResponse
from cqrs_ddd_core.ports.event_store import IEventStore

__all__ = ["UndoExecutor"]

_changes: ContextVar[UndoChanges | None] = ContextVar("cqrs_ddd_undo_changes", default=None)
"""Whose tokens the message at hand is about. Without one: those of the executor that was made first."""


class UndoExecutor:
    """Takes back what commands did, and does it again.

    An undo is a new change that makes up for the old one: it is decided against the state of now, it is recorded as
    events, and it goes through the mediator like every command, in one transaction with the token. Nothing that has
    happened is removed.

    ::

        token = await undo_service.create_token(aggregate_id="order-1", aggregate_type="Order", events=response.events)
        executor = UndoExecutor(mediator, event_store)
        await executor.undo(token.token_id)
        await executor.redo(token.token_id)
    """

    def __init__(
        self, mediator: Mediator, event_store: IEventStore, *, undo_service: UndoService | None = None
    ) -> None:
        """Without ``undo_service`` it is the one that was made last for this event store.

        The mediator is given the handlers of ``UndoChange``, ``RedoChange`` and ``PreviewUndo`` unless it has them.
        Raises ``ConfigurationError`` when there is no such service.
        """
        self._mediator = mediator
        service = UndoService.of(event_store) if undo_service is None else undo_service
        self._own = UndoChanges(service, mediator)
        registry = mediator.registry
        if UndoChange not in registry.command_types:
            registry.register_command_handler(UndoChange, _UndoHandler(self._own))
        if RedoChange not in registry.command_types:
            registry.register_command_handler(RedoChange, _RedoHandler(self._own))
        if PreviewUndo not in registry.query_types:
            registry.register_query_handler(PreviewUndo, _PreviewHandler(self._own))

    async def undo(self, token_id: str, *, force: bool = False, only_this: bool = False) -> UndoResult:
        """Take back what the token stands for, together with the other tokens of the same command.

        ``only_this`` leaves the other tokens alone. Whatever came later in the stream of an aggregate and depends on
        what is taken back refuses it; ``force`` does it all the same and says in the result what that was.

        Raises ``UndoTokenNotFoundError``, ``UndoTokenExpiredError``, ``IllegalTransitionError`` for what is undone
        already, ``UndoRefusedError`` with the dependents, ``UndoPolicyMissingError`` when nobody said how, what a
        policy raises, and ``OptimisticConcurrencyError`` when somebody else was first. Nothing is changed then.
        """
        with self._about_own():
            response = await self._mediator.send(UndoChange(token_id=token_id, force=force, only_this=only_this))
        return response.result

    async def redo(self, token_id: str, *, force: bool = False, only_this: bool = False) -> UndoResult:
        """Do again what was undone; afterwards it can be undone again. Arguments and errors as for ``undo``."""
        with self._about_own():
            response = await self._mediator.send(RedoChange(token_id=token_id, force=force, only_this=only_this))
        return response.result

    async def preview(self, token_id: str, *, step: Step = "undo", only_this: bool = False) -> UndoPreview:
        """What ``undo`` or ``redo`` would do now, without doing it. Commands are named and not sent.

        Raises ``UndoTokenNotFoundError``; what else would be raised is in the answer.
        """
        with self._about_own():
            response = await self._mediator.send(PreviewUndo(token_id=token_id, step=step, only_this=only_this))
        return response.result

    @contextmanager
    def _about_own(self) -> Generator[None]:
        token = _changes.set(self._own)
        try:
            yield
        finally:
            _changes.reset(token)


class _UndoHandler(CommandHandler[UndoResult]):
    def __init__(self, default: UndoChanges) -> None:
        self._default = default

    @override
    async def handle(self, command: UndoChange, /) -> CommandResponse[UndoResult]:
        return CommandResponse(result=await _run(self._default, "undo", command))


class _RedoHandler(CommandHandler[UndoResult]):
    def __init__(self, default: UndoChanges) -> None:
        self._default = default

    @override
    async def handle(self, command: RedoChange, /) -> CommandResponse[UndoResult]:
        return CommandResponse(result=await _run(self._default, "redo", command))


class _PreviewHandler(QueryHandler[UndoPreview]):
    def __init__(self, default: UndoChanges) -> None:
        self._default = default

    @override
    async def handle(self, query: PreviewUndo, /) -> QueryResponse[UndoPreview]:
        changes = _changes.get() or self._default
        return QueryResponse(result=await changes.preview(query.step, query.token_id, only_this=query.only_this))


async def _run(default: UndoChanges, step: Step, command: Any) -> UndoResult:
    changes = _changes.get() or default
    return await changes.run(step, command.token_id, force=command.force, only_this=command.only_this)
