import gc
import logging
import warnings
from typing import Any

import pytest

from cqrs_ddd_core import (
    AggregateRoot,
    Command,
    CommandHandler,
    CommandResponse,
    DomainEvent,
    EventHandler,
    HandlerRegistry,
    InMemoryRepository,
    InMemoryStore,
    InMemoryUnitOfWork,
    Mediator,
    MiddlewareRegistry,
    get_current_uow,
)
from cqrs_ddd_core.adapters.memory import InMemoryOutboxStorage
from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.middleware import OutboxMiddleware
from cqrs_ddd_core.ports import IMessagePublisher
from cqrs_ddd_core.testing import CommandScenario, CommandThen, RecordingPublisher, command_scenario, event_like


class ShelfFilled(DomainEvent):
    book: str
    shelf: str | None = None


class BookLent(DomainEvent):
    reader: str


class Book(AggregateRoot[str]):
    aggregate_type = "ScenarioBook"
    collection_name = "scenario_books"

    reader: str | None = None


class FillShelf(Command[str]):
    book: str


class LendBook(Command[int]):
    book: str
    reader: str
    also: str | None = None


class FillShelfHandler(CommandHandler[str]):
    async def handle(self, command: FillShelf, /) -> CommandResponse[str]:
        book = Book(id=command.book)
        book.add_event(ShelfFilled(book=command.book, shelf=get_current_tenant_or_none()))
        await get_current_uow().repository(Book).add(book)
        return CommandResponse(result=book.id)


class LendBookHandler(CommandHandler[int]):
    def __init__(self) -> None:
        self.mediator: Mediator | None = None

    async def handle(self, command: LendBook, /) -> CommandResponse[int]:
        book = await get_current_uow().repository(Book).get(command.book)
        if book is None:
            raise ValueError(f"There is no book {command.book!r}.")
        book.reader = command.reader
        book.add_event(BookLent(reader=command.reader))
        if command.also is not None:
            assert self.mediator is not None
            await self.mediator.send(LendBook(book=command.also, reader=command.reader))
        return CommandResponse(result=1)


class TellEverybody(EventHandler[BookLent]):
    def __init__(self, publisher: IMessagePublisher) -> None:
        self.publisher = publisher

    async def handle(self, event: BookLent, /) -> None:
        await self.publisher.publish("loans", event)


def a_registry() -> HandlerRegistry:
    registry = HandlerRegistry()
    registry.register_command_handler(FillShelf, FillShelfHandler())
    registry.register_command_handler(LendBook, LendBookHandler())
    return registry


def library() -> CommandScenario:
    return command_scenario(a_registry())


async def test_a_command_is_carried_out_on_what_was_given() -> None:
    outcome = await (
        library()
        .given(Book(id="odyssey"), FillShelf(book="iliad"))
        .when(LendBook(book="iliad", reader="ada"))
        .then_result(1)
        .then(BookLent(reader="ada", aggregate_id="iliad", aggregate_version=2))
        .then_state(Book, "iliad", lambda book: book.version == 2, reader="ada")
        .then_state(Book, "odyssey", reader=None)
        .then_missing(Book, "aeneid")
    )
    assert outcome.store_changed
    assert outcome.response is not None
    assert outcome.response.result == 1
    assert outcome.error is None


async def test_every_scenario_has_an_empty_store() -> None:
    for _ in range(2):
        await library().when(FillShelf(book="iliad")).then_result("iliad").then_state(Book, "iliad", version=1)


async def test_a_given_aggregate_is_copied_and_its_events_are_the_past() -> None:
    book = Book(id="iliad")
    book.add_event(ShelfFilled(book="iliad"))
    for _ in range(2):
        await (
            library()
            .given(book)
            .when(LendBook(book="iliad", reader="ada"))
            .then(BookLent)
            .then_state(Book, "iliad", version=2)
        )
    assert book.reader is None
    assert len(book.collect_events()) == 1


