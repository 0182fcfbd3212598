"""Undo and redo: compensating changes, decided against the state of now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self, override

import pytest

from cqrs_ddd_advanced_core.event_sourcing import EventSourcedAggregate, EventSourcedMediator
from cqrs_ddd_advanced_core.undo import (
    RedoChange,
    UndoChange,
    UndoContext,
    UndoExecutor,
    UndoPolicy,
    UndoPolicyRegistry,
    UndoService,
    redoes,
    undoes,
)
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
from cqrs_ddd_core.adapters.memory import InMemoryEventStore, InMemoryUndoTokenRepository
from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.middleware import EventStorePersistenceMiddleware
from cqrs_ddd_core.ports import UndoTokenStatus
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    IllegalTransitionError,
    OptimisticConcurrencyError,
    PipelineError,
    UndoError,
    UndoPolicyMissingError,
    UndoRefusedError,
    UndoTokenExpiredError,
    UndoTokenNotFoundError,
)
from cqrs_ddd_core.testing import VirtualClock


class VaultOpened(DomainEvent):
    owner: str


class GoldPut(DomainEvent):
    grams: int


class GoldTaken(DomainEvent):
    grams: int


class VaultPainted(DomainEvent):
    colour: str


class VaultLabelled(DomainEvent):
    label: str
    former: str


class VaultSealed(DomainEvent):
    pass


class Vault(EventSourcedAggregate[str]):
    owner: str
    grams: int = 0
    colour: str = "grey"
    label: str = ""

    @classmethod
    def open(cls, vault_id: str, owner: str) -> Self:
        vault = cls.begin(vault_id)
        vault.add_event(VaultOpened(owner=owner))
        return vault

    def take(self, grams: int) -> None:
        if grams > self.grams:
            raise UndoError("There is not enough gold left.")
        self.add_event(GoldTaken(grams=grams))

    @undoes(GoldPut, dependents=(GoldTaken, VaultSealed))
    def _take_out_again(self, event: GoldPut) -> None:
        self.take(event.grams)

    @redoes(GoldPut)
    def _put_in_again(self, event: GoldPut) -> None:
        self.add_event(GoldPut(grams=event.grams))

    def undo_gold_taken(self, event: GoldTaken) -> None:
        self.add_event(GoldPut(grams=event.grams))

    def undo_VaultLabelled(self, event: VaultLabelled) -> None:
        self.add_event(VaultLabelled(label=event.former, former=self.label))

    def apply_vault_opened(self, event: VaultOpened) -> None:
        self.owner = event.owner

    def apply_gold_put(self, event: GoldPut) -> None:
        self.grams += event.grams

    def apply_gold_taken(self, event: GoldTaken) -> None:
        self.grams -= event.grams

    def apply_vault_painted(self, event: VaultPainted) -> None:
        self.colour = event.colour

    def apply_vault_labelled(self, event: VaultLabelled) -> None:
        self.label = event.label

    def apply_vault_sealed(self, event: VaultSealed) -> None: ...


class Do(Command[None]):
    """Let things happen to vaults."""

    events: dict[str, list[DomainEvent]]


class DoHandler(CommandHandler[None]):
    async def handle(self, command: Do) -> CommandResponse[None]:
        vaults = get_current_uow().repository(Vault)
        for vault_id, events in command.events.items():
            vault = await vaults.get(vault_id) or Vault.open(vault_id, "ada")
            for event in events:
                vault.add_event(event)
            await vaults.add(vault)
        return CommandResponse(result=None)


@pytest.fixture
def database() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def event_store(database: InMemoryStore) -> InMemoryEventStore:
    return InMemoryEventStore(database)


@pytest.fixture
def tokens(database: InMemoryStore) -> InMemoryUndoTokenRepository:
    return InMemoryUndoTokenRepository(database)


@pytest.fixture
def service(event_store: InMemoryEventStore, tokens: InMemoryUndoTokenRepository) -> UndoService:
    return UndoService(event_store, tokens)


@pytest.fixture
def registry() -> HandlerRegistry:
    registry = HandlerRegistry()
    registry.register_command_handler(Do, DoHandler())
    return registry


@pytest.fixture
async def mediator(registry: HandlerRegistry, event_store: InMemoryEventStore) -> EventSourcedMediator:
    mediator = EventSourcedMediator(registry, event_store, verify=True)
    for vault_id in ("v", "w"):
        await mediator.save(Vault.open(vault_id, "ada"))
    return mediator


@pytest.fixture
def executor(mediator: EventSourcedMediator, event_store: InMemoryEventStore, service: UndoService) -> UndoExecutor:
    return UndoExecutor(mediator, event_store)


type Change = Any


@pytest.fixture
def change(mediator: EventSourcedMediator, service: UndoService) -> Change:
    """``await change(GoldPut(grams=3))``: let it happen to the vault v, and give the id of its token."""

    async def change(*events: DomainEvent) -> str:
        response = await mediator.send(Do(events={"v": list(events)}))
        return (await service.create_token("v", Vault, response.events)).token_id

    return change


async def _grams(mediator: EventSourcedMediator, vault_id: str = "v") -> int:
    return (await mediator.load(vault_id, aggregate_cls=Vault)).grams


# ------------------------------------------------------------------ undo and redo


async def test_an_undo_is_a_new_event(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    token_id = await change(GoldPut(grams=3))
    result = await executor.undo(token_id)
    assert await _grams(mediator) == 0
    assert [event.event_type for event in await event_store.read_stream("Vault", "v")] == [
        "VaultOpened",
        "GoldPut",
        "GoldTaken",
    ]
    [token] = result.tokens
    [event] = result.events
    assert (token.status, token.undo_event_ids) == (UndoTokenStatus.UNDONE, (event.event_id,))


async def test_it_is_decided_against_the_state_of_now(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    token_id = await change(GoldPut(grams=3))
    await change(GoldTaken(grams=2))
    with pytest.raises(UndoError, match="not enough gold left"):
        await executor.undo(token_id, force=True)
    assert await _grams(mediator) == 1


async def test_a_redo_restores_and_can_be_undone_again(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    token_id = await change(GoldPut(grams=3))
    for _ in range(3):
        await executor.undo(token_id)
        assert await _grams(mediator) == 0
        result = await executor.redo(token_id)
        assert await _grams(mediator) == 3
        assert result.tokens[0].status is UndoTokenStatus.REDONE


async def test_without_a_redo_the_undo_is_undone(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    await change(GoldPut(grams=5))
    token_id = await change(GoldTaken(grams=2))
    await executor.undo(token_id)
    assert await _grams(mediator) == 5
    await executor.redo(token_id)
    assert await _grams(mediator) == 3


async def test_several_events_are_taken_back_from_the_last_to_the_first(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    token_id = await change(VaultLabelled(label="a", former=""), VaultLabelled(label="b", former="a"), GoldPut(grams=1))
    result = await executor.undo(token_id)
    assert [event.event_type for event in result.events] == ["GoldTaken", "VaultLabelled", "VaultLabelled"]
    vault = await mediator.load("v", aggregate_cls=Vault)
    assert (vault.label, vault.grams) == ("", 0)


@pytest.mark.parametrize(
    ("before", "step"),
    [([], "redo"), (["undo"], "undo"), (["undo", "redo"], "redo"), (["undo", "redo", "undo"], "undo")],
)
async def test_a_step_out_of_turn_is_refused_by_name(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator, before: list[str], step: str
) -> None:
    token_id = await change(GoldPut(grams=3))
    for each in before:
        await getattr(executor, each)(token_id)
    grams = await _grams(mediator)
    with pytest.raises(IllegalTransitionError, match=f"{step} is not possible. Possible now: "):
        await getattr(executor, step)(token_id)
    assert await _grams(mediator) == grams


async def test_of_two_at_once_one_wins(change: Change, executor: UndoExecutor, mediator: EventSourcedMediator) -> None:
    token_id = await change(GoldPut(grams=3))
    outcomes = await asyncio.gather(executor.undo(token_id), executor.undo(token_id), return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(errors) == 1
    assert isinstance(errors[0], OptimisticConcurrencyError | IllegalTransitionError)
    assert await _grams(mediator) == 0


async def test_what_fails_leaves_token_and_aggregate_as_they_were(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator, service: UndoService
) -> None:
    token_id = await change(VaultLabelled(label="a", former=""), GoldPut(grams=3))
    await change(VaultLabelled(label="b", former="a"))

    async def refuse(event: VaultLabelled) -> None:
        raise RuntimeError("vetoed")

    mediator.registry.register_event_handler(VaultLabelled, refuse, when="before_commit")
    with pytest.raises(RuntimeError, match="vetoed"):
        await executor.undo(token_id, force=True)
    assert (await service.get(token_id)).status is UndoTokenStatus.AVAILABLE
    assert await _grams(mediator) == 3


# ------------------------------------------------------------------ dependents


async def test_what_depends_on_it_refuses_and_is_reported(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    token_id = await change(GoldPut(grams=3))
    await change(VaultPainted(colour="red"))
    await change(GoldTaken(grams=1))
    with pytest.raises(UndoRefusedError, match="GoldTaken of Vault 'v' at version 4 depends on GoldPut") as caught:
        await executor.undo(token_id)
    assert len(caught.value.dependents) == 1, "painting has nothing to do with gold"
    assert await _grams(mediator) == 2


async def test_everything_later_depends_unless_something_else_is_said(change: Change, executor: UndoExecutor) -> None:
    token_id = await change(VaultLabelled(label="a", former=""))
    await change(VaultPainted(colour="red"))
    with pytest.raises(UndoRefusedError, match="VaultPainted"):
        await executor.undo(token_id)


async def test_forcing_passes_over_it_and_says_so(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    token_id = await change(VaultLabelled(label="a", former=""))
    await change(VaultPainted(colour="red"))
    result = await executor.undo(token_id, force=True)
    [forced] = result.forced
    assert (forced.event.event_type, forced.because_of.event_type) == ("VaultPainted", "VaultLabelled")
    vault = await mediator.load("v", aggregate_cls=Vault)
    assert (vault.label, vault.colour) == ("", "red")


async def test_what_was_taken_back_itself_stands_in_nobodys_way(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    first = await change(GoldPut(grams=3))
    second = await change(GoldTaken(grams=1))
    with pytest.raises(UndoRefusedError):
        await executor.undo(first)
    await executor.undo(second)
    await executor.undo(first)
    assert await _grams(mediator) == 0
    await executor.redo(first)
    await executor.redo(second)
    assert await _grams(mediator) == 2
    with pytest.raises(UndoRefusedError):
        await executor.undo(first)


async def test_a_redo_waits_for_what_it_depends_on(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    await change(GoldPut(grams=9))
    first = await change(GoldPut(grams=3))
    second = await change(GoldTaken(grams=1))
    await executor.undo(second)
    await executor.undo(first)
    with pytest.raises(UndoRefusedError, match="GoldTaken of Vault 'v' at version 4 depends on GoldPut"):
        await executor.redo(second)
    await executor.redo(second, force=True)
    assert await _grams(mediator) == 8


async def test_what_was_passed_over_once_still_depends_on_it(change: Change, executor: UndoExecutor) -> None:
    token_id = await change(VaultLabelled(label="a", former=""))
    await change(VaultPainted(colour="red"))
    await executor.undo(token_id, force=True)
    await executor.redo(token_id)
    with pytest.raises(UndoRefusedError, match="VaultPainted"):
        await executor.undo(token_id)


async def test_a_redo_is_refused_by_what_came_in_between(change: Change, executor: UndoExecutor) -> None:
    token_id = await change(VaultLabelled(label="a", former=""))
    await executor.undo(token_id)
    await change(VaultLabelled(label="z", former=""))
    with pytest.raises(UndoRefusedError, match="Cannot redo"):
        await executor.redo(token_id)
    await executor.redo(token_id, force=True)


# ------------------------------------------------------------------ tokens


async def test_a_token_expires(change: Change, executor: UndoExecutor, clock: VirtualClock) -> None:
    token_id = await change(GoldPut(grams=3))
    clock.advance(timedelta(days=1) - timedelta(microseconds=1))
    await executor.undo(token_id)
    clock.advance(timedelta(microseconds=1))
    with pytest.raises(UndoTokenExpiredError, match="was good until 2026-05-02T12:00:00"):
        await executor.redo(token_id)


async def test_tokens_can_be_good_for_longer_or_for_ever(
    mediator: EventSourcedMediator,
    event_store: InMemoryEventStore,
    tokens: InMemoryUndoTokenRepository,
    clock: VirtualClock,
) -> None:
    lasting = UndoService(event_store, tokens, ttl=None)
    response = await mediator.send(Do(events={"v": [GoldPut(grams=1)]}))
    for_ever = await lasting.create_token("v", "Vault", response.events)
    week = await lasting.create_token("v", "Vault", response.events, expires_in=timedelta(days=7))
    assert (for_ever.expires_at, week.expires_at) == (None, clock.now() + timedelta(days=7))
    clock.advance(timedelta(days=8))
    assert await lasting.purge_expired() == 1
    assert await tokens.get(for_ever.token_id) is not None
    with pytest.raises(UndoTokenNotFoundError, match="has been purged"):
        await lasting.get(week.token_id)
    with pytest.raises(ValueError, match="ttl"):
        UndoService(event_store, tokens, ttl=timedelta())


async def test_a_token_is_good_in_its_tenant_only(change: Change, executor: UndoExecutor) -> None:
    token_id = await change(GoldPut(grams=3))
    with with_tenant_context("acme"), pytest.raises(UndoTokenNotFoundError):
        await executor.undo(token_id)


async def test_a_token_is_for_events_of_its_aggregate(
    mediator: EventSourcedMediator, service: UndoService, change: Change
) -> None:
    response = await mediator.send(Do(events={"v": [GoldPut(grams=1)], "w": [GoldPut(grams=2), GoldPut(grams=3)]}))
    token = await service.create_token("w", Vault, response.events, metadata={"by": "ada"})
    assert (len(token.event_ids), token.from_version, token.to_version) == (2, 1, 3)
    assert token.metadata == {"by": "ada"}
    with pytest.raises(UndoError, match="None of the events belongs to Vault 'x'"):
        await service.create_token("x", Vault, response.events)


async def test_a_token_needs_events_that_are_stored(service: UndoService) -> None:
    vault = Vault.open("new", "ada")
    with pytest.raises(UndoError, match="VaultOpened of Vault 'new' is not in the event store"):
        await service.create_token("new", Vault, vault.collect_events())


# ------------------------------------------------------------------ grouped by command


async def test_what_one_command_did_is_taken_back_together(
    mediator: EventSourcedMediator, service: UndoService, executor: UndoExecutor
) -> None:
    command = Do(events={"v": [GoldPut(grams=1)], "w": [GoldPut(grams=2)]})
    response = await mediator.send(command)
    first, second = await service.create_tokens(response.events)
    assert first.command_id == second.command_id == command.command_id
    result = await executor.undo(second.token_id)
    assert [token.token_id for token in result.tokens] == [second.token_id, first.token_id]
    assert (await _grams(mediator, "v"), await _grams(mediator, "w")) == (0, 0)
    result = await executor.redo(first.token_id)
    assert [token.token_id for token in result.tokens] == [first.token_id, second.token_id]
    assert (await _grams(mediator, "v"), await _grams(mediator, "w")) == (1, 2)


async def test_it_is_taken_back_together_or_not_at_all(
    mediator: EventSourcedMediator, service: UndoService, executor: UndoExecutor, change: Change
) -> None:
    response = await mediator.send(Do(events={"v": [GoldPut(grams=1)], "w": [GoldPut(grams=2)]}))
    first, second = await service.create_tokens(response.events)
    await change(GoldTaken(grams=1))
    with pytest.raises(UndoRefusedError):
        await executor.undo(second.token_id)
    assert await _grams(mediator, "w") == 2
    result = await executor.undo(second.token_id, only_this=True)
    assert [token.token_id for token in result.tokens] == [second.token_id]
    assert await _grams(mediator, "w") == 0
    assert (await service.get(first.token_id)).status is UndoTokenStatus.AVAILABLE


# ------------------------------------------------------------------ preview


async def test_a_preview_says_what_would_happen_and_does_nothing(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator, service: UndoService
) -> None:
    token_id = await change(GoldPut(grams=3))
    before = await mediator.load("v", aggregate_cls=Vault)
    preview = await executor.preview(token_id)
    assert preview.is_possible
    assert [event.event_type for event in preview.events] == ["GoldTaken"]
    assert [token.token_id for token in preview.tokens] == [token_id]
    assert await mediator.load("v", aggregate_cls=Vault) == before
    assert (await service.get(token_id)).status is UndoTokenStatus.AVAILABLE
    assert not (await executor.preview(token_id, step="redo")).is_possible


async def test_a_preview_names_what_is_in_the_way(change: Change, executor: UndoExecutor, clock: VirtualClock) -> None:
    token_id = await change(GoldPut(grams=3))
    await change(GoldTaken(grams=2))
    preview = await executor.preview(token_id)
    assert not preview.is_possible
    assert [str(dependent) for dependent in preview.dependents] == [
        "GoldTaken of Vault 'v' at version 3 depends on GoldPut"
    ]
    assert preview.problem == "There is not enough gold left."
    clock.advance(timedelta(days=2))
    assert "was good until" in ((await executor.preview(token_id)).problem or "")
    with pytest.raises(UndoTokenNotFoundError):
        await executor.preview("unknown")


class LookAndTake(Command[int]):
    token_id: str


async def test_a_preview_inside_of_a_command_leaves_its_objects_alone(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    token_id = await change(GoldPut(grams=3))

    class Handler(CommandHandler[int]):
        async def handle(self, command: LookAndTake) -> CommandResponse[int]:
            vault = await get_current_uow().repository(Vault).get("v")
            assert vault is not None
            vault.take(1)
            await executor.preview(command.token_id)
            return CommandResponse(result=vault.grams)

    mediator.registry.register_command_handler(LookAndTake, Handler())
    response = await mediator.send(LookAndTake(token_id=token_id))
    assert (response.result, len(response.events)) == (2, 1)
    assert await _grams(mediator) == 2


# ------------------------------------------------------------------ policies


class Repaint(UndoPolicy[VaultPainted]):
    event_type = VaultPainted

    @override
    async def undo(self, event: VaultPainted, context: UndoContext, /) -> Sequence[DomainEvent]:
        former = [each.colour for each in context.history if isinstance(each, VaultPainted)]
        assert former[0] == event.colour
        return [VaultPainted(colour="as before")]

    @override
    def redo(self, event: VaultPainted, context: UndoContext, /) -> Sequence[Command[Any]]:
        return [Do(events={"w": [VaultPainted(colour=event.colour)]})]

    @override
    def can_undo(self, event: VaultPainted, context: UndoContext, /) -> bool:
        return event.colour != "gold"

    @override
    def depends_on(self, later: DomainEvent, event: VaultPainted, /) -> bool:
        return isinstance(later, VaultPainted)


async def test_a_policy_returns_events_or_commands(
    change: Change,
    mediator: EventSourcedMediator,
    event_store: InMemoryEventStore,
    tokens: InMemoryUndoTokenRepository,
) -> None:
    UndoService(event_store, tokens, policies=[Repaint()])
    executor = UndoExecutor(mediator, event_store)
    token_id = await change(VaultPainted(colour="red"))
    await change(GoldPut(grams=1))
    await executor.undo(token_id)
    assert (await mediator.load("v", aggregate_cls=Vault)).colour == "as before"
    preview = await executor.preview(token_id, step="redo")
    assert ([type(command) for command in preview.commands], preview.events) == ([Do], ())
    assert (await mediator.load("w", aggregate_cls=Vault)).colour == "grey"
    result = await executor.redo(token_id)
    assert len(result.commands) == 1
    assert (await mediator.load("w", aggregate_cls=Vault)).colour == "red"


async def test_a_policy_can_say_no(
    change: Change,
    mediator: EventSourcedMediator,
    event_store: InMemoryEventStore,
    tokens: InMemoryUndoTokenRepository,
) -> None:
    service = UndoService(event_store, tokens, policies=UndoPolicyRegistry(Repaint()))
    token_id = await change(VaultPainted(colour="gold"))
    with pytest.raises(UndoError, match="VaultPainted cannot be taken back now: Repaint says no"):
        await UndoExecutor(mediator, event_store, undo_service=service).undo(token_id)


async def test_what_nobody_can_take_back_is_refused_before_anything_is_done(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    token_id = await change(VaultPainted(colour="red"), GoldPut(grams=3))
    with pytest.raises(UndoPolicyMissingError, match=r"undo VaultPainted: give Vault a method undo_VaultPainted"):
        await executor.undo(token_id)
    assert await _grams(mediator) == 3


def test_a_registry_of_policies_finds_the_nearest_class() -> None:
    class Brighter(VaultPainted):
        pass

    policies = UndoPolicyRegistry(policy := Repaint())
    assert policies.get(Brighter) is policy
    assert policies.get(GoldPut) is None
    assert policies.has(VaultPainted)
    assert policies.list_event_types() == (VaultPainted,)
    policies.register(policy)
    with pytest.raises(ConfigurationError, match="VaultPainted is taken back by Repaint already"):
        policies.register(Repaint())

    class Nameless(Repaint):
        event_type = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    with pytest.raises(ConfigurationError, match="Nameless does not say which events"):
        policies.register(Nameless())
    policies.clear()
    assert not policies.has(VaultPainted)


def test_two_methods_for_one_event_are_refused(service: UndoService) -> None:
    class Doubtful(Vault):
        def undo_vault_painted(self, event: VaultPainted) -> None: ...

        @undoes(VaultPainted)
        def unpaint(self, event: VaultPainted) -> None: ...

    with pytest.raises(ConfigurationError, match="undo_vault_painted and unpaint to undo VaultPainted"):
        service.policy(Doubtful, VaultPainted(colour=""))


# ------------------------------------------------------------------ aggregates that are kept as their state


class RoomNamed(DomainEvent):
    name: str
    former: str


class RoomCleaned(DomainEvent):
    pass


class Room(AggregateRoot[str]):
    name: str = ""

    def rename(self, name: str) -> None:
        former, self.name = self.name, name
        self.add_event(RoomNamed(name=name, former=former))

    def undo_RoomNamed(self, event: RoomNamed) -> None:
        self.rename(event.former)


class NameRoom(Command[None]):
    name: str


class NameRoomHandler(CommandHandler[None]):
    async def handle(self, command: NameRoom) -> CommandResponse[None]:
        rooms = get_current_uow().repository(Room)
        room = await rooms.get("r") or Room(id="r")
        room.rename(command.name)
        await rooms.add(room)
        return CommandResponse(result=None)


@pytest.fixture
def rooms(database: InMemoryStore, event_store: InMemoryEventStore) -> Mediator:
    registry = HandlerRegistry()
    registry.register_command_handler(NameRoom, NameRoomHandler())
    return Mediator(
        registry,
        lambda: InMemoryUnitOfWork(database),
        middleware_registry=MiddlewareRegistry([EventStorePersistenceMiddleware(event_store)]),
    )


async def _room_name(database: InMemoryStore) -> str:
    async with InMemoryUnitOfWork(database) as uow:
        room = await uow.repository(Room).get("r")
        assert room is not None
        return room.name


async def test_aggregates_that_are_kept_as_their_state_can_be_undone_too(
    rooms: Mediator, service: UndoService, event_store: InMemoryEventStore, database: InMemoryStore
) -> None:
    executor = UndoExecutor(rooms, event_store)
    await rooms.send(NameRoom(name="kitchen"))
    response = await rooms.send(NameRoom(name="bath"))
    token = await service.create_token("r", "Room", response.events)
    await executor.undo(token.token_id)
    assert await _room_name(database) == "kitchen"
    await executor.redo(token.token_id)
    assert await _room_name(database) == "bath"


async def test_an_event_that_would_change_nothing_is_refused(
    rooms: Mediator, event_store: InMemoryEventStore, tokens: InMemoryUndoTokenRepository
) -> None:
    class Cleaning(UndoPolicy[RoomNamed]):
        event_type = RoomNamed

        def undo(self, event: RoomNamed, context: UndoContext, /) -> list[DomainEvent]:
            return [RoomCleaned()]

    service = UndoService(event_store, tokens, policies=[Cleaning()])
    response = await rooms.send(NameRoom(name="bath"))
    token = await service.create_token("r", Room, response.events)
    with pytest.raises(UndoError, match="Room does not say what RoomCleaned changes"):
        await UndoExecutor(rooms, event_store).undo(token.token_id)


# ------------------------------------------------------------------ wiring


async def test_an_executor_needs_a_service(mediator: EventSourcedMediator, database: InMemoryStore) -> None:
    with pytest.raises(ConfigurationError, match=r"No UndoService is known for this InMemoryEventStore: make one"):
        UndoExecutor(mediator, InMemoryEventStore(database))


async def test_executors_on_one_mediator_use_their_own_services(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator, event_store: InMemoryEventStore
) -> None:
    token_id = await change(GoldPut(grams=1))
    elsewhere = UndoService(event_store, InMemoryUndoTokenRepository(InMemoryStore()))
    other = UndoExecutor(mediator, event_store, undo_service=elsewhere)
    with pytest.raises(PipelineError, match="InMemoryUndoTokenRepository does not write in the transaction"):
        await other.undo(token_id)
    await executor.undo(token_id)


async def test_undo_and_redo_are_commands(
    change: Change, executor: UndoExecutor, mediator: EventSourcedMediator
) -> None:
    token_id = await change(GoldPut(grams=1))
    await mediator.send(UndoChange(token_id=token_id))
    assert await _grams(mediator) == 0
    await mediator.send(RedoChange(token_id=token_id))
    assert await _grams(mediator) == 1


async def test_a_class_that_two_have_the_name_of_has_to_be_settled(
    event_store: InMemoryEventStore, tokens: InMemoryUndoTokenRepository, change: Change
) -> None:
    token_id = await change(GoldPut(grams=1))
    other = type("Vault", (Vault,), {"__module__": __name__ + ".other"})
    plain = UndoService(event_store, tokens)
    with pytest.raises(ConfigurationError, match="name one"):
        plain.aggregate_class(await plain.get(token_id))
    settled = UndoService(event_store, tokens, aggregates=[Vault])
    assert settled.aggregate_class(await settled.get(token_id)) is Vault
    del other
