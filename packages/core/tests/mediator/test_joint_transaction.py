"""Several commands in one commit, and what is held until a transaction is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cqrs_ddd_core import (
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    HandlerRegistry,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import InMemoryInbox
from cqrs_ddd_core.cqrs.mediator import has_committed, joint_transaction


class Noted(DomainEvent):
    event_type = "joint.Noted"

    text: str


class Note(Command[str]):
    text: str
    fails: bool = False


class NoteHandler(CommandHandler[str]):
    def __init__(self, store: InMemoryStore) -> None:
        self._inbox = InMemoryInbox(store)

    async def handle(self, command: Note) -> CommandResponse[str]:
        await self._inbox.register("notes", command.text)
        if command.fails:
            raise ValueError(command.text)
        return CommandResponse(result=command.text, events=[Noted(text=command.text)])


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def mediator(store: InMemoryStore, told: list[str]) -> Mediator:
    registry = HandlerRegistry()
    registry.register_command_handler(Note, NoteHandler(store))
    registry.register_event_handler(Noted, lambda event: told.append(event.text))
    return Mediator(registry, lambda: InMemoryUnitOfWork(store))


async def noted(store: InMemoryStore, text: str) -> bool:
    return await InMemoryInbox(store).contains("notes", text)


async def test_commands_in_the_block_are_one_commit_and_are_told_after_it(
    store: InMemoryStore, mediator: Mediator, told: list[str]
) -> None:
    async with joint_transaction(InMemoryUnitOfWork(store), "a test") as uow:
        assert get_current_uow() is uow
        await mediator.send(Note(text="a"))
        await mediator.send(Note(text="b"))
        assert told == []
    assert told == ["a", "b"]
    assert await noted(store, "a")
    assert await noted(store, "b")


async def test_a_block_that_fails_leaves_nothing_and_tells_nobody(
    store: InMemoryStore, mediator: Mediator, told: list[str]
) -> None:
    async def fail() -> None:
        async with joint_transaction(InMemoryUnitOfWork(store), "a test"):
            await mediator.send(Note(text="a"))
            raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await fail()
    assert told == []
    assert not await noted(store, "a")


async def test_a_command_that_fails_and_is_caught_leaves_nothing(
    store: InMemoryStore, mediator: Mediator, told: list[str]
) -> None:
    async with joint_transaction(InMemoryUnitOfWork(store), "a test"):
        await mediator.send(Note(text="a"))
        with pytest.raises(ValueError, match="b"):
            await mediator.send(Note(text="b", fails=True))
    assert told == ["a"]
    assert not await noted(store, "b")


async def test_each_mediator_tells_its_own_handlers(store: InMemoryStore, mediator: Mediator, told: list[str]) -> None:
    others: list[str] = []
    registry = HandlerRegistry()
    registry.register_command_handler(Note, NoteHandler(store))
    registry.register_event_handler(Noted, lambda event: others.append(event.text))
    other = Mediator(registry, lambda: InMemoryUnitOfWork(store))
    async with joint_transaction(InMemoryUnitOfWork(store), "a test"):
        await mediator.send(Note(text="a"))
        await other.send(Note(text="b"))
    assert (told, others) == (["a"], ["b"])


async def test_the_block_is_over_for_the_next_command(store: InMemoryStore, mediator: Mediator) -> None:
    async with joint_transaction(InMemoryUnitOfWork(store), "a test"):
        pass
    await mediator.send(Note(text="a"))
    assert await noted(store, "a")
    assert not has_committed()


async def test_everything_that_is_held_is_let_go_although_letting_go_is_cancelled(store: InMemoryStore) -> None:
    let_go: list[str] = []
    waiting = asyncio.Event()

    async def hang() -> None:
        waiting.set()
        await asyncio.Event().wait()

    async def work() -> None:
        async with InMemoryUnitOfWork(store) as uow:
            uow.on_close(lambda: let_go.append("first"))
            uow.on_close(hang)
            uow.on_close(lambda: let_go.append("last"))

    task: asyncio.Task[Any] = asyncio.create_task(work())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert let_go == ["last", "first"]
