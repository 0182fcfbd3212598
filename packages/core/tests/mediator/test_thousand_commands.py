"""A thousand commands at once, failing at random: state, events, outbox and effects after the commit agree exactly."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, override

import pytest

from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    HandlerRegistry,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemoryOutboxStorage
from cqrs_ddd_core.middleware import EventStorePersistenceMiddleware, OutboxMiddleware, RetryMiddleware
from cqrs_ddd_core.ports import OutboxMessage, StoredEvent
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError

ACCOUNTS = [f"account-{number}" for number in range(8)]
START = 1_000
COMMANDS = 1_000

type Ending = str


class PurseOpened(DomainEvent):
    balance: int


class PurseChanged(DomainEvent):
    change: int
    command: str


class Purse(AggregateRoot[str]):
    """Something that money is moved into and out of."""

    balance: int = 0

    def change(self, change: int, command: str) -> None:
        self.balance += change
        self.add_event(PurseChanged(change=change, command=command))


async def load(name: str) -> Purse:
    purse = await get_current_uow().repository(Purse).get(name)
    assert purse is not None
    return purse


class BadLuckError(Exception):
    """What goes wrong in this test."""


class MovePurse(Command[int]):
    """Move money, and end in one of several ways."""

    source: str
    target: str
    amount: int
    ending: Ending


class ChangePurse(Command[None]):
    """A nested command."""

    purse: str
    change: int
    fails: bool
    command: str


@dataclass
class World:
    """Everything that a command could leave behind."""

    store: InMemoryStore = field(default_factory=InMemoryStore)
    luck: random.Random = field(default_factory=random.Random)
    vetoed: set[str] = field(default_factory=set[str])
    """Commands that a handler before the commit refuses."""
    failing: set[str] = field(default_factory=set[str])
    """Commands with an event handler that fails after the commit."""
    effects: Counter[str] = field(default_factory=Counter[str])
    """Events that were handled after the commit, by id."""
    notified: Counter[str] = field(default_factory=Counter[str])
    """Commands whose callback ran."""
    undone: set[str] = field(default_factory=set[str])
    """Callbacks that must not have run."""

    async def pause(self) -> None:
        """Let others in, now and then for longer."""
        for _ in range(self.luck.choice([0, 0, 1, 1, 2, 5])):
            await asyncio.sleep(0)


class MovePurseHandler(CommandHandler[int]):
    def __init__(self, world: World, mediators: list[Mediator]) -> None:
        self.world, self.mediators = world, mediators

    @override
    async def handle(self, command: MovePurse) -> CommandResponse[int]:
        uow = get_current_uow()
        world, ending, name = self.world, command.ending, command.command_id
        uow.on_commit(lambda: world.notified.update([name]))
        source = await load(command.source)
        await world.pause()
        target = await load(command.target)
        source.change(-command.amount, name)
        if ending == "fails half-way":
            raise BadLuckError
        await world.pause()
        if ending == "searches":
            assert len(await (await uow.purses.search())) == len(ACCOUNTS)
        if ending in {"nested", "nested fails and is caught", "nested fails"}:
            await self._nested(command)
        else:
            target.change(command.amount, name)
        await world.pause()
        if ending == "fails at the end":
            raise BadLuckError
        if ending == "returns its events":
            return CommandResponse(result=command.amount, events=[*source.clear_events(), *target.clear_events()])
        return CommandResponse(result=command.amount)

    async def _nested(self, command: MovePurse) -> None:
        [mediator] = self.mediators
        fails = command.ending != "nested"
        nested = ChangePurse(purse=command.target, change=command.amount, fails=fails, command=command.command_id)
        try:
            await mediator.send(nested)
        except BadLuckError:
            if command.ending == "nested fails":
                raise
            # The money goes back where it came from: what the nested command did is undone.
            source = await load(command.source)
            source.change(command.amount, command.command_id)


class ChangePurseHandler(CommandHandler[None]):
    def __init__(self, world: World) -> None:
        self.world = world

    @override
    async def handle(self, command: ChangePurse) -> CommandResponse[None]:
        uow = get_current_uow()
        purse = await load(command.purse)
        purse.change(command.change, command.command)
        if command.fails:
            uow.on_commit(lambda: self.world.undone.add(command.command_id))
        await self.world.pause()
        if command.fails:
            if self.world.luck.random() < 0.5:
                await uow.flush()
            raise BadLuckError
        return CommandResponse(result=None)


ENDINGS = [
    "well",
    "well",
    "returns its events",
    "searches",
    "nested",
    "nested fails and is caught",
    "nested fails",
    "fails half-way",
    "fails at the end",
    "is vetoed",
    "effect fails",
    "is cancelled",
]


def a_mediator(world: World, *, retries: bool) -> Mediator:
    registry = HandlerRegistry()
    mediators: list[Mediator] = []
    registry.register_command_handler(MovePurse, MovePurseHandler(world, mediators))
    registry.register_command_handler(ChangePurse, ChangePurseHandler(world))

    async def veto(event: PurseChanged) -> None:
        await world.pause()
        if event.command in world.vetoed:
            raise BadLuckError

    def note(event: DomainEvent) -> None:
        world.effects[event.event_id] += 1

    async def fail(event: PurseChanged) -> None:
        if event.command in world.failing:
            raise BadLuckError("the mail server is down")

    registry.register_event_handler(PurseChanged, veto, when="before_commit")
    registry.register_event_handler(PurseChanged, fail)
    registry.register_event_handler(DomainEvent, note)
    middlewares: list[Any] = [
        OutboxMiddleware(InMemoryOutboxStorage(world.store)),
        EventStorePersistenceMiddleware(InMemoryEventStore(world.store)),
    ]
    if retries:
        middlewares.append(RetryMiddleware(max_attempts=30, base_delay=0.001, max_delay=0.02))
    mediator = Mediator(
        registry,
        lambda: InMemoryUnitOfWork(world.store, aggregates=[Purse]),
        middleware_registry=MiddlewareRegistry(middlewares),
    )
    mediators.append(mediator)
    return mediator


@pytest.mark.parametrize(("seed", "retries"), [(1, False), (2, True)])
async def test_everything_a_command_leaves_behind_agrees(
    seed: int, retries: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    world = World(luck=random.Random(seed))
    async with InMemoryUnitOfWork(world.store, aggregates=[Purse]) as uow:
        for name in ACCOUNTS:
            await uow.repository(Purse).add(Purse(id=name, balance=START))
    mediator = a_mediator(world, retries=retries)
    commands = [
        MovePurse(source=source, target=target, amount=world.luck.randint(1, 50), ending=world.luck.choice(ENDINGS))
        for source, target in (world.luck.sample(ACCOUNTS, 2) for _ in range(COMMANDS))
    ]
    world.vetoed.update(each.command_id for each in commands if each.ending == "is vetoed")
    world.failing.update(each.command_id for each in commands if each.ending == "effect fails")

    async def send(command: MovePurse) -> CommandResponse[int]:
        for _ in range(world.luck.randint(0, 100)):
            await asyncio.sleep(0)
        return await mediator.send(command)

    tasks = [asyncio.create_task(send(command), name=command.command_id) for command in commands]

    async def cancel() -> None:
        for command, task in zip(commands, tasks, strict=True):
            if command.ending == "is cancelled":
                await asyncio.sleep(0)
                task.cancel()

    _, *results = await asyncio.gather(cancel(), *tasks, return_exceptions=True)
    outcomes = dict(zip((command.command_id for command in commands), results, strict=True))
    await check(world, {command.command_id: command for command in commands}, outcomes, retries=retries)


async def check(world: World, commands: dict[str, MovePurse], outcomes: dict[str, Any], *, retries: bool) -> None:
    succeeded = {name for name, outcome in outcomes.items() if isinstance(outcome, CommandResponse)}
    failed = {name: outcome for name, outcome in outcomes.items() if name not in succeeded}
    stored = [event async for event in all_events(world)]
    rows = [row async for row in all_rows(world)]

    # Each failed as it was meant to, or lost a race; nobody was told something else.
    wanted = {"nested fails", "fails half-way", "fails at the end", "is vetoed"}
    for name, outcome in failed.items():
        assert isinstance(outcome, BadLuckError | OptimisticConcurrencyError | asyncio.CancelledError), repr(outcome)
        if isinstance(outcome, BadLuckError):
            assert commands[name].ending in wanted
    assert not {commands[name].ending for name in succeeded} & wanted
    assert len(succeeded) > COMMANDS / 20
    assert len(failed) > COMMANDS / 20
    races_lost = sum(isinstance(outcome, OptimisticConcurrencyError) for outcome in failed.values())
    assert races_lost < COMMANDS / 4 if retries else races_lost > 0

    # Events: those of the commands that succeeded, each once, in the store, the outbox, the responses, the effects.
    assert {event.payload["command"] for event in stored} == succeeded
    ids = [event.event_id for event in stored]
    assert len(ids) == len(set(ids))
    assert Counter(row.envelope.message_id for row in rows) == Counter(ids)
    assert world.effects == Counter(ids)
    told = Counter(event.event_id for name in succeeded for event in outcomes[name].events)
    # What a nested command emits is in its own response.
    nested = {name for name in succeeded if commands[name].ending == "nested"}
    assert told.keys() <= set(ids)
    assert {event.event_id for event in stored if event.payload["command"] not in nested} <= told.keys()
    assert max(told.values()) == 1

    # Callbacks: once for each command that succeeded, never for what was undone.
    assert world.notified == Counter(succeeded)
    assert world.undone == set()

    # State: what the events say, at the version that the events say; no money was made or lost.
    async with InMemoryUnitOfWork(world.store, aggregates=[Purse]) as uow:
        purses = await uow.repository(Purse).list_all()
    for purse in purses:
        changes = [event for event in stored if event.aggregate_id == purse.id]
        assert purse.balance == START + sum(event.payload["change"] for event in changes)
        assert [event.version for event in changes] == list(range(2, purse.version + 1))
        of_purse = [row for row in rows if row.key == purse.id]
        assert [row.envelope.message_id for row in of_purse] == [event.event_id for event in changes]
    assert sum(purse.balance for purse in purses) == START * len(ACCOUNTS)

    # Correlation and causation are those of the command, for each of them.
    for event in stored:
        command = commands[event.payload["command"]]
        assert event.correlation_id == command.command_id
        assert event.causation_id is not None


async def all_events(world: World) -> AsyncGenerator[StoredEvent]:
    for event in await InMemoryEventStore(world.store).read_all(after_position=0, limit=100_000):
        assert isinstance(event, StoredEvent)
        yield event


async def all_rows(world: World) -> AsyncGenerator[OutboxMessage]:
    storage = InMemoryOutboxStorage(world.store)
    while leased := await storage.lease(1_000, hold=timedelta(hours=1)):
        for row in leased:
            assert isinstance(row, OutboxMessage)
            yield row
        await storage.mark_published(leased)
