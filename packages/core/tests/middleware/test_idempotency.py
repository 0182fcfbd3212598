"""The same command twice: executed once, answered twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, override
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandResponse,
    DomainEvent,
    InMemoryStore,
    InMemoryUnitOfWork,
    Query,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import (
    InMemoryEventStore,
    InMemoryIdempotencyStore,
    InMemoryLockStrategy,
    InMemoryOutboxStorage,
)
from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.middleware import (
    ConcurrencyGuardMiddleware,
    EventStorePersistenceMiddleware,
    IdempotencyMiddleware,
    OutboxMiddleware,
    RetryMiddleware,
)
from cqrs_ddd_core.middleware.stored_response import fingerprint
from cqrs_ddd_core.ports.idempotency import IdempotencyRecord
from cqrs_ddd_core.primitives.exceptions import (
    IdempotencyConflictError,
    IdempotencyKeyReusedError,
    InvalidPayloadError,
    OptimisticConcurrencyError,
    PipelineError,
    UnknownTypeError,
)
from cqrs_ddd_core.primitives.locking import ResourceIdentifier


class Charged(DomainEvent):
    event_type = "idempotency.Charged"

    amount: Decimal


class Purse(AggregateRoot[str]):
    collection_name = "idempotent_purses"

    total: Decimal = Decimal(0)

    def charge(self, amount: Decimal) -> None:
        self.total += amount
        self.add_event(Charged(amount=amount))


class Charge(Command[Decimal]):
    purse: str = "a"
    amount: Decimal = Decimal("1.10")
    key: str | None = None


class ChargeLocked(Charge):
    @override
    def get_critical_resources(self) -> Sequence[ResourceIdentifier]:
        return [ResourceIdentifier("Purse", self.purse)]


class Refund(Command[Decimal]):
    pass


class Batch(Command[list[Decimal]]):
    charges: list[Charge] = Field(default_factory=list)


class Total(Query[Any]):
    pass


class Counting:
    """Handles ``Charge``; knows how often it did."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, command: Charge) -> CommandResponse[Decimal]:
        self.runs += 1
        purses = get_current_uow().idempotent_purses
        purse = await purses.get(command.purse) or Purse(id=command.purse)
        await asyncio.sleep(0)
        purse.charge(command.amount)
        await purses.add(purse)
        return CommandResponse(result=purse.total, events=purse.clear_events())


@pytest.fixture
def charge() -> Counting:
    return Counting()


@pytest.fixture
def answers(store: InMemoryStore) -> InMemoryIdempotencyStore:
    return InMemoryIdempotencyStore(store)


async def total(store: InMemoryStore, purse: str = "a") -> Decimal:
    async with InMemoryUnitOfWork(store) as uow:
        found = await uow.idempotent_purses.get(purse)
        return Decimal(0) if found is None else found.total


# ---------------------------------------------------------------- once


async def test_a_command_that_is_sent_again_is_answered_and_not_executed(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    events, outbox = InMemoryEventStore(store), InMemoryOutboxStorage(store)
    told: list[DomainEvent] = []
    mediator = mediate(
        {Charge: charge},
        IdempotencyMiddleware(answers),
        EventStorePersistenceMiddleware(events),
        OutboxMiddleware(outbox),
    )
    mediator.dispatcher.register(Charged, told.append)
    command = Charge(correlation_id="c-1")
    first = await mediator.send(command)
    second = await mediator.send(command)
    assert second == first
    assert type(second) is type(first)
    assert second.result == Decimal("1.10")
    assert second.events == first.events
    assert (second.correlation_id, second.causation_id) == ("c-1", command.command_id)
    assert charge.runs == 1
    assert await total(store) == Decimal("1.10")
    assert len(told) == len(await events.read_all()) == (await outbox.statistics()).pending == 1


async def test_different_commands_are_executed_each(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers))
    await mediator.send(Charge())
    await mediator.send(Charge())
    assert charge.runs == 2


