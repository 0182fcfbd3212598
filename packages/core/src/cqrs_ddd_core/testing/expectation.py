"""What a test expects of events, and how it is told when something else happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cqrs_ddd_core.domain.event import ENVELOPE_FIELDS, DomainEvent
from cqrs_ddd_core.primitives.exceptions import close_matches

__all__ = ["EventLike", "ExpectedEvent", "assert_events", "event_like"]

type ExpectedEvent = DomainEvent | type[DomainEvent] | EventLike
"""An event, of which the envelope counts only where it was given; a class, for any event of it; or ``event_like``."""


class EventLike:
    """An event of a class with some fields. Made by ``event_like``."""

    def __init__(self, event_class: type[DomainEvent], fields: Mapping[str, Any]) -> None:
        self.event_class = event_class
        self.fields = dict(fields)

    def __repr__(self) -> str:
        return _shown(self.event_class, self.fields) + (" and whatever else" if self.fields else "")


def event_like(event_class: type[DomainEvent], /, **fields: Any) -> EventLike:
    """Expect an event of this class with these fields; the others may be anything.

    ``event_like(OrderConfirmed, order_id="order-1")`` when nobody can know ``confirmed_at``. Values are compared with
    ``==``, so ``unittest.mock.ANY`` and the like work. Raises ``TypeError`` for a field that the class does not have.
    """
    unknown = sorted(set(fields) - set(event_class.model_fields))
    if unknown:
        raise TypeError(
            f"{event_class.__name__} has no field {unknown[0]!r}.{close_matches(unknown[0], event_class.model_fields)}"
        )
    return EventLike(event_class, fields)


def assert_events(found: Iterable[DomainEvent], *expected: ExpectedEvent) -> None:
    """Check that exactly these events are found, in this order. Raises ``AssertionError`` that shows the difference.

    Of an expected event all its own fields count, and of its envelope (ids, times, versions, correlation) only what it
    was given explicitly.
    """
    __tracebackhide__ = True
    events = tuple(found)
    problems = [
        f"  {number}. {problem}"
        for number, (wanted, event) in enumerate(zip(expected, events, strict=False), start=1)
        for problem in _differences(wanted, event)
    ]
    if len(events) != len(expected):
        problems.append(f"  {len(expected)} expected, {len(events)} found")
    if problems:
        raise AssertionError(
            "\n".join(
                [
                    "Other events than expected.",
                    "Expected:",
                    *_numbered([_expectation(wanted) for wanted in expected]),
                    "Found:",
                    *_numbered([_shown(event.__class__, _payload(event)) for event in events]),
                    "Difference:",
                    *problems,
                ]
            )
        )


def _differences(wanted: ExpectedEvent, event: DomainEvent) -> list[str]:
    if isinstance(wanted, type):
        return [] if isinstance(event, wanted) else [f"expected {wanted.__name__}, found {event.__class__.__name__}"]
    event_class, fields = (
        (wanted.event_class, wanted.fields) if isinstance(wanted, EventLike) else (wanted.__class__, _given(wanted))
    )
    if event.__class__ is not event_class:
        return [f"expected {event_class.__name__}, found {event.__class__.__name__}"]
    return [
        f"{name}: expected {value!r}, found {getattr(event, name)!r}"
        for name, value in fields.items()
        if value != getattr(event, name)
    ]


def _payload(event: DomainEvent) -> dict[str, Any]:
    return {name: value for name, value in event if name not in ENVELOPE_FIELDS}


def _given(event: DomainEvent) -> dict[str, Any]:
    """What counts of an expected event: its payload, and of the envelope what was set explicitly."""
    envelope = event.model_fields_set & ENVELOPE_FIELDS
    return {name: value for name, value in event if name in envelope or name not in ENVELOPE_FIELDS}


def _expectation(wanted: ExpectedEvent) -> str:
    if isinstance(wanted, type):
        return f"any {wanted.__name__}"
    return repr(wanted) if isinstance(wanted, EventLike) else _shown(wanted.__class__, _given(wanted))


def _shown(event_class: type[DomainEvent], fields: Mapping[str, Any]) -> str:
    return f"{event_class.__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


def _numbered(lines: Sequence[str]) -> list[str]:
    return [f"  {number}. {line}" for number, line in enumerate(lines, start=1)] or ["  nothing"]
