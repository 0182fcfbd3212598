"""The way of a command and of a query through the mediator."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    EventDispatcher,
    EventHandler,
    HandlerRegistry,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
    Query,
    QueryHandler,
    QueryResponse,
    get_current_uow,
)
from cqrs_ddd_core.context import current_context, get_causation_id, get_correlation_id, use_context
from cqrs_ddd_core.cqrs import current_uow_or_none
from cqrs_ddd_core.ports import Stage
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    HandlerError,
    HandlerNotFoundError,
    HandlerRegistrationError,
    HandlerResultError,
    NoUnitOfWorkError,
    PipelineError,
    ReadOnlyUnitOfWorkError,
    UnitOfWorkError,
)


class Opened(DomainEvent):
    owner: str


class Deposited(DomainEvent):
    amount: int


class Account(AggregateRoot[str]):
    collection_name = "ledger_accounts"

    owner: str
    balance: int = 0

    @classmethod
    def open(cls, account_id: str, owner: str) -> Account:
        account = cls(id=account_id, owner=owner)
        account.add_event(Opened(owner=owner))
        return account

    def deposit(self, amount: int) -> None:
        if amount <= 0:
            raise ValueError("A deposit is positive.")
        self.balance += amount
        self.add_event(Deposited(amount=amount))


class OpenAccount(Command[str]):
    account_id: str
    owner: str = "ada"


class Deposit(Command[int]):
    account_id: str
    amount: int


class GetBalance(Query[int | None]):
    account_id: str


async def existing(account_id: str | None) -> Account:
    account = await get_current_uow().repository(Account).get(account_id)
    assert account is not None
    return account


class OpenAccountHandler(CommandHandler[str]):
    async def handle(self, command: OpenAccount) -> CommandResponse[str]:
        account = Account.open(command.account_id, command.owner)
        await get_current_uow().ledger_accounts.add(account)
        return CommandResponse(result=account.id, events=account.clear_events())


class DepositHandler(CommandHandler[int]):
    async def handle(self, command: Deposit) -> CommandResponse[int]:
        account = await existing(command.account_id)
        account.deposit(command.amount)
        return CommandResponse(result=account.balance)


class GetBalanceHandler(QueryHandler[int | None]):
    async def handle(self, query: GetBalance) -> QueryResponse[int | None]:
        account = await get_current_uow().ledger_accounts.get(query.account_id)
        return QueryResponse(result=None if account is None else account.balance)


class Do(Command[Any]):
    """Does what its handler was told."""


class Ask(Query[Any]):
    """Asks what its handler was told."""


class Told(CommandHandler[Any]):
    def __init__(self, action: Any) -> None:
        self.action = action

    async def handle(self, command: Any) -> CommandResponse[Any]:
        result = await self.action(command)
        return result if isinstance(result, CommandResponse) else CommandResponse(result=result)


class Asked(QueryHandler[Any]):
    def __init__(self, action: Any) -> None:
        self.action = action

    async def handle(self, query: Any) -> QueryResponse[Any]:
        return QueryResponse(result=await self.action(query))


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
def registry() -> HandlerRegistry:
    registry = HandlerRegistry()
    registry.register_command_handler(OpenAccount, OpenAccountHandler())
    registry.register_command_handler(Deposit, DepositHandler())
    registry.register_query_handler(GetBalance, GetBalanceHandler())
    return registry


@pytest.fixture
def mediator(registry: HandlerRegistry, store: InMemoryStore) -> Mediator:
    return Mediator(registry, lambda: InMemoryUnitOfWork(store))


async def balance(mediator: Mediator, account_id: str) -> int | None:
    return (await mediator.send(GetBalance(account_id=account_id))).result


# ---------------------------------------------------------------------- commands and queries


async def test_a_command_commits_and_a_query_sees_it(mediator: Mediator) -> None:
    response = await mediator.send(OpenAccount(account_id="a"))
    assert response.result == "a"
    assert [event.event_type for event in response.events] == ["Opened"]
    await mediator.send(Deposit(account_id="a", amount=5))
    assert await balance(mediator, "a") == 5


async def test_a_failing_command_leaves_nothing(mediator: Mediator) -> None:
    await mediator.send(OpenAccount(account_id="a"))
    with pytest.raises(ValueError, match="positive"):
        await mediator.send(Deposit(account_id="a", amount=-1))
    assert await balance(mediator, "a") == 0


async def test_events_are_complete_before_anybody_gets_them(mediator: Mediator, registry: HandlerRegistry) -> None:
    seen: list[DomainEvent] = []
    registry.register_event_handler(DomainEvent, seen.append, when="before_commit")
    command = OpenAccount(account_id="a", correlation_id="request-1")
    response = await mediator.send(command)
    (event,) = response.events
    assert seen == [event]
    assert event.aggregate_id == "a"
    assert event.aggregate_type == "Account"
    assert event.aggregate_version == 1
    assert event.correlation_id == "request-1"
    assert event.causation_id == command.command_id
    assert (response.correlation_id, response.causation_id) == ("request-1", command.command_id)


async def test_events_that_the_handler_did_not_return_are_found_in_its_aggregates(mediator: Mediator) -> None:
    await mediator.send(OpenAccount(account_id="a"))
    response = await mediator.send(Deposit(account_id="a", amount=5))
    assert [event.aggregate_version for event in response.events] == [2]
    assert await balance(mediator, "a") == 5, "an aggregate that emitted events is saved without add()"


async def test_an_event_that_is_returned_twice_happens_once(mediator: Mediator, registry: HandlerRegistry) -> None:
    seen: list[DomainEvent] = []
    registry.register_event_handler(DomainEvent, seen.append)

    async def twice(_: Any) -> CommandResponse[None]:
        event = Opened(owner="ada")
        return CommandResponse(result=None, events=[event, event])

    registry.register_command_handler(Do, Told(twice))
    response = await mediator.send(Do())
    assert len(response.events) == len(seen) == 1


async def test_a_subclass_of_the_response_keeps_its_fields(mediator: Mediator, registry: HandlerRegistry) -> None:
    @dataclass(frozen=True, kw_only=True)
    class WithCount(CommandResponse[str]):
        count: int

    async def count(_: Any) -> WithCount:
        return WithCount(result="x", events=[Opened(owner="ada")], count=7)

    registry.register_command_handler(Do, Told(count))
    response = await mediator.send(Do())
    assert isinstance(response, WithCount)
    assert response.count == 7
    assert response.events[0].correlation_id == response.correlation_id is not None


async def test_a_shared_response_does_not_carry_ids_to_the_next_message(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    shared = CommandResponse(result="constant")

    async def constant(_: Any) -> CommandResponse[str]:
        return shared

    registry.register_command_handler(Do, Told(constant))
    first, second = Do(), Do()
    assert (await mediator.send(first)).causation_id == first.command_id
    assert (await mediator.send(second)).causation_id == second.command_id
    assert shared.causation_id is None


async def test_a_handler_that_returns_no_response_is_told_what_to_return(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    class Careless(CommandHandler[None]):
        async def handle(self, command: Do) -> CommandResponse[None]:
            await get_current_uow().ledger_accounts.add(Account(id="a", owner="ada"))
            return None  # type: ignore[return-value]

    registry.register_command_handler(Do, Careless())
    with pytest.raises(HandlerResultError, match=r"Careless.handle returned NoneType, expected CommandResponse"):
        await mediator.send(Do())
    assert await balance(mediator, "a") is None, "and nothing was committed"


async def test_a_message_without_a_handler_names_the_registration(mediator: Mediator) -> None:
    with pytest.raises(HandlerNotFoundError, match=r"registry.register_command_handler\(Do"):
        await mediator.send(Do())
    with pytest.raises(HandlerNotFoundError, match="derives from Command or Query"):
        mediator.send("CreateOrder")  # type: ignore[call-overload]


async def test_a_second_handler_is_refused_and_the_same_one_is_not(registry: HandlerRegistry) -> None:
    with pytest.raises(HandlerRegistrationError, match="OpenAccount has a handler already, OpenAccountHandler"):
        registry.register_command_handler(OpenAccount, OpenAccountHandler())
    handler = Told(None)
    registry.register_command_handler(Do, handler)
    registry.register_command_handler(Do, handler)


async def test_the_obvious_mistakes_in_registration_are_refused(registry: HandlerRegistry) -> None:
    with pytest.raises(HandlerRegistrationError, match="a subclass of Command"):
        registry.register_command_handler(GetBalance, OpenAccountHandler())  # type: ignore[arg-type]
    with pytest.raises(HandlerRegistrationError, match=r"a method handle\(message\)"):
        registry.register_command_handler(Do, object())  # type: ignore[arg-type]
    with pytest.raises(HandlerRegistrationError, match="when is one of 'after_commit', 'before_commit'"):
        registry.register_event_handler(Opened, print, when="later")  # type: ignore[call-overload]
    with pytest.raises(HandlerRegistrationError, match="a subclass of DomainEvent"):
        registry.register_event_handler(Do, print)  # type: ignore[type-var]


async def test_a_handler_registered_late_counts(mediator: Mediator, registry: HandlerRegistry) -> None:
    await mediator.send(OpenAccount(account_id="a"))
    seen: list[DomainEvent] = []
    registry.register_event_handler(Opened, seen.append)
    registry.register_command_handler(Do, Told(lambda _: mediator.send(OpenAccount(account_id="c"))))
    await mediator.send(OpenAccount(account_id="b"))
    await mediator.send(Do())
    assert [event.aggregate_id for event in seen] == ["b", "c"]


async def test_a_middleware_registered_late_counts(registry: HandlerRegistry, store: InMemoryStore) -> None:
    middlewares = MiddlewareRegistry()
    mediator = Mediator(registry, lambda: InMemoryUnitOfWork(store), middleware_registry=middlewares)
    await mediator.send(OpenAccount(account_id="a"))
    seen: list[Any] = []

    async def watch(message: Any, next_handler: Any) -> Any:
        seen.append(type(message))
        return await next_handler(message)

    middlewares.register(watch)
    await mediator.send(OpenAccount(account_id="b"))
    assert seen == [OpenAccount]


async def test_handler_classes_are_made_by_the_factory_for_each_message(store: InMemoryStore) -> None:
    made: list[type] = []

    def factory(cls: type) -> Any:
        made.append(cls)
        return cls()

    registry = HandlerRegistry()
    registry.register_command_handler(OpenAccount, OpenAccountHandler)
    mediator = Mediator(registry, lambda: InMemoryUnitOfWork(store), handler_factory=factory)
    await mediator.send(OpenAccount(account_id="a"))
    await mediator.send(OpenAccount(account_id="b"))
    assert made == [OpenAccountHandler, OpenAccountHandler]


async def test_a_handler_class_with_dependencies_needs_a_factory(mediator: Mediator, registry: HandlerRegistry) -> None:
    registry.register_command_handler(Do, Told)
    with pytest.raises(HandlerError, match="handler_factory"):
        await mediator.send(Do())


async def test_uow_factory_has_to_be_callable(registry: HandlerRegistry) -> None:
    with pytest.raises(ConfigurationError, match="uow_factory=lambda"):
        Mediator(registry, InMemoryUnitOfWork())  # type: ignore[arg-type]


# ---------------------------------------------------------------------- context


async def test_the_correlation_id_does_not_leak_into_the_next_command(mediator: Mediator) -> None:
    first = await mediator.send(OpenAccount(account_id="a", correlation_id="request-1"))
    second = await mediator.send(OpenAccount(account_id="b"))
    assert first.correlation_id == "request-1"
    assert second.correlation_id not in {None, "request-1"}
    assert current_context() == (None, None, None, None)


async def test_the_context_is_restored_after_a_failure(mediator: Mediator) -> None:
    with use_context(correlation_id="outer", tenant_id="acme"):
        with pytest.raises(AssertionError):
            await mediator.send(Deposit(account_id="missing", amount=1))
        assert get_correlation_id() == "outer"


async def test_messages_made_in_a_handler_belong_to_its_work(mediator: Mediator, registry: HandlerRegistry) -> None:
    contexts: list[tuple[str | None, str | None]] = []

    async def look(_: Any) -> None:
        contexts.append((get_correlation_id(), get_causation_id()))
        contexts.append((Ask().correlation_id, None))

    registry.register_command_handler(Do, Told(look))
    command = Do(correlation_id="request-1")
    await mediator.send(command)
    assert contexts == [("request-1", command.command_id), ("request-1", None)]


async def test_concurrent_commands_keep_their_contexts(mediator: Mediator, registry: HandlerRegistry) -> None:
    async def look(_: Any) -> str | None:
        await asyncio.sleep(0)
        return get_correlation_id()

    registry.register_command_handler(Do, Told(look))
    responses = await asyncio.gather(*(mediator.send(Do(correlation_id=str(n))) for n in range(50)))
    assert [response.result for response in responses] == [str(n) for n in range(50)]


# ---------------------------------------------------------------------- tasks


async def test_a_task_spawned_by_a_handler_does_not_inherit_the_unit_of_work(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def later() -> None:
        assert current_uow_or_none() is None
        with pytest.raises(NoUnitOfWorkError):
            get_current_uow()
        await mediator.send(OpenAccount(account_id="later"))

    async def spawn(_: Any) -> None:
        get_current_uow()
        tasks.append(asyncio.create_task(later()))

    registry.register_command_handler(Do, Told(spawn))
    command = Do()
    await mediator.send(command)
    await asyncio.gather(*tasks)
    assert await balance(mediator, "later") == 0, "its own command committed in a unit of work of its own"


async def test_a_task_that_outlives_the_handler_runs_in_its_own_transaction_while_the_parent_is_open(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    async def parallel(_: Any) -> None:
        await asyncio.create_task(mediator.send(OpenAccount(account_id="child")))
        raise ValueError("the parent fails")

    registry.register_command_handler(Do, Told(parallel))
    with pytest.raises(ValueError, match="the parent fails"):
        await mediator.send(Do())
    assert await balance(mediator, "child") == 0


async def test_there_is_no_unit_of_work_outside_of_a_handler(mediator: Mediator) -> None:
    await mediator.send(OpenAccount(account_id="a"))
    with pytest.raises(NoUnitOfWorkError, match="send a command instead"):
        get_current_uow()


# ---------------------------------------------------------------------- nested messages


async def test_a_nested_command_joins_the_transaction_of_its_caller(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    async def nest(_: Any) -> None:
        outer = get_current_uow()
        await mediator.send(OpenAccount(account_id="inner"))
        assert get_current_uow() is outer
        raise ValueError("the caller fails")

    registry.register_command_handler(Do, Told(nest))
    with pytest.raises(ValueError, match="the caller fails"):
        await mediator.send(Do())
    assert await balance(mediator, "inner") is None


async def test_a_nested_command_that_fails_and_is_caught_leaves_nothing_behind(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    seen: list[DomainEvent] = []
    dropped: list[str] = []
    registry.register_event_handler(DomainEvent, seen.append)

    class Half(Command[None]):
        pass

    async def half(_: Any) -> None:
        uow = get_current_uow()
        account = await existing("a")
        account.deposit(1000)
        await uow.ledger_accounts.add(Account.open("half", "bob"))
        await mediator.send(OpenAccount(account_id="deeper"))
        uow.on_commit(lambda: dropped.append("callback"))
        raise ValueError("half done")

    async def nest(_: Any) -> None:
        account = await existing("a")
        account.deposit(1)
        with pytest.raises(ValueError, match="half done"):
            await mediator.send(Half())
        assert account.balance == 1, "the object that both use is as it was"
        account.deposit(2)

    registry.register_command_handler(Half, Told(half))
    registry.register_command_handler(Do, Told(nest))
    await mediator.send(OpenAccount(account_id="a"))
    seen.clear()
    response = await mediator.send(Do())
    assert await balance(mediator, "a") == 3
    assert await balance(mediator, "half") is None
    assert await balance(mediator, "deeper") is None
    assert [event.aggregate_version for event in response.events] == [2, 3]
    assert seen == list(response.events)
    assert dropped == []


async def test_events_of_caller_and_nested_command_are_told_apart(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    seen: list[DomainEvent] = []
    registry.register_event_handler(DomainEvent, seen.append)
    nested: list[CommandResponse[int]] = []

    async def nest(_: Any) -> None:
        account = await existing("a")
        account.deposit(1)
        nested.append(await mediator.send(Deposit(account_id="a", amount=2)))
        account.deposit(3)

    registry.register_command_handler(Do, Told(nest))
    await mediator.send(OpenAccount(account_id="a"))
    seen.clear()
    command = Do()
    response = await mediator.send(command)
    assert [event.aggregate_version for event in response.events] == [2, 4]
    assert {event.causation_id for event in response.events} == {command.command_id}
    assert [event.aggregate_version for event in nested[0].events] == [3]
    assert nested[0].events[0].causation_id == nested[0].causation_id != command.command_id
    assert [event.aggregate_version for event in seen] == [2, 3, 4]


async def test_after_commit_handlers_of_nested_events_wait_for_the_outer_commit(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    order: list[str] = []
    registry.register_event_handler(Opened, lambda _: order.append("reacted"))

    async def nest(_: Any) -> None:
        await mediator.send(OpenAccount(account_id="a"))
        order.append("caller goes on")

    registry.register_command_handler(Do, Told(nest))
    await mediator.send(Do())
    assert order == ["caller goes on", "reacted"]


async def test_nested_dispatch_does_not_deadlock_whatever_its_depth(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    class Countdown(Command[int]):
        left: int

    async def count(command: Any) -> int:
        if command.left == 0:
            return 0
        return (await mediator.send(Countdown(left=command.left - 1))).result + 1

    registry.register_command_handler(Countdown, Told(count))
    responses = await asyncio.gather(*(mediator.send(Countdown(left=30)) for _ in range(30)))
    assert {response.result for response in responses} == {30}


# ---------------------------------------------------------------------- queries


async def test_a_query_cannot_write_and_never_commits(mediator: Mediator, registry: HandlerRegistry) -> None:
    async def write(_: Any) -> None:
        await get_current_uow().ledger_accounts.add(Account(id="q", owner="ada"))

    registry.register_query_handler(Ask, Asked(write))
    with pytest.raises(ReadOnlyUnitOfWorkError, match=r"(?s)add Account 'q'.*Send a command"):
        await mediator.send(Ask())


async def test_what_a_query_changes_in_objects_is_not_stored(mediator: Mediator, registry: HandlerRegistry) -> None:
    async def change(_: Any) -> None:
        account = await existing("a")
        account.deposit(100)

    registry.register_query_handler(Ask, Asked(change))
    await mediator.send(OpenAccount(account_id="a"))
    await mediator.send(Ask())
    assert await balance(mediator, "a") == 0


async def test_a_query_handler_cannot_send_a_command(mediator: Mediator, registry: HandlerRegistry) -> None:
    async def send(_: Any) -> None:
        await mediator.send(OpenAccount(account_id="a"))

    registry.register_query_handler(Ask, Asked(send))
    with pytest.raises(ReadOnlyUnitOfWorkError, match="OpenAccount from a query handler"):
        await mediator.send(Ask())


async def test_a_query_inside_a_command_sees_what_the_command_has_changed(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    async def look(_: Any) -> int | None:
        await get_current_uow().ledger_accounts.add(Account(id="new", owner="ada", balance=4))
        found = await balance(mediator, "new")
        await get_current_uow().ledger_accounts.add(Account(id="after", owner="ada"))
        return found

    registry.register_command_handler(Do, Told(look))
    assert (await mediator.send(Do())).result == 4
    assert await balance(mediator, "after") == 0, "the unit of work is writable again after the query"


# ---------------------------------------------------------------------- event handlers


async def test_a_handler_of_a_base_class_gets_the_events_of_subclasses(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    class Audit(EventHandler[DomainEvent]):
        def __init__(self) -> None:
            self.seen: list[str] = []

        async def handle(self, event: DomainEvent) -> None:
            self.seen.append(event.event_type)

    audit = Audit()
    registry.register_event_handler(DomainEvent, audit)
    await mediator.send(OpenAccount(account_id="a"))
    assert audit.seen == ["Opened"]


async def test_a_handler_before_the_commit_can_refuse(mediator: Mediator, registry: HandlerRegistry) -> None:
    after: list[DomainEvent] = []
    later: list[str] = []

    def refuse(event: Deposited) -> None:
        if event.amount > 100:
            raise ValueError("too much at once")

    registry.register_event_handler(Deposited, refuse, when="before_commit")
    registry.register_event_handler(Deposited, lambda _: later.append("ran"), when="before_commit")
    registry.register_event_handler(Deposited, after.append)
    await mediator.send(OpenAccount(account_id="a"))
    with pytest.raises(ValueError, match="too much"):
        await mediator.send(Deposit(account_id="a", amount=101))
    assert await balance(mediator, "a") == 0
    assert after == []
    assert later == [], "after a failure in the transaction the other handlers do not go on"


async def test_handlers_before_the_commit_share_the_transaction_and_never_run_at_once(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    running = 0
    uows: list[Any] = []

    async def slow(event: Opened) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        uows.append(get_current_uow())
        running -= 1

    async def other(event: Opened) -> None:
        await slow(event)

    registry.register_event_handler(Opened, slow, when="before_commit")
    registry.register_event_handler(Opened, other, when="before_commit")
    await mediator.send(OpenAccount(account_id="a"))
    assert len(uows) == 2
    assert uows[0] is uows[1]


async def test_events_that_a_handler_before_the_commit_causes_belong_to_the_command(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    async def bonus(event: Opened) -> None:
        account = await existing(event.aggregate_id)
        account.deposit(10)

    registry.register_event_handler(Opened, bonus, when="before_commit")
    response = await mediator.send(OpenAccount(account_id="a"))
    assert [event.event_type for event in response.events] == ["Opened", "Deposited"]
    assert await balance(mediator, "a") == 10


async def test_handlers_that_answer_each_other_for_ever_are_stopped(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    async def again(event: Deposited) -> None:
        account = await existing("a")
        account.deposit(1)

    registry.register_event_handler(Deposited, again, when="before_commit")
    await mediator.send(OpenAccount(account_id="a"))
    with pytest.raises(PipelineError, match="answer each other for ever"):
        await mediator.send(Deposit(account_id="a", amount=1))
    assert await balance(mediator, "a") == 0


async def test_a_failing_handler_after_the_commit_fails_nobody_else(
    mediator: Mediator, registry: HandlerRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def broken(event: Opened) -> None:
        raise RuntimeError("mail server")

    registry.register_event_handler(Opened, broken)
    registry.register_event_handler(Opened, lambda _: seen.append("sibling"))
    response = await mediator.send(OpenAccount(account_id="a"))
    assert response.success
    assert await balance(mediator, "a") == 0
    assert seen == ["sibling"]
    assert sum(mediator.dispatcher.failures.values()) == 1
    assert "mail server" in caplog.text


async def test_a_handler_after_the_commit_may_send_commands(mediator: Mediator, registry: HandlerRegistry) -> None:
    async def welcome(event: Opened) -> None:
        assert current_uow_or_none() is None
        assert get_causation_id() == event.event_id
        await mediator.send(Deposit(account_id=str(event.aggregate_id), amount=1))

    registry.register_event_handler(Opened, welcome)
    await mediator.send(OpenAccount(account_id="a"))
    assert await balance(mediator, "a") == 1
    assert mediator.dispatcher.failures == {}


async def test_handlers_of_the_given_dispatcher_and_of_the_registry_both_run(
    registry: HandlerRegistry, store: InMemoryStore
) -> None:
    seen: list[str] = []
    dispatcher = EventDispatcher()
    dispatcher.register(Opened, lambda _: seen.append("dispatcher"))
    registry.register_event_handler(Opened, lambda _: seen.append("registry"))
    mediator = Mediator(registry, lambda: InMemoryUnitOfWork(store), event_dispatcher=dispatcher)
    await mediator.send(OpenAccount(account_id="a"))
    assert seen == ["registry", "dispatcher"]


# ---------------------------------------------------------------------- event sinks


class Log:
    """An event sink that remembers, and forgets what is rolled back as a table would."""

    def __init__(self) -> None:
        self.batches: list[list[DomainEvent]] = []

    async def write(self, events: Sequence[DomainEvent], /) -> None:
        assert get_current_uow() is not None
        self.batches.append(list(events))

    @property
    def versions(self) -> list[int | None]:
        return [event.aggregate_version for batch in self.batches for event in batch]


async def test_a_sink_gets_every_event_once_complete_and_in_order_across_nested_commands(
    registry: HandlerRegistry, store: InMemoryStore
) -> None:
    log = Log()
    mediator = Mediator(registry, lambda: InMemoryUnitOfWork(store), middleware_registry=MiddlewareRegistry([log]))

    async def bonus(event: Deposited) -> None:
        if event.amount == 2:
            account = await existing("a")
            account.deposit(100)
            await mediator.send(Deposit(account_id="a", amount=200))

    async def nest(_: Any) -> None:
        account = await existing("a")
        account.deposit(1)
        await mediator.send(Deposit(account_id="a", amount=2))
        account.deposit(3)

    registry.register_event_handler(Deposited, bonus, when="before_commit")
    registry.register_command_handler(Do, Told(nest))
    await mediator.send(OpenAccount(account_id="a"))
    log.batches.clear()
    after: list[DomainEvent] = []
    registry.register_event_handler(DomainEvent, after.append)
    await mediator.send(Do())
    assert log.versions == [2, 3, 4, 5, 6]
    assert [event.aggregate_version for event in after] == [2, 3, 4, 5, 6]
    assert all(event.correlation_id and event.causation_id for batch in log.batches for event in batch)
    assert await balance(mediator, "a") == 306


async def test_a_failing_sink_fails_the_command(registry: HandlerRegistry, store: InMemoryStore) -> None:
    class Full:
        async def write(self, events: Sequence[DomainEvent], /) -> None:
            raise RuntimeError("disk full")

    mediator = Mediator(registry, lambda: InMemoryUnitOfWork(store), middleware_registry=MiddlewareRegistry([Full()]))
    with pytest.raises(RuntimeError, match="disk full"):
        await mediator.send(OpenAccount(account_id="a"))
    assert await balance(mediator, "a") is None


def test_a_sink_outside_of_the_transaction_is_refused() -> None:
    with pytest.raises(PipelineError, match="belongs into stage INSIDE"):
        MiddlewareRegistry().register(Log(), stage=Stage.AROUND)


def test_what_is_neither_middleware_nor_sink_is_refused() -> None:
    with pytest.raises(PipelineError, match="is neither"):
        MiddlewareRegistry([object()])  # type: ignore[list-item]


def test_the_same_middleware_twice_is_refused() -> None:
    log = Log()
    with pytest.raises(PipelineError, match="twice it would run twice"):
        MiddlewareRegistry([log, log])


# ---------------------------------------------------------------------- commit


async def test_commit_inside_a_handler_is_refused_by_name(mediator: Mediator, registry: HandlerRegistry) -> None:
    async def commit(_: Any) -> None:
        await get_current_uow().commit()

    registry.register_command_handler(Do, Told(commit))
    with pytest.raises(UnitOfWorkError, match="belongs to Do: it commits by itself"):
        await mediator.send(Do())


async def test_on_commit_callbacks_run_after_the_commit_in_order_and_not_after_a_rollback(
    mediator: Mediator, registry: HandlerRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    order: list[str] = []

    async def look() -> None:
        order.append(f"balance {await balance(mediator, 'a')}")

    def broken() -> None:
        raise RuntimeError("broken callback")

    async def work(_: Any) -> None:
        uow = get_current_uow()
        uow.on_commit(look)
        uow.on_commit(broken)
        uow.on_commit(lambda: order.append("last"))
        await uow.ledger_accounts.add(Account(id="a", owner="ada", balance=9))

    class Fail(Command[None]):
        pass

    async def fail(_: Any) -> None:
        get_current_uow().on_commit(lambda: order.append("never"))
        raise ValueError("no")

    registry.register_command_handler(Do, Told(work))
    registry.register_command_handler(Fail, Told(fail))
    await mediator.send(Do())
    with pytest.raises(ValueError, match="no"):
        await mediator.send(Fail())
    assert order == ["balance 9", "last"]
    assert "broken callback" in caplog.text


async def test_a_cancelled_command_rolls_back_and_the_cancellation_goes_on(
    mediator: Mediator, registry: HandlerRegistry
) -> None:
    started = asyncio.Event()

    async def wait(_: Any) -> None:
        await get_current_uow().ledger_accounts.add(Account(id="a", owner="ada"))
        started.set()
        await asyncio.Event().wait()

    registry.register_command_handler(Do, Told(wait))
    task = asyncio.create_task(mediator.send(Do()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await balance(mediator, "a") is None


async def test_a_failure_on_the_way_back_from_the_commit_does_not_lose_the_reactions(
    registry: HandlerRegistry, store: InMemoryStore
) -> None:
    seen: list[DomainEvent] = []
    registry.register_event_handler(Opened, seen.append)

    async def broken(message: Any, next_handler: Any) -> Any:
        await next_handler(message)
        raise RuntimeError("exporter")

    mediator = Mediator(registry, lambda: InMemoryUnitOfWork(store), middleware_registry=MiddlewareRegistry([broken]))
    with pytest.raises(RuntimeError, match="exporter"):
        await mediator.send(OpenAccount(account_id="a"))
    assert len(seen) == 1


# ---------------------------------------------------------------------- explain


async def test_explain_prints_the_chain(registry: HandlerRegistry, store: InMemoryStore) -> None:
    async def audit(message: Any, next_handler: Any) -> Any:
        return await next_handler(message)

    registry.register_event_handler(Opened, print)
    registry.register_event_handler(Deposited, print, when="before_commit")
    mediator = Mediator(registry, lambda: InMemoryUnitOfWork(store), middleware_registry=MiddlewareRegistry([audit]))
    text = str(mediator.explain(OpenAccount))
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "OpenAccount (command) → str"
    assert "audit [around, priority 100]" in lines[1]
    assert lines[2] == "2. unit of work: InMemoryUnitOfWork"
    assert "handler: OpenAccountHandler" in lines[3]
    assert "before the commit: Deposited → print" in lines[4]
    assert "after the commit: Opened → print" in text
    assert "read-only" in str(mediator.explain(GetBalance))


def test_explain_refuses_what_sending_would_refuse(mediator: Mediator) -> None:
    with pytest.raises(HandlerNotFoundError):
        mediator.explain(Do)
