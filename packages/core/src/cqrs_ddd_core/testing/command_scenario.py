"""Given, when, then for a command: through a real mediator, on a store that starts empty."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from cqrs_ddd_core.adapters.memory.outbox import InMemoryOutboxStorage
from cqrs_ddd_core.adapters.memory.store import InMemoryStore
from cqrs_ddd_core.adapters.memory.unit_of_work import InMemoryUnitOfWork
from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.mediator import Mediator
from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.cqrs.registry import HandlerRegistry
from cqrs_ddd_core.cqrs.response import CommandResponse
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.testing.aggregate_scenario import assert_raised, assert_state
from cqrs_ddd_core.testing.event_spy import collect_events
from cqrs_ddd_core.testing.expectation import EventLike, ExpectedEvent, assert_events
from cqrs_ddd_core.testing.message_publisher import PublishedMessage, RecordingPublisher

__all__ = ["CommandOutcome", "CommandScenario", "CommandThen", "command_scenario"]

_MANY = 10_000
"""More messages than a scenario leaves in an outbox."""

type Wiring = Callable[[InMemoryStore], Mediator]


def command_scenario(
    application: HandlerRegistry | Wiring, *, publisher: RecordingPublisher | None = None
) -> CommandScenario:
    """Begin a scenario of commands.

    ::

        await (
            command_scenario(registry)
            .given(Order.create("order-1", "ada"), AddItem(order_id="order-1", product_id="tea"))
            .when(ConfirmOrder(order_id="order-1"))
            .then(OrderConfirmed)
            .then_state(Order, "order-1", status="confirmed")
        )

    ``application`` is a registry of handlers, or a function that wires a mediator on the store it is given: the one to
    use with middlewares, and with handlers that hold adapters (make these on that store too). ``publisher`` is the
    one that the application publishes to, for ``then_published``.
    """
    return CommandScenario(application, publisher)


class CommandScenario:
    """The past of a scenario, and who is asked."""

    def __init__(self, application: HandlerRegistry | Wiring, publisher: RecordingPublisher | None) -> None:
        self._application = application
        self._publisher = publisher
        self._past: list[AggregateRoot[Any] | Command[Any]] = []
        self._context: dict[str, str | None] = {}

    def given(self, *past: AggregateRoot[Any] | Command[Any]) -> Self:
        """Store aggregates and send commands, in this order. What happens meanwhile is not part of the outcome.

        Aggregates are copied; their pending events are dropped, as after a commit.
        """
        self._past.extend(past)
        return self

    def within(self, **context: str | None) -> Self:
        """Let everything happen in this context: ``within(tenant_id="acme", user_id="ada")``."""
        self._context.update(context)
        return self

    def when[R](self, command: Command[R]) -> CommandThen[R]:
        """Send the command. Await what the last ``then…`` returns: nothing happens before."""
        return CommandThen(self, command)

    def wired(self, store: InMemoryStore) -> Mediator:
        """The application on a store."""
        if isinstance(self._application, HandlerRegistry):
            return Mediator(self._application, lambda: InMemoryUnitOfWork(store))
        return self._application(store)

    async def play[R](self, command: Command[R]) -> CommandOutcome[R]:
        """Set the past up, send the command, and say what came of it. Raises what the past raises."""
        store = InMemoryStore()
        mediator = self.wired(store)
        for step in self._past:
            try:
                await _prepare(step, store, mediator)
            except Exception as failure:
                failure.add_note(f"This is from the past of the scenario: given({step!r}).")
                raise
        if self._publisher is not None:
            self._publisher.clear()
        outbox = {message.envelope.message_id for message in await _in_outbox(store)}
        before = _contents(store)
        failures = mediator.dispatcher.failures.copy()
        response: CommandResponse[R] | None = None
        error: Exception | None = None
        with collect_events(mediator) as spy:
            try:
                response = await mediator.send(command)
            except Exception as raised:  # noqa: BLE001 - it is what then_raises looks at
                error = raised
        changed = _contents(store) != before
        return CommandOutcome(
            store=store,
            mediator=mediator,
            response=response,
            error=error,
            events=tuple(spy.events),
            published=() if self._publisher is None else tuple(self._publisher.messages),
            failed_handlers=tuple(sorted((mediator.dispatcher.failures - failures).elements())),
            in_outbox=tuple(each for each in await _in_outbox(store) if each.envelope.message_id not in outbox),
            store_changed=changed,
        )

    @property
    def context(self) -> dict[str, str | None]:
        """What ``within`` has set."""
        return dict(self._context)

    @property
    def publisher(self) -> RecordingPublisher | None:
        """The publisher that was given to ``command_scenario``."""
        return self._publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutcome[R]:
    """What came of the command, for what the ``then…`` methods cannot ask."""

    store: InMemoryStore
    mediator: Mediator
    response: CommandResponse[R] | None
    """None when it failed."""
    error: Exception | None
    events: tuple[DomainEvent, ...]
    """The events that were committed, nested commands' included, in order."""
    published: tuple[PublishedMessage, ...]
    """What reached the publisher that was given to ``command_scenario``."""
    in_outbox: tuple[PublishedMessage, ...]
    """What was put into the outbox of the store and waits for a relay."""
    failed_handlers: tuple[str, ...]
    """Event handlers that raised after the commit."""
    store_changed: bool
    """Whether anything was committed."""


