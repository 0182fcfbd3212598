"""Given, when, then for one aggregate: what happened before, what is asked of it, what it answers."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Sequence
from inspect import isawaitable
from typing import Any, Self, cast, overload

from cqrs_ddd_core.domain.aggregate import AggregateRoot, mark_persisted
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.type_name import snake_case
from cqrs_ddd_core.primitives.exceptions import close_matches
from cqrs_ddd_core.testing.expectation import ExpectedEvent, assert_events

__all__ = [
    "AggregateOutcome",
    "AggregateScenario",
    "GivenAggregate",
    "assert_raised",
    "assert_state",
    "replay_events",
    "scenario",
]

type Replay[T] = Callable[[type[T], Sequence[DomainEvent]], T]


def scenario[T: AggregateRoot[Any]](
    aggregate_type: type[T], *, replay: Replay[T] | None = None
) -> AggregateScenario[T]:
    """Begin a scenario of this aggregate.

    ::

        scenario(Order).given(lambda: Order.create("order-1", "ada")).when(lambda order: order.confirm()).then_raises(
            ValueError, match="empty"
        )

    ``replay`` makes an aggregate from ``given`` events; the default is ``replay_events``.
    """
    return AggregateScenario(aggregate_type, replay or replay_events)


class AggregateScenario[T: AggregateRoot[Any]]:
    """A scenario that has no aggregate yet: give it one, or let ``when`` make it."""

    def __init__(self, aggregate_type: type[T], replay: Replay[T]) -> None:
        self._type = aggregate_type
        self._replay = replay

    @overload
    def given(self, aggregate: T | Callable[[], T], /, *steps: Callable[[T], object]) -> GivenAggregate[T]: ...
    @overload
    def given(self, /, *events: DomainEvent) -> GivenAggregate[T]: ...
    def given(self, /, *past: Any) -> GivenAggregate[T]:
        """Say what was before: an aggregate, a function that makes one, or the events it went through.

        Behind an aggregate stand functions that do something to it; what it emits while it is being set up is the
        past and not part of the outcome. An aggregate that is given as an object is copied, so that it can serve
        several scenarios. Events are replayed; all of the past must then be events.
        """
        events = [step for step in past if isinstance(step, DomainEvent)]
        if not past or (events and len(events) != len(past)):
            raise TypeError("given() takes an aggregate (or a function that makes one) and functions on it, or events.")
        if events:
            return GivenAggregate(self._checked(self._replay(self._type, events)))
        first, *steps = past
        given: Any = first() if callable(first) else copy.deepcopy(first)
        aggregate = self._checked(given)
        for step in steps:
            _refuse_coroutine(step(aggregate))
        return GivenAggregate(aggregate)

    def when(self, create: Callable[[], T], /) -> AggregateOutcome[T]:
        """Make the aggregate: ``scenario(Order).when(lambda: Order.create("order-1", "ada"))``."""
        try:
            aggregate = create()
        except Exception as error:  # noqa: BLE001 - it is what then_raises looks at
            return AggregateOutcome(None, None, error)
        return AggregateOutcome(self._checked(aggregate), aggregate, None)

    def _checked(self, aggregate: Any) -> T:
        _refuse_coroutine(aggregate)
        if not isinstance(aggregate, self._type):
            raise TypeError(f"A {self._type.__name__} is wanted here, found {aggregate!r}.")
        return aggregate


class GivenAggregate[T: AggregateRoot[Any]]:
    """A scenario with its past: it may happen once."""

    def __init__(self, aggregate: T) -> None:
        aggregate.collect_events()
        mark_persisted(aggregate, aggregate.version)
        self._aggregate: T | None = aggregate

    def when(self, action: Callable[[T], object], /) -> AggregateOutcome[T]:
        """Do something to the aggregate: ``when(lambda order: order.confirm())``."""
        if self._aggregate is None:
            raise RuntimeError("This scenario has happened already: begin another one with scenario(…).")
        aggregate, self._aggregate = self._aggregate, None
        try:
            result = action(aggregate)
        except Exception as error:  # noqa: BLE001 - it is what then_raises looks at
            return AggregateOutcome(aggregate, None, error)
        _refuse_coroutine(result)
        return AggregateOutcome(aggregate, result, None)


class AggregateOutcome[T: AggregateRoot[Any]]:
    """What came of it. Each ``then…`` checks one thing, raises ``AssertionError``, and can be followed by another."""

    def __init__(self, aggregate: T | None, result: object, error: Exception | None) -> None:
        self._aggregate = aggregate
        self.result = result
        """What the action returned."""
        self.error = error
        """What the action raised, or None."""
        self.events: tuple[DomainEvent, ...] = () if aggregate is None else tuple(aggregate.collect_events())
        """What the action emitted, oldest first."""
        self._error_is_expected = False

    @property
    def aggregate(self) -> T:
        """The aggregate after the action. Raises ``AssertionError`` when none was made."""
        if self._aggregate is None:
            raise AssertionError(f"No aggregate was made: it raised {self.error!r}.") from self.error
        return self._aggregate

    def then(self, *events: ExpectedEvent) -> Self:
        """It emitted exactly these events, in this order."""
        __tracebackhide__ = True
        self._must_have_succeeded()
        assert_events(self.events, *events)
        return self

    def then_nothing(self) -> Self:
        """It emitted no event. Behind ``then_raises``: nothing was emitted before it raised."""
        return self.then()

    def then_raises(self, error_type: type[Exception], *, match: str | None = None) -> Self:
        """It raised such an error; ``match`` is a regular expression that is found somewhere in its text."""
        __tracebackhide__ = True
        assert_raised(self.error, error_type, match)
        self._error_is_expected = True
        return self

    def then_returns(self, result: object) -> Self:
        """It returned something equal to this."""
        __tracebackhide__ = True
        self._must_have_succeeded()
        if self.result != result:
            raise AssertionError(f"Expected the result {result!r}, found {self.result!r}.")
        return self

    def then_state(self, check: Callable[[T], bool] | None = None, /, **fields: Any) -> Self:
        """The aggregate has these fields, and ``check`` holds for it."""
        __tracebackhide__ = True
        self._must_have_succeeded()
        assert_state(self.aggregate, check, fields)
        return self

    def _must_have_succeeded(self) -> None:
        __tracebackhide__ = True
        if self.error is not None and not self._error_is_expected:
            raise AssertionError(f"It raised {self.error!r}; an error is expected with then_raises.") from self.error


def replay_events[T: AggregateRoot[Any]](aggregate_type: type[T], events: Sequence[DomainEvent]) -> T:
    """An aggregate that has gone through these events, by its own ``apply_…`` methods.

    It starts as ``aggregate_type(id=…)`` with the ``aggregate_id`` of the first event. For each event the first of
    ``apply_OrderCreated``, ``apply_order_created`` and ``apply_event`` that it has is called. Raises ``TypeError`` for
    an aggregate that cannot be made this way.
    """
    first = events[0]
    if first.aggregate_id is None:
        raise TypeError(f"The first event, {first.event_type}, needs an aggregate_id: that of the aggregate.")
    try:
        aggregate = aggregate_type(id=first.aggregate_id)
    except ValueError as error:
        raise TypeError(
            f"{aggregate_type.__name__}(id={first.aggregate_id!r}) cannot be made, so there is nothing to apply events "
            "to: give its other fields defaults, or scenario(…) a replay=, or begin from an aggregate instead."
        ) from error
    for event in events:
        _apply(aggregate, event)
    mark_persisted(aggregate, events[-1].aggregate_version or len(events))
    return aggregate


def _apply(aggregate: AggregateRoot[Any], event: DomainEvent) -> None:
    name = event.__class__.__name__
    for method in (f"apply_{name}", f"apply_{snake_case(name)}", "apply_event"):
        apply: Callable[[DomainEvent], object] | None = getattr(aggregate, method, None)
        if apply is not None:
            apply(event)
            return
    raise TypeError(
        f"{aggregate.__class__.__name__} cannot be replayed: it has no method apply_{name}, apply_{snake_case(name)} "
        "or apply_event. Begin from an aggregate instead, or give scenario(…) a replay=."
    )


def assert_raised(error: Exception | None, error_type: type[Exception], match: str | None) -> None:
    """Check an error that was caught, or None. Raises ``AssertionError``."""
    __tracebackhide__ = True
    if error is None:
        raise AssertionError(f"Expected {error_type.__name__}, but nothing was raised.")
    if not isinstance(error, error_type):
        raise AssertionError(f"Expected {error_type.__name__}, but it raised {error!r}.") from error  # noqa: TRY004
    if match is not None and re.search(match, str(error)) is None:
        raise AssertionError(f"Expected {error_type.__name__} with {match!r} in its text, found: {error}") from error


def assert_state(entity: Any, check: Callable[[Any], bool] | None, fields: dict[str, Any]) -> None:
    """Check fields (and properties) of an aggregate. Raises ``AssertionError`` that names each that differs."""
    __tracebackhide__ = True
    name = entity.__class__.__name__
    problems: list[str] = []
    for field, value in fields.items():
        if not hasattr(entity, field):
            raise TypeError(f"{name} has no field {field!r}.{close_matches(field, _fields(entity))}")
        found = getattr(entity, field)
        if found != value:
            problems.append(f"  {field}: expected {value!r}, found {found!r}")
    if problems:
        raise AssertionError("\n".join([f"{name} {entity.id!r} is in another state than expected:", *problems]))
    if check is not None and not check(entity):
        raise AssertionError(f"{name} {entity.id!r} is in another state than expected: {entity!r}")


def _fields(entity: Any) -> Iterable[str]:
    return cast("Iterable[str]", entity.__class__.model_fields)


def _refuse_coroutine(value: object) -> None:
    if isawaitable(value):
        close = getattr(value, "close", None)
        if close is not None:
            close()  # nobody will await it
        raise TypeError(
            "This scenario is about one aggregate, and those do not wait for anything. "
            "For a handler, use command_scenario(…)."
        )
