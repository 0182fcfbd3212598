"""From stored events to an aggregate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from cqrs_ddd_advanced_core.event_sourcing.applying import EventHandlers, event_handlers_of
from cqrs_ddd_advanced_core.event_sourcing.blank import missing_fields
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.aggregate import AggregateRoot, mark_persisted, unsaved_events
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.event_store import StoredEvent
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import (
    InvalidEventHandlerError,
    InvalidPayloadError,
    MissingEventHandlerError,
    ReplayError,
    UnknownTypeError,
    UnknownVersionError,
)
from cqrs_ddd_core.validation.pydantic import PydanticValidator

__all__ = ["Replay", "check_state", "hydrate"]

_BREATH: Final = 500
"""Events that are applied before other tasks may run."""

_validator = PydanticValidator()


def hydrate(
    stored: Iterable[StoredEvent], serializer: EventSerializer, upcasters: IUpcasterRegistry | None = None
) -> list[DomainEvent]:
    """The events that stored ones stand for today.

    Raises ``UnknownTypeError``, ``UnknownVersionError`` or ``InvalidPayloadError`` that name stream, version and type.
    """
    if upcasters is not None:
        stored = [upcast for event in stored for upcast in upcasters.upcast(event)]
    return [_hydrated(event, serializer) for event in stored]


def _hydrated(stored: StoredEvent, serializer: EventSerializer) -> DomainEvent:
    try:
        return serializer.from_stored(stored)
    except UnknownTypeError as error:
        raise UnknownTypeError(error.kind, error.type_name, error.known, _where(stored)) from None
    except UnknownVersionError as error:
        raise UnknownVersionError(error.kind, error.type_name, error.version, error.known, _where(stored)) from None
    except InvalidPayloadError as error:
        raise InvalidPayloadError(error.kind, error.type_name, error.reason, _where(stored)) from error


def _where(event: StoredEvent) -> str:
    return f"{event.aggregate_type} {event.aggregate_id!r}, version {event.version}"


class Replay[T: AggregateRoot[Any]]:
    """An aggregate on its way through its past."""

    def __init__(self, aggregate: T) -> None:
        self._aggregate = aggregate
        self._handlers: EventHandlers = event_handlers_of(aggregate.__class__)
        self.version = aggregate.version

    async def apply(self, stored: Sequence[StoredEvent], serializer: EventSerializer) -> int:
        """Apply these events; how many they were. They are in order and in the newest schema version."""
        for start in range(0, len(stored), _BREATH):
            if start:
                await asyncio.sleep(0)
            for event in stored[start : start + _BREATH]:
                self.apply_event(_hydrated(event, serializer), event.version)
        return len(stored)

    def apply_event(self, event: DomainEvent, version: int) -> None:
        """Apply one event, with which the aggregate reached ``version``."""
        aggregate = self._aggregate
        private: Any = aggregate.__pydantic_private__
        private["_version"] = self.version = version
        guarded = "_applying" in private
        try:
            apply = self._handlers.find(event.__class__)
            if guarded:
                private["_applying"] = True
            apply(aggregate, event)
        except MissingEventHandlerError as error:
            where = f"{aggregate.aggregate_type} {str(aggregate.id)!r}, version {version}"
            raise MissingEventHandlerError(error.aggregate_type, error.event_type, where) from None
        except Exception as error:
            if isinstance(error, InvalidEventHandlerError):
                raise
            raise self.error(event.event_type, f"applying it raised {type(error).__name__}: {error}") from error
        finally:
            if guarded:
                private["_applying"] = False

    async def finish(self, *, validate: bool) -> T:
        """The aggregate, as it is saved at its version.

        Raises ``ReplayError`` when fields are missing or do not fit their types, ``InvalidEventHandlerError`` when
        applying an event has recorded another one.
        """
        aggregate = self._aggregate
        recorded = unsaved_events(aggregate)
        if recorded:
            raise InvalidEventHandlerError(
                aggregate.aggregate_type,
                "add_event",
                f"applying an event has recorded {recorded[0].event_type}, and would do so at every loading. "
                "Record events only in methods that decide.",
            )
        problems = await check_state(aggregate, validate=validate)
        if problems:
            raise self.error("", problems)
        in_order = {name: aggregate.__dict__[name] for name in aggregate.__class__.__pydantic_fields__}
        object.__setattr__(aggregate, "__dict__", in_order)
        # What the class derives from its fields can be derived only now.
        aggregate.model_post_init(None)
        aggregate.collect_events()
        mark_persisted(aggregate, self.version)
        return aggregate

    def error(self, event_type: str, reason: str) -> ReplayError:
        """What went wrong at the present version."""
        aggregate = self._aggregate
        return ReplayError(aggregate.aggregate_type, str(aggregate.id), self.version, event_type, reason)


async def check_state(aggregate: AggregateRoot[Any], *, validate: bool) -> str:
    """What is wrong with the fields of an aggregate, as the end of an error message; empty when nothing is."""
    missing = missing_fields(aggregate)
    if missing:
        return (
            f"no event has set {', '.join(missing)}. Set {'it' if len(missing) == 1 else 'them'} where the first event "
            "is applied, or give a default."
        )
    if not validate:
        return ""
    result = await _validator.validate(aggregate)
    return "; ".join(f"{field}: {message}" for field, messages in result.errors.items() for message in messages)