async def test_an_answer_that_exists_opens_no_unit_of_work_and_takes_no_lock(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    opened: list[InMemoryUnitOfWork] = []
    asked: list[ResourceIdentifier] = []

    def uow_factory() -> InMemoryUnitOfWork:
        opened.append(InMemoryUnitOfWork(store))
        return opened[-1]

    class Watched(InMemoryLockStrategy):
        @override
        async def acquire(self, resource: ResourceIdentifier, **arguments: Any) -> Any:
            asked.append(resource)
            return await super().acquire(resource, **arguments)

    guard = ConcurrencyGuardMiddleware(Watched(store))
    mediator = mediate({ChargeLocked: charge}, IdempotencyMiddleware(answers), guard, uow_factory=uow_factory)
    command = ChargeLocked()
    await mediator.send(command)
    await mediator.send(command)
    assert len(opened) == len(asked) == 1


async def test_a_command_that_failed_has_no_answer_and_may_be_sent_again(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore
) -> None:
    runs = 0

    async def fail_at_first(command: Charge) -> Decimal:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("no network")
        return Decimal(runs)

    mediator = mediate({Charge: fail_at_first}, IdempotencyMiddleware(answers))
    command = Charge()
    with pytest.raises(ValueError, match="no network"):
        await mediator.send(command)
    assert await answers.find(command.command_id) is None
    assert (await mediator.send(command)).result == 2


async def test_the_answer_and_the_change_are_one_commit(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    """Whatever breaks before the commit is over, either both are there or neither."""

    class Breaking(InMemoryUnitOfWork):
        broken = True

        @override
        async def _commit(self) -> None:
            if Breaking.broken:
                raise ConnectionError("the database went away")
            await super()._commit()

    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers), uow_factory=lambda: Breaking(store))
    command = Charge()
    with pytest.raises(ConnectionError):
        await mediator.send(command)
    assert await answers.find(command.command_id) is None
    assert await total(store) == 0
    Breaking.broken = False
    await mediator.send(command)
    await mediator.send(command)
    assert await answers.find(command.command_id) is not None
    assert await total(store) == Decimal("1.10")


async def test_an_answer_that_cannot_be_saved_fails_the_command(
    mediate: Any, store: InMemoryStore, charge: Counting
) -> None:
    class Full(InMemoryIdempotencyStore):
        @override
        async def save(self, record: IdempotencyRecord) -> None:
            raise ConnectionError("disk full")

    with pytest.raises(ConnectionError, match="disk full"):
        await mediate({Charge: charge}, IdempotencyMiddleware(Full(store))).send(Charge())
    assert await total(store) == 0


async def test_tenants_have_keys_of_their_own(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers))
    command = Charge()
    for tenant in ("acme", "other", "acme"):
        with with_tenant_context(tenant):
            await mediator.send(command)
    await mediator.send(command)
    assert charge.runs == 3


async def test_queries_are_left_alone(mediate: Any, answers: InMemoryIdempotencyStore) -> None:
    runs = 0

    async def count(query: Total) -> int:
        nonlocal runs
        runs += 1
        return runs

    mediator = mediate({Total: count}, IdempotencyMiddleware(answers))
    query = Total()
    await mediator.send(query)
    assert (await mediator.send(query)).result == 2


async def test_an_error_after_the_commit_is_not_hidden_behind_the_answer(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    class FailingAfterTheCommit:
        priority = 80

        async def __call__(self, message: Any, next_handler: Any, /) -> Any:
            await next_handler(message)
            raise RuntimeError("after the commit")

    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers), FailingAfterTheCommit())
    command = Charge()
    with pytest.raises(RuntimeError, match="after the commit"):
        await mediator.send(command)
    assert (await mediator.send(command)).result == Decimal("1.10")
    assert charge.runs == 1


# ---------------------------------------------------------------- at the same time


@pytest.mark.parametrize("senders", [2, 20])
@pytest.mark.parametrize("retry", [False, True], ids=["", "with retry"])
async def test_of_concurrent_senders_one_executes_and_all_get_its_answer(
    mediate: Any, store: InMemoryStore, charge: Counting, senders: int, retry: bool
) -> None:
    middlewares = [
        IdempotencyMiddleware(InMemoryIdempotencyStore(store)),
        *([RetryMiddleware(base_delay=0.0001)] if retry else []),
    ]
    events = InMemoryEventStore(store)
    mediator = mediate({Charge: charge}, *middlewares, EventStorePersistenceMiddleware(events))
    command = Charge()
    responses = await asyncio.gather(*(mediator.send(command) for _ in range(senders)))
    assert all(response == responses[0] for response in responses)
    assert await total(store) == Decimal("1.10")
    assert len(await events.read_all()) == 1


