"""Every error of the toolkit, in one tree.

::

    CQRSDDDError
    ├── DomainError                       a business rule said no
    │   ├── NotFoundError
    │   │   ├── EntityNotFoundError
    │   │   ├── BlobNotFoundError
    │   │   └── UndoTokenNotFoundError
    │   ├── InvariantViolationError
    │   ├── IllegalTransitionError        a state machine was asked for a step it does not have
    │   └── UndoError                     a change cannot be taken back, or not like this
    │       ├── UndoTokenExpiredError
    │       └── UndoRefusedError          a change depends on another that would be gone, or is
    ├── ConcurrencyError                  somebody else was there at the same time
    │   ├── OptimisticConcurrencyError    another writer saved first
    │   ├── IdempotencyConflictError      the same key, for a different message or at the same time
    │   │   └── IdempotencyKeyReusedError
    │   ├── LockAcquisitionError          the lock was not free in time
    │   ├── LockLostError                 the lock was held and is not any more
    │   ├── LeaseLostError                the leased item belongs to another worker now
    │   └── ConflictNotResolvedError      two changes met, and merging them did not come to an end
    ├── ValidationError                   a message is not acceptable; ``errors`` says which fields
    ├── ConfigurationError                the parts were put together wrongly; fix the wiring
    │   ├── CollectionError               ``uow.<name>`` names no aggregate, or more than one
    │   ├── MissingExtraError             an optional dependency is not installed
    │   ├── PipelineError                 a middleware is at a place where it cannot keep its promise
    │   ├── EventSourcingConfigurationError
    │   │   ├── EventHandlerError         an aggregate cannot apply its events
    │   │   │   ├── MissingEventHandlerError
    │   │   │   ├── InvalidEventHandlerError
    │   │   │   └── StrictValidationViolationError
    │   │   └── EventSourcedAggregateRequiredError
    │   ├── UpcasterConfigurationError    a chain of upcasters with a gap, a cycle or two ways
    │   ├── MergeStrategyNotFoundError
    │   ├── UndoPolicyMissingError        nobody said how an event is taken back
    │   └── SourceNotRegisteredError      a source of data has no unit of work
    ├── UnitOfWorkError
    │   ├── NoUnitOfWorkError             none is open in this task
    │   └── ReadOnlyUnitOfWorkError       a query tried to write
    ├── HandlerError
    │   ├── HandlerRegistrationError
    │   ├── HandlerNotFoundError
    │   ├── HandlerResultError            a handler returned something that is no response
    │   ├── HandlerTimeoutError
    │   ├── PublisherNotFoundError
    │   └── HandlerNotRegisteredError     nobody persists this type, or answers with it
    ├── SerializationError                stored or received data cannot be turned into an object
    │   ├── UnknownTypeError              no class has that name
    │   ├── UnknownVersionError           the class is known, this schema version of it is not
    │   ├── InvalidPayloadError           class and version are known, the data does not fit
    │   ├── UnstorableStateError          an object holds something that storage could not give back
    │   ├── UpcastError                   an upcaster failed
    │   └── ReplayError                   an aggregate cannot be rebuilt from its events
    ├── EventStoreError
    │   ├── AmbiguousAggregateError       an id that aggregates of several types have
    │   └── UnrecordedChangeError         the state of an event-sourced aggregate does not come from its events
    ├── OutboxError
    ├── TenantNotSetError                 work that needs a tenant has none
    ├── SpecificationError                a rule cannot be built or used as it is; ``to_dict()`` for answers
    │   ├── FieldPathError                the path of a field is ill-formed
    │   ├── FieldNotFoundError            the type has no such field
    │   ├── FieldNotQueryableError        the field is there, but cannot be asked in this way
    │   ├── SpecificationValueError       the value does not fit the operator or the field
    │   └── SpecificationNotSupportedError  a backend cannot do this condition
    └── InfrastructureError
        └── PersistenceError

Errors keep their facts as attributes, and pass plain arguments on, so that they survive pickling.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "AmbiguousAggregateError",
    "BlobNotFoundError",
    "CQRSDDDError",
    "CollectionError",
    "ConcurrencyError",
    "ConfigurationError",
    "ConflictNotResolvedError",
    "DomainError",
    "EntityNotFoundError",
    "EventHandlerError",
    "EventSourcedAggregateRequiredError",
    "EventSourcingConfigurationError",
    "EventStoreError",
    "FieldNotFoundError",
    "FieldNotQueryableError",
    "FieldPathError",
    "HandlerError",
    "HandlerNotFoundError",
    "HandlerNotRegisteredError",
    "HandlerRegistrationError",
    "HandlerResultError",
    "HandlerTimeoutError",
    "IdempotencyConflictError",
    "IdempotencyKeyReusedError",
    "IllegalTransitionError",
    "InfrastructureError",
    "InvalidEventHandlerError",
    "InvalidPayloadError",
    "InvariantViolationError",
    "LeaseLostError",
    "LockAcquisitionError",
    "LockLostError",
    "MergeStrategyNotFoundError",
    "MissingEventHandlerError",
    "MissingExtraError",
    "NoUnitOfWorkError",
    "NotFoundError",
    "OptimisticConcurrencyError",
    "OutboxError",
    "PersistenceError",
    "PipelineError",
    "PublisherNotFoundError",
    "ReadOnlyUnitOfWorkError",
    "ReplayError",
    "SerializationError",
    "SourceNotRegisteredError",
    "SpecificationError",
    "SpecificationNotSupportedError",
    "SpecificationValueError",
    "StrictValidationViolationError",
    "TenantNotSetError",
    "UndoError",
    "UndoPolicyMissingError",
    "UndoRefusedError",
    "UndoTokenExpiredError",
    "UndoTokenNotFoundError",
    "UnitOfWorkError",
    "UnknownTypeError",
    "UnknownVersionError",
    "UnrecordedChangeError",
    "UnstorableStateError",
    "UpcastError",
    "UpcasterConfigurationError",
    "ValidationError",
    "close_matches",
]


def close_matches(wanted: str, known: Iterable[str]) -> str:
    """Name what is known and near to ``wanted``, as the end of an error message; empty when nothing is known."""
    names = sorted(set(known))
    if not names:
        return ""
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    if near:
        return f" Did you mean {' or '.join(repr(name) for name in near)}?"
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f" Known: {shown}."


class CQRSDDDError(Exception):
    """Base of every error that the toolkit raises."""


class DomainError(CQRSDDDError):
    """A business rule said no. Expected in daily work: not an incident."""


class NotFoundError(DomainError):
    """Something that was asked for does not exist."""


class EntityNotFoundError(NotFoundError):
    """No entity of this type has this id (in the current tenant)."""

    def __init__(self, entity_type: str, entity_id: object) -> None:
        super().__init__(entity_type, entity_id)
        self.entity_type, self.entity_id = entity_type, entity_id

    def __str__(self) -> str:
        return f"{self.entity_type} {self.entity_id!r} was not found."


class BlobNotFoundError(NotFoundError):
    """No blob has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"There is no blob {self.key!r}."