async def test_events_of_nested_commands_count() -> None:
    def wire(store: InMemoryStore) -> Mediator:
        registry = HandlerRegistry()
        handler = LendBookHandler()
        registry.register_command_handler(LendBook, handler)
        handler.mediator = Mediator(registry, lambda: InMemoryUnitOfWork(store))
        return handler.mediator

    await (
        command_scenario(wire)
        .given(Book(id="iliad"), Book(id="odyssey"))
        .when(LendBook(book="iliad", reader="ada", also="odyssey"))
        .then(BookLent(reader="ada", aggregate_id="iliad"), BookLent(reader="ada", aggregate_id="odyssey"))
    )


async def test_a_refused_command_leaves_nothing() -> None:
    outcome = await (
        library()
        .given(Book(id="iliad"))
        .when(LendBook(book="odyssey", reader="ada"))
        .then_raises(ValueError, match="no book 'odyssey'")
        .then_nothing()
        .then_state(Book, "iliad", version=1)
    )
    assert not outcome.store_changed
    assert outcome.response is None
    assert isinstance(outcome.error, ValueError)


async def test_an_error_that_nobody_expects_comes_out_as_it_is() -> None:
    with pytest.raises(ValueError, match="There is no book 'odyssey'"):
        await library().when(LendBook(book="odyssey", reader="ada")).then(BookLent)


async def test_an_error_that_does_not_come_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="Expected ValueError, but nothing was raised"):
        await library().when(FillShelf(book="iliad")).then_raises(ValueError)


async def test_an_error_in_the_past_says_so() -> None:
    with pytest.raises(ValueError, match="no book") as caught:
        await library().given(LendBook(book="iliad", reader="ada")).when(FillShelf(book="iliad")).then(ShelfFilled)
    assert "This is from the past of the scenario" in caught.value.__notes__[0]


async def test_differences_are_failures() -> None:
    async def fails(message: str, scenario: CommandThen[Any]) -> None:
        with pytest.raises(AssertionError, match=message):
            await scenario

    def lent() -> CommandThen[int]:
        return library().given(Book(id="iliad")).when(LendBook(book="iliad", reader="ada"))

    await fails("Expected the result 2, found 1", lent().then_result(2))
    await fails("reader: expected 'bob', found 'ada'", lent().then(BookLent(reader="bob")))
    await fails("0 expected, 1 found", lent().then_nothing())
    await fails("reader: expected None, found 'ada'", lent().then_state(Book, "iliad", reader=None))
    await fails("Expected Book 'aeneid', but there is none", lent().then_state(Book, "aeneid"))
    await fails("Expected no Book 'iliad'", lent().then_missing(Book, "iliad"))
    await fails(
        "Expected the result 1, but it raised ValueError",
        library().when(LendBook(book="iliad", reader="ada")).then_raises(ValueError).then_result(1),
    )


async def test_a_change_without_an_event_is_not_nothing() -> None:
    class Touch(Command[None]): ...

    class TouchHandler(CommandHandler[None]):
        async def handle(self, command: Touch, /) -> CommandResponse[None]:
            await get_current_uow().repository(Book).add(Book(id="iliad"))
            return CommandResponse(result=None)

    registry = HandlerRegistry()
    registry.register_command_handler(Touch, TouchHandler())
    with pytest.raises(AssertionError, match="the store has changed"):
        await command_scenario(registry).when(Touch()).then_nothing()


async def test_everything_happens_in_the_context_of_the_scenario() -> None:
    await (
        library()
        .within(tenant_id="acme")
        .given(FillShelf(book="iliad"))
        .when(FillShelf(book="odyssey"))
        .then(ShelfFilled(book="odyssey", shelf="acme"))
        .then_state(Book, "iliad")
    )
    assert get_current_tenant_or_none() is None