class CommandThen[R]:
    """What is expected of the outcome. Await it: then everything happens, and each expectation is checked in order.

    Without ``then_raises`` an error of the command is raised as it is. An event handler that fails after the commit
    fails the scenario, unless ``then_handler_fails`` expects it.
    """

    def __init__(self, past: CommandScenario, command: Command[R]) -> None:
        self._past = past
        self._command = command
        self._checks: list[Callable[[CommandOutcome[R]], Awaitable[None] | None]] = []
        self._raises = False
        self._failing_handlers: list[str] = []
        # Made here, so that Python warns of a scenario that nobody awaits: it would test nothing.
        self._scenario = self._play()

    def __await__(self) -> Generator[Any, None, CommandOutcome[R]]:
        return self._scenario.__await__()

    def then(self, *events: ExpectedEvent) -> Self:
        """Exactly these events were committed, in this order, those of nested commands included."""

        def check(outcome: CommandOutcome[R]) -> None:
            __tracebackhide__ = True
            assert_events(outcome.events, *events)

        return self._expecting(check)

    def then_nothing(self) -> Self:
        """Nothing was committed: no event, and no change to the store."""

        def check(outcome: CommandOutcome[R]) -> None:
            __tracebackhide__ = True
            assert_events(outcome.events)
            if outcome.store_changed:
                raise AssertionError("Expected that nothing is committed, but the store has changed.")

        return self._expecting(check)

    def then_result(self, result: R) -> Self:
        """The response has this result."""

        def check(outcome: CommandOutcome[R]) -> None:
            __tracebackhide__ = True
            if outcome.response is None:
                raise AssertionError(f"Expected the result {result!r}, but it raised {outcome.error!r}.")
            if outcome.response.result != result:
                raise AssertionError(f"Expected the result {result!r}, found {outcome.response.result!r}.")

        return self._expecting(check)

    def then_raises(self, error_type: type[Exception], *, match: str | None = None) -> Self:
        """It raised such an error; ``match`` is a regular expression that is found somewhere in its text."""
        self._raises = True

        def check(outcome: CommandOutcome[R]) -> None:
            __tracebackhide__ = True
            assert_raised(outcome.error, error_type, match)

        return self._expecting(check)

    def then_state[T: AggregateRoot[Any]](
        self, aggregate_type: type[T], entity_id: Any, check: Callable[[T], bool] | None = None, /, **fields: Any
    ) -> Self:
        """The stored aggregate has these fields, and ``check`` holds for it."""

        async def check_state(outcome: CommandOutcome[R]) -> None:
            __tracebackhide__ = True
            entity = await InMemoryUnitOfWork(outcome.store).repository(aggregate_type).get(entity_id)
            if entity is None:
                raise AssertionError(f"Expected {aggregate_type.__name__} {entity_id!r}, but there is none.")
            assert_state(entity, check, fields)

        return self._expecting(check_state)

    def then_missing(self, aggregate_type: type[AggregateRoot[Any]], entity_id: Any) -> Self:
        """There is no such aggregate."""

        async def check(outcome: CommandOutcome[R]) -> None:
            __tracebackhide__ = True
            entity = await InMemoryUnitOfWork(outcome.store).repository(aggregate_type).get(entity_id)
            if entity is not None:
                raise AssertionError(f"Expected no {aggregate_type.__name__} {entity_id!r}, found {entity!r}.")

        return self._expecting(check)

    def then_published(self, *messages: tuple[str, ExpectedEvent]) -> Self:
        """Exactly these events were published, as pairs of topic and event, in this order."""
        if self._past.publisher is None:
            raise TypeError("then_published needs the publisher: command_scenario(application, publisher=…).")

        def check(outcome: CommandOutcome[R]) -> None:
            __tracebackhide__ = True
            _assert_published(outcome.published, messages)

        return self._expecting(check)

    def then_in_outbox(self, *messages: tuple[str, ExpectedEvent]) -> Self:
        """Exactly these events were put into the outbox, as pairs of topic and event, in this order.

        The outbox is an ``InMemoryOutboxStorage`` on the store of the scenario, and no relay has run.
        """

        def check(outcome: CommandOutcome[R]) -> None:
            __tracebackhide__ = True
            _assert_published(outcome.in_outbox, messages)

        return self._expecting(check)

    def then_handler_fails(self, *handlers: str) -> Self:
        """These event handlers, by name, raised after the commit; the command succeeded all the same."""
        self._failing_handlers.extend(handlers)
        return self

    def _expecting(self, check: Callable[[CommandOutcome[R]], Awaitable[None] | None]) -> Self:
        self._checks.append(check)
        return self

    async def _play(self) -> CommandOutcome[R]:
        __tracebackhide__ = True
        with use_context(**self._past.context):
            outcome = await self._past.play(self._command)
            if outcome.error is not None and not self._raises:
                raise outcome.error
            if list(outcome.failed_handlers) != sorted(self._failing_handlers):
                raise AssertionError(
                    f"After the commit these event handlers failed: {_listed(outcome.failed_handlers)}; expected: "
                    f"{_listed(self._failing_handlers)}. The log has their errors; then_handler_fails expects them."
                )
            for check in self._checks:
                checking = check(outcome)
                if checking is not None:
                    await checking
        return outcome