class UndoTokenNotFoundError(NotFoundError):
    """There is no undo token of this id (in the current tenant)."""

    def __init__(self, token_id: str) -> None:
        super().__init__(token_id)
        self.token_id = token_id

    def __str__(self) -> str:
        return f"There is no undo token {self.token_id!r}: it was never made, has been purged, or is another tenant's."


class InvariantViolationError(DomainError):
    """An aggregate refused to enter a state that its rules forbid."""


class UndoError(DomainError):
    """A change cannot be taken back, or not like this."""


class UndoTokenExpiredError(UndoError):
    """The time in which the change could be taken back is over. ``expired_at`` is ISO 8601."""

    def __init__(self, token_id: str, expired_at: str) -> None:
        super().__init__(token_id, expired_at)
        self.token_id, self.expired_at = token_id, expired_at

    def __str__(self) -> str:
        return f"The undo token {self.token_id!r} was good until {self.expired_at}: make a new change instead."


class UndoRefusedError(UndoError):
    """A change depends on another that would be gone, or is. ``dependents`` says which, one line for each."""

    def __init__(self, token_id: str, step: str, dependents: Sequence[str]) -> None:
        super().__init__(token_id, step, dependents)
        self.token_id, self.step, self.dependents = token_id, step, tuple(dependents)

    def __str__(self) -> str:
        return (
            f"Cannot {self.step} {self.token_id!r}: {'; '.join(self.dependents)}. "
            "Undo the later change first, redo the earlier one first, or force it (force=True)."
        )


class ConcurrencyError(CQRSDDDError):
    """Somebody else was there at the same time. Trying again from the start is usually right."""