async def test_what_is_published_is_compared_by_topic_and_event() -> None:
    publisher = RecordingPublisher()
    registry = a_registry()
    registry.register_event_handler(BookLent, TellEverybody(publisher))

    def lent() -> CommandThen[int]:
        return (
            command_scenario(registry, publisher=publisher)
            .given(Book(id="iliad"), LendBook(book="iliad", reader="bob"))
            .when(LendBook(book="iliad", reader="ada"))
        )

    await lent().then_published(("loans", BookLent(reader="ada"))).then_published(("loans", BookLent))
    await lent().then_published(("loans", event_like(BookLent, aggregate_id="iliad")))
    with pytest.raises(AssertionError, match=r"Expected: BookLent to news\nFound: BookLent to loans"):
        await lent().then_published(("news", BookLent))
    with pytest.raises(AssertionError, match="reader: expected 'bob', found 'ada'"):
        await lent().then_published(("loans", BookLent(reader="bob")))
    with pytest.raises(AssertionError, match="Expected: none\nFound: BookLent to loans"):
        await lent().then_published()


async def test_what_waits_in_the_outbox_is_compared_by_topic_and_event() -> None:
    def wire(store: InMemoryStore) -> Mediator:
        return Mediator(
            a_registry(),
            lambda: InMemoryUnitOfWork(store),
            middleware_registry=MiddlewareRegistry([OutboxMiddleware(InMemoryOutboxStorage(store))]),
        )

    def lent() -> CommandThen[int]:
        return (
            command_scenario(wire)
            .given(FillShelf(book="iliad"), LendBook(book="iliad", reader="bob"))
            .when(LendBook(book="iliad", reader="ada"))
        )

    await lent().then_in_outbox(("BookLent", BookLent(reader="ada", aggregate_id="iliad")))
    with pytest.raises(AssertionError, match=r"Expected: none\nFound: BookLent to BookLent"):
        await lent().then_in_outbox()
    await (
        command_scenario(wire)
        .given(FillShelf(book="iliad"))
        .when(LendBook(book="odyssey", reader="ada"))
        .then_raises(ValueError)
        .then_in_outbox()
        .then_nothing()
    )


async def test_what_is_published_needs_the_publisher() -> None:
    begun = library().when(FillShelf(book="iliad"))
    with pytest.raises(TypeError, match=r"command_scenario\(application, publisher=…\)"):
        begun.then_published()
    await begun.then_result("iliad")


async def test_an_event_handler_that_fails_after_the_commit_is_not_overlooked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = a_registry()
    registry.register_event_handler(BookLent, TellEverybody(RecordingPublisher(fail_with=OSError("no network"))))

    def lent() -> CommandThen[int]:
        return command_scenario(registry).given(Book(id="iliad")).when(LendBook(book="iliad", reader="ada"))

    with caplog.at_level(logging.CRITICAL):
        with pytest.raises(AssertionError, match="these event handlers failed: TellEverybody; expected: none"):
            await lent().then(BookLent)
        await lent().then_handler_fails("TellEverybody").then(BookLent).then_state(Book, "iliad", reader="ada")
        with pytest.raises(AssertionError, match="failed: none; expected: TellEverybody"):
            await library().when(FillShelf(book="iliad")).then_handler_fails("TellEverybody")


async def test_handlers_that_hold_adapters_are_wired_on_the_store_of_the_scenario() -> None:
    class Lend(CommandHandler[int]):
        def __init__(self, books: InMemoryRepository[Book, str]) -> None:
            self.books = books

        async def handle(self, command: LendBook, /) -> CommandResponse[int]:
            book = await self.books.get(command.book)
            assert book is not None
            book.add_event(BookLent(reader=command.reader))
            return CommandResponse(result=book.version)

    def wire(store: InMemoryStore) -> Mediator:
        registry = HandlerRegistry()
        registry.register_command_handler(LendBook, Lend(InMemoryRepository(Book, store=store)))
        return Mediator(registry, lambda: InMemoryUnitOfWork(store))

    await (
        command_scenario(wire)
        .given(Book(id="iliad"))
        .when(LendBook(book="iliad", reader="ada"))
        .then_result(2)
        .then_state(Book, "iliad", version=2)
    )


async def test_a_scenario_that_nobody_awaits_is_warned_of() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        library().when(FillShelf(book="iliad")).then_result("another book")
        gc.collect()
    assert ["was never awaited" in str(warning.message) for warning in caught] == [True]
