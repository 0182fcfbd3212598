"""Undo and redo in any order, compared with a model that is simple enough to be right.

The model is a list of entries in the order in which they were made, each either standing or taken back. Every entry
depends on all that were made before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from pydantic import Field

from cqrs_ddd_advanced_core.event_sourcing import EventSourcedAggregate, EventSourcedMediator
from cqrs_ddd_advanced_core.undo import UndoExecutor, UndoService
from cqrs_ddd_core import Command, CommandHandler, CommandResponse, DomainEvent, HandlerRegistry, InMemoryStore
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemoryUndoTokenRepository
from cqrs_ddd_core.cqrs import get_current_uow
from cqrs_ddd_core.primitives.clock import get_clock, set_clock
from cqrs_ddd_core.primitives.exceptions import (
    IllegalTransitionError,
    UndoRefusedError,
    UndoTokenExpiredError,
)
from cqrs_ddd_core.testing import VirtualClock

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
TTL = timedelta(hours=10)


class LinePinned(DomainEvent):
    line: int


class LineUnpinned(DomainEvent):
    line: int


class LinePinnedAgain(DomainEvent):
    line: int


class Pinboard(EventSourcedAggregate[str]):
    lines: list[int] = Field(default_factory=list[int])

    def undo_line_pinned(self, event: LinePinned) -> None:
        self.add_event(LineUnpinned(line=event.line))

    def redo_line_pinned(self, event: LinePinned) -> None:
        self.add_event(LinePinnedAgain(line=event.line))

    def apply_line_pinned(self, event: LinePinned) -> None:
        self.lines.append(event.line)

    def apply_line_unpinned(self, event: LineUnpinned) -> None:
        self.lines.remove(event.line)

    def apply_line_pinned_again(self, event: LinePinnedAgain) -> None:
        self.lines.append(event.line)


class PinLines(Command[None]):
    lines: list[int]


class PinLinesHandler(CommandHandler[None]):
    async def handle(self, command: PinLines) -> CommandResponse[None]:
        boards = get_current_uow().repository(Pinboard)
        board = await boards.get("board") or Pinboard.begin("board")
        for line in command.lines:
            board.add_event(LinePinned(line=line))
        await boards.add(board)
        return CommandResponse(result=None)


class _Entry:
    """What the model knows of one token."""

    def __init__(self, token_id: str, lines: list[int], made_at: datetime, moment: int) -> None:
        self.token_id, self.lines, self.made_at = token_id, lines, made_at
        self.standing = True
        self.made = moment
        self.undone = 0


class UndoMachine(RuleBasedStateMachine):
    entries = Bundle("entries")

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._former_clock = get_clock()
        self._clock = VirtualClock(START)
        set_clock(self._clock)
        database = InMemoryStore()
        self._event_store = InMemoryEventStore(database)
        registry = HandlerRegistry()
        registry.register_command_handler(PinLines, PinLinesHandler())
        self._mediator = EventSourcedMediator(registry, self._event_store, verify=True)
        self._service = UndoService(self._event_store, InMemoryUndoTokenRepository(database), ttl=TTL)
        self._executor = UndoExecutor(self._mediator, self._event_store)
        self._model: list[_Entry] = []
        self._moment = 0
        self._next_line = 0

    def _run[R](self, awaitable: Awaitable[R]) -> R:
        return self._loop.run_until_complete(_awaited(awaitable))

    def teardown(self) -> None:
        set_clock(self._former_clock)
        self._loop.close()

    def _now(self) -> int:
        self._moment += 1
        return self._moment

    @rule(target=entries, count=st.integers(1, 3))
    def pin(self, count: int) -> _Entry:
        lines = [self._next_line + number for number in range(count)]
        self._next_line += count
        response = self._run(self._mediator.send(PinLines(lines=lines)))
        token = self._run(self._service.create_token("board", "Pinboard", response.events))
        entry = _Entry(token.token_id, lines, self._clock.now(), self._now())
        self._model.append(entry)
        return entry

    @rule(hours=st.integers(1, 4))
    def wait(self, hours: int) -> None:
        self._clock.advance(timedelta(hours=hours))

    @rule(entry=entries, force=st.booleans())
    def undo(self, entry: _Entry, force: bool) -> None:
        self._step(entry, "undo", is_possible=entry.standing, force=force)

    @rule(entry=entries, force=st.booleans())
    def redo(self, entry: _Entry, force: bool) -> None:
        self._step(entry, "redo", is_possible=not entry.standing, force=force)

    def _step(self, entry: _Entry, step: str, *, is_possible: bool, force: bool) -> None:
        preview = self._run(self._executor.preview(entry.token_id, step=step))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        method: Any = getattr(self._executor, step)
        after = entry.made if step == "undo" else entry.undone
        dependents = {line for other in self._model if other.standing and other.made > after for line in other.lines}
        if step == "redo" and any(not other.standing and other.made < entry.made for other in self._model):
            dependents.update(entry.lines)
        if not is_possible:
            expected: type[Exception] | None = IllegalTransitionError
        elif self._clock.now() >= entry.made_at + TTL:
            expected = UndoTokenExpiredError
        elif dependents and not force:
            expected = UndoRefusedError
        else:
            expected = None
        assert (preview.problem is None) == (expected in {None, UndoRefusedError})
        if preview.problem is None:
            assert {dependent.event.line for dependent in preview.dependents} == dependents  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        if expected is not None:
            with pytest.raises(expected):
                self._run(method(entry.token_id, force=force))
            return
        result = self._run(method(entry.token_id, force=force))
        assert len(result.events) == len(preview.events) == len(entry.lines)
        assert {dependent.event.line for dependent in result.forced} == dependents
        entry.standing = step == "redo"
        if step == "undo":
            entry.undone = self._now()

    @invariant()
    def the_board_shows_what_stands(self) -> None:
        if not self._model:
            return
        board = self._run(self._mediator.load("board", aggregate_cls=Pinboard))
        standing = {line for entry in self._model if entry.standing for line in entry.lines}
        assert set(board.lines) == standing
        assert len(board.lines) == len(standing)

    @invariant()
    def nothing_is_ever_removed_from_the_stream(self) -> None:
        if not self._model:
            return
        stream = self._run(self._event_store.read_stream("Pinboard", "board"))
        assert [event.version for event in stream] == list(range(1, len(stream) + 1))


async def _awaited[R](awaitable: Awaitable[R]) -> R:
    return await awaitable


UndoMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestUndoMachine = UndoMachine.TestCase