class OptimisticConcurrencyError(ConcurrencyError):
    """Another writer saved first. Load again and decide again.

    ``expected`` and ``actual`` are versions; ``actual`` is None where the store cannot tell it.
    """

    def __init__(self, entity_type: str, entity_id: object, expected: int | None, actual: int | None = None) -> None:
        super().__init__(entity_type, entity_id, expected, actual)
        self.entity_type, self.entity_id = entity_type, entity_id
        self.expected, self.actual = expected, actual

    def __str__(self) -> str:
        found = "another one" if self.actual is None else f"version {self.actual}"
        return (
            f"{self.entity_type} {self.entity_id!r}: expected version {self.expected}, found {found}. "
            "Another writer saved first: load it again and repeat the command."
        )


class IdempotencyConflictError(ConcurrencyError):
    """An idempotency key was used for two different messages, or by two senders at the same time."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason

    def __str__(self) -> str:
        return f"Idempotency key {self.key!r}: {self.reason}"


class IdempotencyKeyReusedError(IdempotencyConflictError):
    """An idempotency key was used for two different messages. A mistake of the sender: trying again does not help."""


class LockAcquisitionError(ConcurrencyError):
    """The lock was not free within ``timeout`` seconds."""

    def __init__(self, resource: object, timeout: float, reason: str | None = None) -> None:
        super().__init__(resource, timeout, reason)
        self.resource, self.timeout, self.reason = resource, timeout, reason

    def __str__(self) -> str:
        because = f": {self.reason}" if self.reason else ""
        return f"Could not lock {self.resource} within {self.timeout:g} s{because}."


class LockLostError(ConcurrencyError):
    """The lock was held and ran out, or was taken away, before the work under it was done."""

    def __init__(self, resource: object) -> None:
        super().__init__(resource)
        self.resource = resource

    def __str__(self) -> str:
        return f"The lock on {self.resource} was lost while the work under it went on; the work was stopped."


class LeaseLostError(ConcurrencyError):
    """The lease on an item ran out and another worker has it now; this worker's result is refused."""

    def __init__(self, item_type: str, item_id: object) -> None:
        super().__init__(item_type, item_id)
        self.item_type, self.item_id = item_type, item_id

    def __str__(self) -> str:
        return f"The lease on {self.item_type} {self.item_id!r} was lost: another worker owns it, or it is settled."


class ConflictNotResolvedError(ConcurrencyError):
    """Two changes met, and merging them did not come to an end: others kept changing the same thing."""

    def __init__(self, what: str, attempts: int) -> None:
        super().__init__(what, attempts)
        self.what, self.attempts = what, attempts

    def __str__(self) -> str:
        return (
            f"{self.what} met another change {self.attempts} times, each time after it had been merged. "
            "Send it again later, or lock what many change at once."
        )


class ValidationError(CQRSDDDError):
    """A message is not acceptable. ``errors`` maps a field (dotted path) to what is wrong with it.

    Errors of the whole message stand under ``__root__``.
    """

    def __init__(self, errors: Mapping[str, Sequence[str]] | str | None = None) -> None:
        super().__init__(errors)
        if errors is None:
            self.errors: dict[str, list[str]] = {}
        elif isinstance(errors, str):
            self.errors = {"__root__": [errors]}
        else:
            self.errors = {field: list(messages) for field, messages in errors.items()}

    def __str__(self) -> str:
        if not self.errors:
            return "The message is not valid."
        return "; ".join(
            message if field == "__root__" else f"{field}: {message}"
            for field, messages in self.errors.items()
            for message in messages
        )


class ConfigurationError(CQRSDDDError):
    """The parts were put together wrongly. The message names the fix; trying again does not help."""


class CollectionError(ConfigurationError, AttributeError):
    """``uow.<name>`` names no aggregate, or more than one."""