async def test_who_waited_for_a_lock_meanwhile_does_not_run_the_handler(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    guard = ConcurrencyGuardMiddleware(InMemoryLockStrategy(store))
    mediator = mediate({ChargeLocked: charge}, IdempotencyMiddleware(answers), guard)
    command = ChargeLocked()
    responses = await asyncio.gather(*(mediator.send(command) for _ in range(10)))
    assert all(response == responses[0] for response in responses)
    assert charge.runs == 1


async def test_a_sender_whose_own_attempt_failed_gets_the_answer_of_the_other(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore
) -> None:
    """The second runs into a rule that the first has made true: it is still the same command."""

    async def once_only(command: Charge) -> Decimal:
        purses = get_current_uow().idempotent_purses
        await asyncio.sleep(0)
        await asyncio.sleep(0.001 if waiting.pop() else 0)
        if await purses.get(command.purse) is not None:
            raise ValueError("there is such a purse")
        await purses.add(Purse(id=command.purse))
        return Decimal(7)

    waiting = [True, False]
    mediator = mediate({Charge: once_only}, IdempotencyMiddleware(answers))
    command = Charge()
    responses = await asyncio.gather(mediator.send(command), mediator.send(command))
    assert [response.result for response in responses] == [7, 7]


async def test_a_failure_is_told_although_the_answers_cannot_be_looked_up(mediate: Any, store: InMemoryStore) -> None:
    class Vanishing(InMemoryIdempotencyStore):
        there = True

        @override
        async def find(self, key: str) -> IdempotencyRecord | None:
            if not self.there:
                raise ConnectionError("the database is away")
            return await super().find(key)

    answers = Vanishing(store)

    async def fail(command: Charge) -> Decimal:
        answers.there = False
        raise ValueError("the card is expired")

    with pytest.raises(ValueError, match="the card is expired"):
        await mediate({Charge: fail}, IdempotencyMiddleware(answers)).send(Charge())


# ---------------------------------------------------------------- keys


async def test_a_key_may_come_from_the_sender(
    mediate: Any, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers, key=lambda command: command.key))
    # Sent by two processes: other ids, the same wish.
    first = await mediator.send(Charge(key="k-1"))
    second = await mediator.send(Charge(key="k-1"))
    assert second == first
    assert charge.runs == 1


async def test_a_command_without_a_key_is_not_protected(
    mediate: Any, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers, key=lambda command: command.key))
    command = Charge(key=None)
    await mediator.send(command)
    await mediator.send(command)
    assert charge.runs == 2


async def test_a_key_with_other_content_is_refused(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers, key=lambda command: command.key))
    await mediator.send(Charge(key="k-1"))
    with pytest.raises(IdempotencyConflictError, match=r"'k-1': it was used for a Charge with other content") as caught:
        await mediator.send(Charge(key="k-1", amount=Decimal(2)))
    assert isinstance(caught.value, IdempotencyKeyReusedError)
    assert charge.runs == 1


