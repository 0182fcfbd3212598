"""Commands that lost a race are merged and handled again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, override

import pytest

from cqrs_ddd_advanced_core.conflict_resolution import (
    NO_BASE,
    ConflictCommandHandler,
    ConflictConfig,
    ConflictResilient,
    ConflictResolutionMiddleware,
    ConflictResolutionPolicy,
    ExponentialBackoffPolicy,
    FixedRetryPolicy,
    IConflictSource,
    LastWinsStrategy,
    ResilientCommandHandler,
    Resolution,
    Retryable,
    RetryableCommandHandler,
    RetryPolicy,
    current_resolution,
)
from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    HandlerRegistry,
    InMemoryRepository,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
    get_current_uow,
)
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    ConflictNotResolvedError,
    MergeStrategyNotFoundError,
    OptimisticConcurrencyError,
)


class CardChanged(DomainEvent):
    fields: list[str]


class Card(AggregateRoot[str]):
    name: str = ""
    phones: dict[str, str] = {}  # noqa: RUF012
    motto: str = ""


class ChangeCard(Command[int]):
    """What a form sends: the fields as they should be, and as they were."""

    card_id: str = "ada"
    version: int
    fields: dict[str, Any]
    before: dict[str, Any] | None = None


def _fields(card: Card) -> dict[str, Any]:
    return {"name": card.name, "phones": dict(card.phones), "motto": card.motto}


async def _card(card_id: str = "ada") -> Card:
    card = await get_current_uow().repository(Card).get(card_id)
    assert card is not None
    return card


class _Process:
    """Changes the card if it still has the version that the command was made from."""

    interrupt: Callable[[], Awaitable[None]] | None = None
    seen: ClassVar[list[Any]] = []

    async def change(self, command: ChangeCard) -> CommandResponse[int]:
        self.seen.append(current_resolution())
        card = await _card(command.card_id)
        if self.interrupt is not None:
            interrupt, self.interrupt = self.interrupt, None
            await interrupt()
        if card.version != command.version:
            raise OptimisticConcurrencyError("Card", card.id, command.version, card.version)
        for name, value in command.fields.items():
            setattr(card, name, value)
        resolution = current_resolution()
        metadata = {} if resolution is None else resolution.as_metadata()
        card.add_event(CardChanged(fields=sorted(command.fields), metadata=metadata))
        await get_current_uow().repository(Card).add(card)
        return CommandResponse(result=card.version)


class _Handler(CommandHandler[int], _Process):
    async def handle(self, command: ChangeCard) -> CommandResponse[int]:
        return await self.change(command)


class CardConflicts(IConflictSource[ChangeCard]):
    """For the middleware: reads in a transaction of its own."""

    def __init__(self, cards: InMemoryRepository[Card, str]) -> None:
        self._cards = cards
        self.latest = 0
        self.resolutions: list[Resolution] = []

    @override
    async def fetch_latest_state(self, command: ChangeCard, /) -> Any:
        card = await self._cards.get(command.card_id)
        assert card is not None
        self.latest = card.version
        return _fields(card)

    @override
    async def fetch_base_state(self, command: ChangeCard, /) -> Any:
        return NO_BASE if command.before is None else command.before

    @override
    def get_incoming_state(self, command: ChangeCard, /) -> Any:
        return command.fields

    @override
    def update_command(self, command: ChangeCard, merged: Any, /) -> ChangeCard:
        return command.model_copy(update={"fields": merged, "version": self.latest})

    @override
    async def on_conflict_resolved(self, command: ChangeCard, resolution: Resolution, /) -> None:
        self.resolutions.append(resolution)


@pytest.fixture
def database() -> InMemoryStore:
    return InMemoryStore()


@pytest.fixture
async def cards(database: InMemoryStore) -> InMemoryRepository[Card, str]:
    cards = InMemoryRepository[Card, str](Card, store=database)
    await cards.add(Card(id="ada", name="Ada", phones={"home": "1"}, motto="Go."))
    return cards


BEFORE: dict[str, Any] = {"name": "Ada", "phones": {"home": "1"}, "motto": "Go."}


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    _Process.seen.clear()


async def _elsewhere(cards: InMemoryRepository[Card, str], **fields: Any) -> None:
    """Another writer saves first."""
    card = await cards.get("ada")
    assert card is not None
    for name, value in fields.items():
        setattr(card, name, value)
    await cards.add(card)


def _mediator(database: InMemoryStore, handler: CommandHandler[int], *middlewares: Any) -> Mediator:
    registry = HandlerRegistry()
    registry.register_command_handler(ChangeCard, handler)
    return Mediator(registry, lambda: InMemoryUnitOfWork(database), middleware_registry=MiddlewareRegistry(middlewares))


async def _now(cards: InMemoryRepository[Card, str]) -> dict[str, Any]:
    card = await cards.get("ada")
    assert card is not None
    return _fields(card)


# ------------------------------------------------------------------ the middleware


async def test_both_changes_are_kept_where_they_do_not_meet(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    source = CardConflicts(cards)
    mediator = _mediator(database, _Handler(), ConflictResolutionMiddleware({ChangeCard: source}))
    await _elsewhere(cards, phones={"home": "1", "work": "2"}, motto="Stop.")
    response = await mediator.send(
        ChangeCard(version=1, fields={**BEFORE, "name": "Ada L.", "phones": {"home": "7"}}, before=BEFORE)
    )
    assert await _now(cards) == {"name": "Ada L.", "phones": {"home": "7", "work": "2"}, "motto": "Stop."}
    [resolution] = source.resolutions
    assert (resolution.base_known, resolution.conflicts, resolution.attempt) == (True, (), 1)
    [event] = response.events
    assert event.metadata == {
        "merge_strategy": "DeepMergeStrategy",
        "merge_base_known": True,
        "merge_conflicts": [],
    }


async def test_what_both_changed_is_recorded(database: InMemoryStore, cards: InMemoryRepository[Card, str]) -> None:
    source = CardConflicts(cards)
    mediator = _mediator(database, _Handler(), ConflictResolutionMiddleware({ChangeCard: source}))
    await _elsewhere(cards, motto="Stop.")
    await mediator.send(ChangeCard(version=1, fields={**BEFORE, "motto": "Wait."}, before=BEFORE))
    [[field]] = [resolution.conflicts for resolution in source.resolutions]
    assert (field.path, field.existing, field.incoming, field.merged) == ("motto", "Stop.", "Wait.", "Wait.")
    assert (await _now(cards))["motto"] == "Wait."


async def test_a_conflict_that_shows_at_the_commit_is_merged_too(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    handler = _Handler()
    handler.interrupt = lambda: _in_another_transaction(database)
    source = CardConflicts(cards)
    mediator = _mediator(database, handler, ConflictResolutionMiddleware({ChangeCard: source}))
    await mediator.send(ChangeCard(version=1, fields={**BEFORE, "name": "Ada L."}, before=BEFORE))
    assert await _now(cards) == {"name": "Ada L.", "phones": {"home": "1"}, "motto": "Meanwhile."}
    assert len(source.resolutions) == 1


async def _in_another_transaction(database: InMemoryStore) -> None:
    uow = InMemoryUnitOfWork(database)
    card = await uow.repository(Card).get("ada")
    assert card is not None
    card.motto = "Meanwhile."
    await uow.repository(Card).add(card)
    await uow.commit()


async def test_from_the_second_merge_on_the_base_is_what_was_read_before(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    source = CardConflicts(cards)
    handler = _Handler()
    mediator = _mediator(database, handler, ConflictResolutionMiddleware({ChangeCard: source}))
    await _elsewhere(cards, motto="Stop.")

    async def interrupt() -> None:
        handler.interrupt = lambda: _in_another_transaction(database)

    handler.interrupt = interrupt
    await mediator.send(ChangeCard(version=1, fields={"name": "Ada L."}))
    assert await _now(cards) == {"name": "Ada L.", "phones": {"home": "1"}, "motto": "Meanwhile."}
    assert [resolution.base_known for resolution in source.resolutions] == [False, True]
    assert [resolution.attempt for resolution in source.resolutions] == [1, 2]


async def test_it_gives_up_when_it_is_overtaken_again_and_again(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    handler = _Handler()

    async def interrupt() -> None:
        await _in_another_transaction(database)
        handler.interrupt = interrupt

    handler.interrupt = interrupt
    mediator = _mediator(database, handler, ConflictResolutionMiddleware({ChangeCard: CardConflicts(cards)}))
    with pytest.raises(ConflictNotResolvedError, match="ChangeCard met another change 3 times") as caught:
        await mediator.send(ChangeCard(version=1, fields=BEFORE))
    assert isinstance(caught.value.__cause__, OptimisticConcurrencyError)


async def test_the_first_wins_where_that_is_the_policy(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    config = ConflictConfig(policy=ConflictResolutionPolicy.FIRST_WINS)
    middleware = ConflictResolutionMiddleware({ChangeCard: CardConflicts(cards)}, config=config)
    mediator = _mediator(database, _Handler(), middleware)
    await _elsewhere(cards, motto="Stop.")
    with pytest.raises(OptimisticConcurrencyError):
        await mediator.send(ChangeCard(version=1, fields={"motto": "Wait."}))
    assert len(_Process.seen) == 1


async def test_the_last_wins_where_that_is_the_policy(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    """Every field that is sent is written, also those that the sender left as they were."""
    config = ConflictConfig(policy=ConflictResolutionPolicy.LAST_WINS)
    middleware = ConflictResolutionMiddleware({ChangeCard: CardConflicts(cards)}, config=config)
    mediator = _mediator(database, _Handler(), middleware)
    await _elsewhere(cards, motto="Stop.", name="Eve")
    fields = {"name": "Ada", "phones": {"home": "7"}}
    await mediator.send(ChangeCard(version=1, fields=fields, before=BEFORE))
    assert await _now(cards) == {"name": "Ada", "phones": {"home": "7"}, "motto": "Stop."}


async def test_a_custom_strategy_says_what_happens(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    class Joining(LastWinsStrategy):
        @override
        def merge(self, existing: Any, incoming: Any, base: Any = NO_BASE) -> Any:
            return {**existing, "motto": f"{existing['motto']} {incoming['motto']}"}

    config = ConflictConfig(policy=ConflictResolutionPolicy.CUSTOM)
    middleware = ConflictResolutionMiddleware({ChangeCard: CardConflicts(cards)}, config=config, strategy=Joining())
    mediator = _mediator(database, _Handler(), middleware)
    await _elsewhere(cards, motto="Stop.")
    await mediator.send(ChangeCard(version=1, fields={"motto": "Wait."}))
    assert (await _now(cards))["motto"] == "Stop. Wait."


class Polite(ConflictResilient, Command[int]):
    conflict_config: ClassVar[ConflictConfig] = ConflictConfig(strategy_name="nowhere")


async def test_wrong_settings_are_refused_when_the_middleware_is_made(cards: InMemoryRepository[Card, str]) -> None:
    source: Any = CardConflicts(cards)
    with pytest.raises(ConfigurationError, match="name a strategy"):
        ConflictResolutionMiddleware(
            {ChangeCard: source}, config=ConflictConfig(policy=ConflictResolutionPolicy.CUSTOM)
        )
    with pytest.raises(MergeStrategyNotFoundError, match="nowhere"):
        ConflictResolutionMiddleware({Polite: source})
    with pytest.raises(ConfigurationError, match="Card is no command"):
        ConflictResolutionMiddleware({Card: source})  # type: ignore[dict-item]


async def test_the_explanation_says_what_is_merged(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    mediator = _mediator(database, _Handler(), ConflictResolutionMiddleware({ChangeCard: CardConflicts(cards)}))
    assert "ChangeCard: merge" in str(mediator.explain(ChangeCard))


class Outer(Command[None]):
    pass


async def test_a_nested_command_is_left_to_the_outermost(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    mediator = _mediator(database, _Handler(), ConflictResolutionMiddleware({ChangeCard: CardConflicts(cards)}))

    class OuterHandler(CommandHandler[None]):
        async def handle(self, command: Outer) -> CommandResponse[None]:
            await mediator.send(ChangeCard(version=99, fields={}))
            return CommandResponse(result=None)

    mediator.registry.register_command_handler(Outer, OuterHandler())
    with pytest.raises(OptimisticConcurrencyError):
        await mediator.send(Outer())
    assert len(_Process.seen) == 1


async def test_nothing_is_known_of_a_resolution_afterwards(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    mediator = _mediator(database, _Handler(), ConflictResolutionMiddleware({ChangeCard: CardConflicts(cards)}))
    await _elsewhere(cards, motto="Stop.")
    await mediator.send(ChangeCard(version=1, fields={"name": "x"}))
    await mediator.send(ChangeCard(version=3, fields={"name": "y"}))
    assert [resolution is None for resolution in _Process.seen] == [True, False, True]
    assert current_resolution() is None


# ------------------------------------------------------------------ handlers


class MergingHandler(ConflictCommandHandler[int], _Process):
    latest = 0

    @override
    async def process(self, command: ChangeCard, /) -> CommandResponse[int]:
        return await self.change(command)

    @override
    async def fetch_latest_state(self, command: ChangeCard, /) -> Any:
        card = await _card(command.card_id)
        self.latest = card.version
        return _fields(card)

    @override
    def get_incoming_state(self, command: ChangeCard, /) -> Any:
        return command.fields

    @override
    def update_command(self, command: ChangeCard, merged: Any, /) -> ChangeCard:
        return command.model_copy(update={"fields": merged, "version": self.latest})


async def test_a_handler_merges_what_it_finds_itself(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    mediator = _mediator(database, MergingHandler())
    await _elsewhere(cards, phones={"work": "2"})
    response = await mediator.send(ChangeCard(version=1, fields={"phones": {"home": "7"}}))
    assert (await _now(cards))["phones"] == {"work": "2", "home": "7"}
    assert len(response.events) == 1


async def test_a_handler_without_the_methods_of_a_source_cannot_be_made() -> None:
    class Half(ConflictCommandHandler[int]):
        async def process(self, command: ChangeCard, /) -> CommandResponse[int]:
            return CommandResponse(result=1)

    with pytest.raises(TypeError, match="fetch_latest_state"):
        Half()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


class Import(Retryable, Command[int]):
    retry_policy: ClassVar[RetryPolicy] = FixedRetryPolicy(max_retries=3, fixed_delay_ms=0)

    fail: int
    lost_race: bool = False


class _Importing:
    def __init__(self) -> None:
        super().__init__()
        self.attempts = 0

    async def import_(self, command: Import) -> CommandResponse[int]:
        self.attempts += 1
        repository = get_current_uow().repository(Card)
        await repository.add(Card(id=f"attempt {self.attempts}"))
        if command.lost_race:
            raise OptimisticConcurrencyError("Card", "x", 1)
        if self.attempts <= command.fail:
            raise ConnectionError(f"attempt {self.attempts}")
        return CommandResponse(result=self.attempts)


class ImportHandler(_Importing, RetryableCommandHandler[int]):
    async def process(self, command: Import, /) -> CommandResponse[int]:
        return await self.import_(command)


def _importing(database: InMemoryStore, handler: CommandHandler[int]) -> Mediator:
    registry = HandlerRegistry()
    registry.register_command_handler(Import, handler)
    return Mediator(registry, lambda: InMemoryUnitOfWork(database))


async def test_a_handler_tries_again_and_nothing_of_a_failed_attempt_is_left(
    database: InMemoryStore, cards: InMemoryRepository[Card, str]
) -> None:
    response = await _importing(database, ImportHandler()).send(Import(fail=3))
    assert response.result == 4
    assert [card.id for card in await cards.list_all()] == ["ada", "attempt 4"]


async def test_a_handler_gives_up_after_the_last_retry(database: InMemoryStore) -> None:
    handler = ImportHandler()
    with pytest.raises(ConnectionError, match="attempt 4"):
        await _importing(database, handler).send(Import(fail=100))
    assert handler.attempts == 4


async def test_a_lost_race_and_final_errors_are_not_tried_again(database: InMemoryStore) -> None:
    handler = ImportHandler()
    with pytest.raises(OptimisticConcurrencyError):
        await _importing(database, handler).send(Import(fail=0, lost_race=True))
    assert handler.attempts == 1
    handler.never_retry = (ConnectionError,)
    with pytest.raises(ConnectionError):
        await _importing(database, handler).send(Import(fail=100))
    assert handler.attempts == 2


async def test_a_command_that_is_not_retryable_is_tried_once(database: InMemoryStore) -> None:
    class Plain(RetryableCommandHandler[int]):
        attempts = 0

        async def process(self, command: ChangeCard, /) -> CommandResponse[int]:
            self.attempts += 1
            raise ConnectionError

    handler = Plain()
    mediator = _mediator(database, handler)
    with pytest.raises(ConnectionError):
        await mediator.send(ChangeCard(version=1, fields={}))
    assert handler.attempts == 1
    handler.retry_policy = RetryPolicy(max_retries=1)
    with pytest.raises(ConnectionError):
        await mediator.send(ChangeCard(version=1, fields={}))
    assert handler.attempts == 3


class ResilientHandler(ResilientCommandHandler[int], _Process):
    retry_policy = RetryPolicy(max_retries=2)
    latest = 0
    failures = 0

    async def process(self, command: ChangeCard, /) -> CommandResponse[int]:
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        return await self.change(command)

    fetch_latest_state = MergingHandler.fetch_latest_state
    get_incoming_state = MergingHandler.get_incoming_state
    update_command = MergingHandler.update_command


async def test_a_resilient_handler_does_both(database: InMemoryStore, cards: InMemoryRepository[Card, str]) -> None:
    handler = ResilientHandler()
    handler.failures = 2
    await _elsewhere(cards, motto="Stop.")
    await _mediator(database, handler).send(ChangeCard(version=1, fields={"name": "x"}))
    assert await _now(cards) == {"name": "x", "phones": {"home": "1"}, "motto": "Stop."}


async def test_behaviours_stand_around_the_work_in_order(database: InMemoryStore) -> None:
    log: list[str] = []

    class Logged(RetryableCommandHandler[int]):
        async def process(self, command: ChangeCard, /) -> CommandResponse[int]:
            log.append("work")
            return CommandResponse(result=1)

    def behavior(name: str) -> Any:
        async def around(command: Any, step: Any) -> Any:
            log.append(name)
            return await step(command)

        return around

    handler = Logged()
    handler.add_behavior(behavior("outer"))
    handler.add_behavior(behavior("inner"))
    await handler.handle(ChangeCard(version=1, fields={}))
    assert log == ["outer", "inner", "work"]


def test_delays_grow_up_to_a_limit() -> None:
    policy = ExponentialBackoffPolicy(initial_delay_ms=100, multiplier=2.0, max_delay_ms=500, jitter=False)
    assert [policy.delay_seconds(attempt) for attempt in (1, 2, 3, 4, 5000)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    assert RetryPolicy().delay_seconds(3) == 0
    jittered = {FixedRetryPolicy(fixed_delay_ms=100).delay_seconds(1) for _ in range(50)}
    assert all(0.05 <= delay <= 0.15 for delay in jittered)
    assert len(jittered) > 1
    with pytest.raises(ConfigurationError, match="max_retries"):
        RetryPolicy(max_retries=-1)