class MissingExtraError(ConfigurationError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(what, package, extra)
        self.what, self.package, self.extra = what, package, extra

    def __str__(self) -> str:
        return f"{self.what} needs an optional dependency: pip install '{self.package}[{self.extra}]'."


class PipelineError(ConfigurationError):
    """A middleware stands at a place where it cannot keep its promise."""


class EventSourcingConfigurationError(ConfigurationError):
    """The parts of event sourcing were put together wrongly."""


class EventHandlerError(EventSourcingConfigurationError):
    """An aggregate class cannot apply its events."""


class MissingEventHandlerError(EventHandlerError):
    """The aggregate has no method that applies this event. ``where`` names the stored event when it was one."""

    def __init__(self, aggregate_type: str, event_type: str, where: str = "") -> None:
        super().__init__(aggregate_type, event_type, where)
        self.aggregate_type, self.event_type, self.where = aggregate_type, event_type, where

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return (
            f"{self.aggregate_type} does not say what {self.event_type} changes{where}: "
            f"give it a method apply_{self.event_type}(self, event), or mark one with @applies({self.event_type})."
        )


class InvalidEventHandlerError(EventHandlerError):
    """A method cannot apply events, or does more than that."""

    def __init__(self, aggregate_type: str, method: str, reason: str) -> None:
        super().__init__(aggregate_type, method, reason)
        self.aggregate_type, self.method, self.reason = aggregate_type, method, reason

    def __str__(self) -> str:
        return f"{self.aggregate_type}.{self.method}: {self.reason}"


class StrictValidationViolationError(EventHandlerError):
    """The aggregate wants a method for each of its events, and has only ``apply_event`` for this one."""

    def __init__(self, aggregate_type: str, event_type: str) -> None:
        super().__init__(aggregate_type, event_type)
        self.aggregate_type, self.event_type = aggregate_type, event_type

    def __str__(self) -> str:
        return (
            f"{self.aggregate_type} wants a method of its own for each event (strict_event_handlers), and has none for "
            f"{self.event_type}: add apply_{self.event_type}(self, event)."
        )


class EventSourcedAggregateRequiredError(EventSourcingConfigurationError):
    """An aggregate that is not event-sourced was used where only such ones are."""

    def __init__(self, aggregate_type: str) -> None:
        super().__init__(aggregate_type)
        self.aggregate_type = aggregate_type

    def __str__(self) -> str:
        return (
            f"{self.aggregate_type} is not event-sourced here: derive it from EventSourcedAggregate, or name it among "
            "the aggregates of the mediator (aggregates=[…])."
        )


class UpcasterConfigurationError(ConfigurationError):
    """A chain of upcasters has a gap, a cycle, or two ways to go on."""

    def __init__(self, event_type: str, reason: str) -> None:
        super().__init__(event_type, reason)
        self.event_type, self.reason = event_type, reason

    def __str__(self) -> str:
        return f"The upcasters of {self.event_type!r}: {self.reason}"


class MergeStrategyNotFoundError(ConfigurationError):
    """No merge strategy has this name."""

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        super().__init__(name, known)
        self.name, self.known = name, tuple(known)

    def __str__(self) -> str:
        return f"There is no merge strategy {self.name!r}.{close_matches(self.name, self.known)}"


class UndoPolicyMissingError(ConfigurationError):
    """Nobody said how events of this type are taken back, or done again."""

    def __init__(self, event_type: str, step: str, aggregate_type: str) -> None:
        super().__init__(event_type, step, aggregate_type)
        self.event_type, self.step, self.aggregate_type = event_type, step, aggregate_type

    def __str__(self) -> str:
        return (
            f"Nobody said how to {self.step} {self.event_type}: give {self.aggregate_type} a method "
            f"{self.step}_{self.event_type}(self, event), or the UndoService a policy for the event."
        )


class SourceNotRegisteredError(ConfigurationError):
    """No unit of work is known for this source of data."""

    def __init__(self, source: str, known: Sequence[str] = ()) -> None:
        super().__init__(source, known)
        self.source, self.known = source, tuple(known)

    def __str__(self) -> str:
        return (
            f"No unit of work is known for the source {self.source!r}.{close_matches(self.source, self.known)} "
            "Give the dispatcher a factory for it."
        )


class UnitOfWorkError(CQRSDDDError):
    """A unit of work was used in a way it does not allow."""


class NoUnitOfWorkError(UnitOfWorkError):
    """No unit of work is open in this task."""

    def __str__(self) -> str:
        return (
            "No unit of work is open in this task. It is open inside a command or query handler, and inside "
            "'async with' on a unit of work; a task started by a handler does not inherit it: send a command instead."
        )


class ReadOnlyUnitOfWorkError(UnitOfWorkError):
    """A query tried to write. Queries never commit, so the change would be lost; send a command instead."""

    def __init__(self, what: str = "write") -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"Cannot {self.what} in a read-only unit of work: a query never commits. Send a command instead."


class HandlerError(CQRSDDDError):
    """Something is wrong with a handler."""


class HandlerRegistrationError(HandlerError, ConfigurationError):
    """A handler cannot be registered this way."""


class HandlerNotFoundError(HandlerError, ConfigurationError):
    """No handler is registered for this message type."""


class HandlerResultError(HandlerError):
    """A handler returned something that is no response."""


class HandlerTimeoutError(HandlerError, TimeoutError):
    """A handler did not finish in time; what it did was rolled back."""

    def __init__(self, message_type: str, seconds: float) -> None:
        super().__init__(message_type, seconds)
        self.message_type, self.seconds = message_type, seconds

    def __str__(self) -> str:
        return f"{self.message_type} did not finish within {self.seconds:g} s; what it did was rolled back."


class PublisherNotFoundError(HandlerError, ConfigurationError):
    """No publisher is set for this topic and there is no default."""


class HandlerNotRegisteredError(HandlerError, ConfigurationError):
    """Nobody is registered who persists this type, or who answers with it."""

    def __init__(self, kind: str, type_name: str, known: Sequence[str] = ()) -> None:
        super().__init__(kind, type_name, known)
        self.kind, self.type_name, self.known = kind, type_name, tuple(known)

    def __str__(self) -> str:
        return (
            f"No {self.kind} persistence is registered for {self.type_name}.{close_matches(self.type_name, self.known)}"
        )


class SerializationError(CQRSDDDError):
    """Stored or received data cannot be turned into an object. Nothing was skipped."""


class UnknownTypeError(SerializationError):
    """No class is registered under this name."""

    def __init__(self, kind: str, type_name: str, known: Sequence[str] = (), where: str = "") -> None:
        super().__init__(kind, type_name, known, where)
        self.kind, self.type_name, self.known, self.where = kind, type_name, tuple(known), where

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return (
            f"Unknown {self.kind} type {self.type_name!r}{where}: no class is registered under this name."
            f"{close_matches(self.type_name, self.known)} Import the module that defines it, or register it."
        )


class UnknownVersionError(SerializationError):
    """The type is known, this schema version of it is not."""

    def __init__(self, kind: str, type_name: str, version: int, known: Sequence[int] = (), where: str = "") -> None:
        super().__init__(kind, type_name, version, known, where)
        self.kind, self.type_name, self.version = kind, type_name, version
        self.known, self.where = tuple(known), where

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return (
            f"{self.kind} {self.type_name!r} has schema version {self.version}{where}; known: "
            f"{', '.join(map(str, self.known)) or 'none'}. Register an upcaster, or the class of that version."
        )


class InvalidPayloadError(SerializationError):
    """Type and version are known, the data does not fit. ``reason`` says where."""

    def __init__(self, kind: str, type_name: str, reason: str, where: str = "") -> None:
        super().__init__(kind, type_name, reason, where)
        self.kind, self.type_name, self.reason, self.where = kind, type_name, reason, where

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"The data does not fit {self.kind} {self.type_name!r}{where}: {self.reason}"


class UnstorableStateError(SerializationError):
    """An object holds something that storage could not give back. ``field`` is the path to it, ``reason`` why."""

    def __init__(self, type_name: str, field: str, reason: str) -> None:
        super().__init__(type_name, field, reason)
        self.type_name, self.field, self.reason = type_name, field, reason

    def __str__(self) -> str:
        where = f"{self.type_name}.{self.field}" if self.field else self.type_name
        return f"{where} cannot be stored: {self.reason}."


class UpcastError(SerializationError):
    """An upcaster failed, or returned something that is no payload. The cause is chained."""

    def __init__(self, event_type: str, schema_version: int, reason: str, where: str = "") -> None:
        super().__init__(event_type, schema_version, reason, where)
        self.event_type, self.schema_version = event_type, schema_version
        self.reason, self.where = reason, where

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"{self.event_type!r} of schema version {self.schema_version} cannot be upcast{where}: {self.reason}"


class ReplayError(SerializationError):
    """An aggregate cannot be rebuilt from its events. The cause is chained.

    ``version`` is that of the event at which it failed, ``event_type`` is empty when no single event is to blame.
    """

    def __init__(self, aggregate_type: str, aggregate_id: str, version: int, event_type: str, reason: str) -> None:
        super().__init__(aggregate_type, aggregate_id, version, event_type, reason)
        self.aggregate_type, self.aggregate_id = aggregate_type, aggregate_id
        self.version, self.event_type, self.reason = version, event_type, reason

    def __str__(self) -> str:
        event = f" ({self.event_type})" if self.event_type else ""
        return (
            f"{self.aggregate_type} {self.aggregate_id!r} cannot be rebuilt from its events up to version "
            f"{self.version}{event}: {self.reason}"
        )


class EventStoreError(CQRSDDDError):
    """The event store was used in a way it does not allow."""


class AmbiguousAggregateError(EventStoreError):
    """Aggregates of several types have this id."""

    def __init__(self, aggregate_id: object, aggregate_types: Sequence[str]) -> None:
        super().__init__(aggregate_id, aggregate_types)
        self.aggregate_id, self.aggregate_types = aggregate_id, tuple(aggregate_types)

    def __str__(self) -> str:
        return (
            f"{' and '.join(self.aggregate_types)} have an aggregate {self.aggregate_id!r}: "
            "say which one you mean with aggregate_cls=…"
        )


class UnrecordedChangeError(EventStoreError):
    """The state of an event-sourced aggregate was changed without an event: the change would be gone after loading."""

    def __init__(self, aggregate_type: str, aggregate_id: object, reason: str) -> None:
        super().__init__(aggregate_type, aggregate_id, reason)
        self.aggregate_type, self.aggregate_id, self.reason = aggregate_type, aggregate_id, reason

    def __str__(self) -> str:
        return f"{self.aggregate_type} {self.aggregate_id!r}: {self.reason}"


class OutboxError(CQRSDDDError):
    """The outbox was used in a way it does not allow."""


class TenantNotSetError(CQRSDDDError):
    """The current work belongs to no tenant, but a tenant is required here."""

    def __str__(self) -> str:
        return "No tenant is set for the current work. Wrap it in 'with with_tenant_context(tenant_id):'."


class IllegalTransitionError(DomainError):
    """A state machine was asked for a step that its current state does not have."""

    def __init__(self, kind: str, item_id: object, state: str, step: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(kind, item_id, state, step, allowed)
        self.kind, self.item_id, self.state, self.step = kind, item_id, state, step
        self.allowed = tuple(allowed)

    def __str__(self) -> str:
        allowed = ", ".join(self.allowed) or "nothing"
        return f"{self.kind} {self.item_id!r} is {self.state}: {self.step} is not possible. Possible now: {allowed}."


class SpecificationError(CQRSDDDError):
    """A specification cannot be built or used as it is."""

    def to_dict(self) -> dict[str, object]:
        """The error for an answer to a client: ``error`` (its class), ``message``, and its facts as JSON data."""
        facts = {name: _plain_fact(value) for name, value in vars(self).items() if not name.startswith("_")}
        return {"error": self.__class__.__name__, "message": str(self), **facts}


def _plain_fact(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Iterable):
        return [_plain_fact(item) for item in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)


class FieldPathError(SpecificationError):
    """The path of a field is ill-formed."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path[:80]!r} is no path of a field: {self.reason}."


class FieldNotFoundError(SpecificationError):
    """The type has no such field. ``path`` is what was asked for, ``field`` the step that is not in ``model``."""

    def __init__(self, path: str, field: str, model: str, available: Sequence[str] = ()) -> None:
        super().__init__(path, field, model, available)
        self.path, self.field, self.model, self.available = path, field, model, tuple(available)

    def __str__(self) -> str:
        where = "" if self.path == self.field else f" (in {self.path[:80]!r})"
        return f"{self.model} has no field {self.field[:80]!r}{where}.{close_matches(self.field, self.available)}"


class FieldNotQueryableError(SpecificationError):
    """The field is there, but cannot be asked in this way."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path!r} cannot be asked: {self.reason}."


class SpecificationValueError(SpecificationError):
    """The value does not fit the operator, or the type of the field."""

    def __init__(self, path: str, operator: str, reason: str) -> None:
        super().__init__(path, operator, reason)
        self.path, self.operator, self.reason = path, operator, reason

    def __str__(self) -> str:
        return f"{self.path} {self.operator}: {self.reason}."


class SpecificationNotSupportedError(SpecificationError):
    """A backend cannot do this condition; it refuses rather than mean something else."""

    def __init__(self, backend: str, what: str, reason: str = "") -> None:
        super().__init__(backend, what, reason)
        self.backend, self.what, self.reason = backend, what, reason

    def __str__(self) -> str:
        because = f": {self.reason}" if self.reason else ""
        return f"{self.backend} cannot do {self.what}{because}."


class InfrastructureError(CQRSDDDError):
    """A server or library underneath failed. The cause is chained."""


class PersistenceError(InfrastructureError):
    """A store failed. The cause is chained."""