async def test_a_key_of_another_command_is_refused(
    mediate: Any, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    async def refund(command: Refund) -> Decimal:
        return Decimal(0)

    mediator = mediate({Charge: charge, Refund: refund}, IdempotencyMiddleware(answers, key=lambda command: "k-1"))
    await mediator.send(Charge())
    with pytest.raises(IdempotencyKeyReusedError, match="it was used for Charge, and now for Refund"):
        await mediator.send(Refund())


async def test_two_different_commands_with_one_key_at_the_same_time_are_not_mixed_up(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers, key=lambda command: command.key))
    results = await asyncio.gather(
        mediator.send(Charge(key="k-1", purse="a")),
        mediator.send(Charge(key="k-1", purse="b")),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["CommandResponse", "IdempotencyKeyReusedError"]
    assert await total(store, "a") + await total(store, "b") == Decimal("1.10")


def test_the_fingerprint_is_of_the_content_alone() -> None:
    class Tag(Command[None]):
        names: set[str]
        at: datetime

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    first = Tag(names={"a", "b", "c", "d"}, at=moment)
    second = Tag(names={"d", "c", "b", "a"}, at=moment, correlation_id="other")
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(first) != fingerprint(Tag(names={"a"}, at=moment))
    # The same in every process: golden, because answers are kept for longer than a process lives.
    assert fingerprint(first) == "sha256:7fa8618ce58b860a5f88fc754944956d13e83088f7ced31fca95a53bfef3aac9"


# ---------------------------------------------------------------- nested commands


async def test_a_nested_command_is_executed_once(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    async def batch(command: Batch) -> list[Decimal]:
        return [(await mediator.send(each)).result for each in command.charges]

    mediator = mediate({Charge: charge, Batch: batch}, IdempotencyMiddleware(answers))
    one, two = Charge(amount=Decimal(1)), Charge(amount=Decimal(2))
    assert (await mediator.send(one)).result == 1
    # In one unit of work: what was answered before, what is new, and the same once more.
    assert (await mediator.send(Batch(charges=[one, two, two]))).result == [1, 3, 3]
    assert (await mediator.send(two)).result == 3
    assert charge.runs == 2


async def test_a_nested_command_that_was_rolled_back_has_no_answer(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    async def batch(command: Batch) -> list[Decimal]:
        await mediator.send(command.charges[0])
        raise ValueError("changed my mind")

    mediator = mediate({Charge: charge, Batch: batch}, IdempotencyMiddleware(answers))
    one = Charge()
    with pytest.raises(ValueError, match="changed my mind"):
        await mediator.send(Batch(charges=[one]))
    await mediator.send(one)
    assert charge.runs == 2
    assert await total(store) == Decimal("1.10")


async def test_two_outer_commands_with_the_same_nested_command_at_once_execute_it_once(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    async def batch(command: Batch) -> list[Decimal]:
        return [(await mediator.send(each)).result for each in command.charges]

    mediator = mediate({Charge: charge, Batch: batch}, IdempotencyMiddleware(answers), RetryMiddleware(base_delay=0))
    one = Charge()
    responses = await asyncio.gather(*(mediator.send(Batch(charges=[one])) for _ in range(2)))
    assert [response.result for response in responses] == [[Decimal("1.10")]] * 2
    assert await total(store) == Decimal("1.10")


async def test_a_lost_race_of_a_nested_answer_starts_the_outer_command_again(
    mediate: Any, store: InMemoryStore, answers: InMemoryIdempotencyStore
) -> None:
    """Here the nested command changes nothing but its answer, so that only the answer can be in the way."""
    runs = 0

    async def pure(command: Charge) -> Decimal:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        return Decimal(runs)

    async def batch(command: Batch) -> list[Decimal]:
        return [(await mediator.send(each)).result for each in command.charges]

    mediator = mediate({Charge: pure, Batch: batch}, IdempotencyMiddleware(answers))
    one = Charge()
    responses = await asyncio.gather(*(mediator.send(Batch(charges=[one])) for _ in range(2)))
    assert responses[0].result == responses[1].result


async def test_a_key_that_is_reused_in_a_nested_command_does_not_repeat_the_outer_one(
    mediate: Any, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    runs = 0

    async def batch(command: Batch) -> list[Decimal]:
        nonlocal runs
        runs += 1
        return [(await mediator.send(each)).result for each in command.charges]

    middleware = IdempotencyMiddleware(answers, key=lambda command: getattr(command, "key", None) or command.command_id)
    mediator = mediate({Charge: charge, Batch: batch}, middleware)
    with pytest.raises(IdempotencyKeyReusedError):
        await mediator.send(Batch(charges=[Charge(key="k"), Charge(key="k", amount=Decimal(5))]))
    assert runs == 1


async def test_an_unprotected_nested_command_does_not_take_the_key_of_its_caller(
    mediate: Any, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    async def batch(command: Batch) -> list[Decimal]:
        return [(await mediator.send(each)).result for each in command.charges]

    middleware = IdempotencyMiddleware(
        answers, key=lambda command: command.command_id if isinstance(command, Batch) else None
    )
    mediator = mediate({Charge: charge, Batch: batch}, middleware)
    command = Batch(charges=[Charge(), Charge()])
    first = await mediator.send(command)
    assert await mediator.send(command) == first
    assert charge.runs == 2


# ---------------------------------------------------------------- responses


class Line(BaseModel):
    sku: str
    price: Decimal


@dataclass(frozen=True)
class Receipt:
    number: UUID
    printed_at: datetime
    lines: list[Line]
    note: str | None = None


class Print(Command[Receipt]):
    pass


class Untyped(Command[Any]):
    pass


@dataclass(frozen=True, init=False)
class Warned(CommandResponse[Decimal]):
    warnings: list[str] = field(default_factory=list)
    checked_at: datetime | None = None

    def __init__(self, result: Decimal, warnings: list[str], checked_at: datetime | None = None) -> None:
        super().__init__(result)
        object.__setattr__(self, "warnings", warnings)
        object.__setattr__(self, "checked_at", checked_at)


RECEIPT = Receipt(
    number=UUID("12345678-1234-5678-1234-567812345678"),
    printed_at=datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
    lines=[Line(sku="tea", price=Decimal("3.20"))],
)


async def answered_twice(mediate: Any, answers: Any, command: Any, response: Any) -> CommandResponse[Any]:
    async def give(_: Any) -> Any:
        return response

    mediator = mediate({type(command): give}, IdempotencyMiddleware(answers))
    first = await mediator.send(command)
    second: CommandResponse[Any] = await mediator.send(command)
    assert second == first
    assert second is not first
    return second


async def test_a_result_of_models_and_dataclasses_comes_back_as_such(
    mediate: Any, answers: InMemoryIdempotencyStore
) -> None:
    response = await answered_twice(mediate, answers, Print(), RECEIPT)
    assert response.result == RECEIPT
    assert isinstance(response.result.lines[0], Line)


async def test_nothing_is_a_result_too(mediate: Any, answers: InMemoryIdempotencyStore) -> None:
    assert (await answered_twice(mediate, answers, Print(), None)).result is None


async def test_an_undeclared_result_of_plain_values_comes_back(mediate: Any, answers: InMemoryIdempotencyStore) -> None:
    result = {"a": [1, 2.5, "x", None, True]}
    assert (await answered_twice(mediate, answers, Untyped(), result)).result == result


async def test_a_response_that_is_no_success_comes_back_as_such(
    mediate: Any, answers: InMemoryIdempotencyStore
) -> None:
    response = await answered_twice(mediate, answers, Charge(), CommandResponse(result=Decimal(0), success=False))
    assert response.success is False


async def test_a_response_of_a_class_of_its_own_keeps_class_and_fields(
    mediate: Any, answers: InMemoryIdempotencyStore
) -> None:
    given = Warned(Decimal(3), ["low balance"], datetime(2026, 1, 1, tzinfo=UTC))
    response = await answered_twice(mediate, answers, Charge(), given)
    assert isinstance(response, Warned)
    assert (response.warnings, response.checked_at) == (["low balance"], datetime(2026, 1, 1, tzinfo=UTC))


async def test_events_without_an_aggregate_come_back_too(mediate: Any, answers: InMemoryIdempotencyStore) -> None:
    event = Charged(amount=Decimal(1), metadata={"source": "test"})
    response = await answered_twice(mediate, answers, Charge(), CommandResponse(result=Decimal(0), events=[event]))
    [again] = response.events
    assert (again.event_id, again.aggregate_id, again.aggregate_type) == (event.event_id, None, None)
    assert again.metadata == {"source": "test"}


class NotStorable:
    pass


class GiveNotStorable(Command[NotStorable]):
    pass


class GiveCallable(Command[Callable[[], int]]):
    pass


def test_a_result_type_that_cannot_be_stored_is_refused_when_the_chain_is_built(
    mediate: Any, answers: InMemoryIdempotencyStore
) -> None:
    async def give(_: Any) -> Any:
        return NotStorable()

    mediator = mediate({GiveNotStorable: give}, IdempotencyMiddleware(answers))
    with pytest.raises(PipelineError, match="The result of GiveNotStorable is declared as NotStorable"):
        mediator.explain(GiveNotStorable)


class SpecialLine(Line):
    engraving: str = ""


class GiveLine(Command[Line]):
    pass


@pytest.mark.parametrize(
    ("command", "result", "named"),
    [
        (GiveCallable(), lambda: 5, "Callable"),
        (Untyped(), datetime(2026, 1, 1, tzinfo=UTC), "datetime"),
        (Untyped(), (1, 2), "tuple"),
        (Untyped(), NotStorable(), "NotStorable"),
        (Charge(), "1.10", "str"),
        (GiveLine(), SpecialLine(sku="a", price=Decimal(1), engraving="for ada"), "SpecialLine"),
    ],
    ids=["callable", "undeclared datetime", "undeclared tuple", "undeclared object", "other than declared", "subclass"],
)
async def test_a_result_that_would_not_come_back_equal_is_refused_by_name(
    mediate: Any, store: InMemoryStore, command: Any, result: Any, named: str
) -> None:
    async def give(_: Any) -> Any:
        await get_current_uow().idempotent_purses.add(Purse(id="a"))
        return result

    mediator = mediate({type(command): give}, IdempotencyMiddleware(InMemoryIdempotencyStore(store)))
    with pytest.raises(PipelineError, match=named):
        await mediator.send(command)
    async with InMemoryUnitOfWork(store) as uow:
        assert await uow.idempotent_purses.get("a") is None


async def test_a_response_with_attributes_that_are_no_fields_is_refused(
    mediate: Any, answers: InMemoryIdempotencyStore
) -> None:
    class Chatty(CommandResponse[Decimal]):
        def __init__(self, result: Decimal) -> None:
            super().__init__(result)
            self.__dict__["gossip"] = "much"

    async def give(_: Any) -> Any:
        return Chatty(Decimal(1))

    with pytest.raises(PipelineError, match="Chatty, the response to Charge, cannot be repeated: gossip would be lost"):
        await mediate({Charge: give}, IdempotencyMiddleware(answers)).send(Charge())


async def test_a_stored_answer_that_fits_no_more_is_an_error_and_not_a_second_execution(
    mediate: Any, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers))
    bad_result, bad_class = Charge(), Charge()
    for command, changes in ((bad_result, {"result": ["x"]}), (bad_class, {"response": {"class": "Gone"}})):
        values: dict[str, Any] = {"result": "1", **changes}
        await answers.save(
            IdempotencyRecord(key=command.command_id, message_type="Charge", fingerprint=fingerprint(command), **values)
        )
    with pytest.raises(InvalidPayloadError, match="answer 'Charge'"):
        await mediator.send(bad_result)
    with pytest.raises(UnknownTypeError, match="Unknown response type 'Gone'"):
        await mediator.send(bad_class)
    assert charge.runs == 0


# ---------------------------------------------------------------- wiring


async def test_a_store_outside_of_the_transaction_is_refused(
    mediate: Any, store: InMemoryStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(InMemoryIdempotencyStore(InMemoryStore())))
    with pytest.raises(PipelineError, match="InMemoryIdempotencyStore does not write in the transaction") as caught:
        await mediator.send(Charge())
    assert "Build both on the same database" in str(caught.value)
    assert charge.runs == 0


async def test_two_middlewares_with_two_kinds_of_keys_both_protect(
    mediate: Any, store: InMemoryStore, charge: Counting
) -> None:
    class Apart(InMemoryIdempotencyStore):
        @override
        async def find(self, key: str) -> IdempotencyRecord | None:
            return await super().find(f"apart {key}")

        @override
        async def save(self, record: IdempotencyRecord) -> None:
            await super().save(replace(record, key=f"apart {record.key}"))

    by_id = IdempotencyMiddleware(InMemoryIdempotencyStore(store))
    by_key = IdempotencyMiddleware(Apart(store), key=lambda command: command.key)
    mediator = mediate({Charge: charge}, by_id, by_key)
    command = Charge(key="k-1")
    first = await mediator.send(command)
    assert await mediator.send(command) == first
    assert await mediator.send(Charge(key="k-1")) == first
    assert charge.runs == 1


async def test_explaining_a_command_shows_both_parts(mediate: Any, answers: InMemoryIdempotencyStore) -> None:
    async def give(_: Any) -> Any:
        return Decimal(1)

    text = str(mediate({Charge: give}, IdempotencyMiddleware(answers)).explain(Charge))
    assert "runs nothing if InMemoryIdempotencyStore has the answer; by command_id" in text
    assert "stores the response in InMemoryIdempotencyStore" in text


async def test_losing_an_aggregate_to_another_command_is_still_a_lost_race(
    mediate: Any, answers: InMemoryIdempotencyStore, charge: Counting
) -> None:
    mediator = mediate({Charge: charge}, IdempotencyMiddleware(answers))
    results = await asyncio.gather(*(mediator.send(Charge()) for _ in range(2)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["CommandResponse", "OptimisticConcurrencyError"]
    assert any(isinstance(result, OptimisticConcurrencyError) for result in results)