async def _prepare(step: AggregateRoot[Any] | Command[Any], store: InMemoryStore, mediator: Mediator) -> None:
    if isinstance(step, Command):
        await mediator.send(step)  # pyright: ignore[reportUnknownArgumentType]  # of whatever result
        return
    aggregate = copy.deepcopy(step)
    aggregate.collect_events()
    async with InMemoryUnitOfWork(store) as uow:
        await uow.repository(aggregate.__class__).add(aggregate)


def _contents(store: InMemoryStore) -> dict[str, dict[Any, Any]]:
    return {table: dict(records) for table, records in store.tables.items() if records}


async def _in_outbox(store: InMemoryStore) -> list[PublishedMessage]:
    """What waits in the outbox. It is leased for a look, and given back."""
    outbox = InMemoryOutboxStorage(store)
    waiting = await outbox.lease(_MANY, hold=timedelta(seconds=1))
    await outbox.release(waiting)
    return [PublishedMessage(topic=message.topic, envelope=message.envelope) for message in waiting]


def _assert_published(found: Sequence[PublishedMessage], expected: Sequence[tuple[str, ExpectedEvent]]) -> None:
    __tracebackhide__ = True
    topics = [topic for topic, _ in expected]
    types = [_event_class(event).event_type for _, event in expected]
    if [message.topic for message in found] != topics or [each.envelope.message_type for each in found] != types:
        raise AssertionError(
            "Other messages than expected.\nExpected: "
            f"{_listed(f'{kind} to {topic}' for topic, kind in zip(topics, types, strict=True))}\nFound: "
            f"{_listed(f'{each.envelope.message_type} to {each.topic}' for each in found)}"
        )
    assert_events(
        [_event(message, event) for message, (_, event) in zip(found, expected, strict=True)],
        *(event for _, event in expected),
    )


def _event_class(expected: ExpectedEvent) -> type[DomainEvent]:
    if isinstance(expected, type):
        return expected
    return expected.event_class if isinstance(expected, EventLike) else expected.__class__


def _event(message: PublishedMessage, expected: ExpectedEvent) -> DomainEvent:
    """The event of a message. Only the expected class may be meant, however many have its name."""
    return EventSerializer(EventTypeRegistry(_event_class(expected), discover=False)).from_envelope(message.envelope)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
