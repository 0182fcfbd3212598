"""Every error of the toolkit, in one tree.

::

    CQRSDDDError
    ├── DomainError                       a business rule said no
    │   ├── NotFoundError
    │   │   ├── EntityNotFoundError
    │   │   └── BlobNotFoundError
    │   ├── InvariantViolationError
    │   └── IllegalTransitionError        a state machine was asked for a step it does not have
    ├── ConcurrencyError                  somebody else was there at the same time
    │   ├── OptimisticConcurrencyError    another writer saved first
    │   ├── IdempotencyConflictError      the same key, for a different message or at the same time
    │   │   └── IdempotencyKeyReusedError
    │   ├── LockAcquisitionError          the lock was not free in time
    │   ├── LockLostError                 the lock was held and is not any more
    │   └── LeaseLostError                the leased item belongs to another worker now
    ├── ValidationError                   a message is not acceptable; ``errors`` says which fields
    ├── ConfigurationError                the parts were put together wrongly; fix the wiring
    │   ├── CollectionError               ``uow.<name>`` names no aggregate, or more than one
    │   ├── MissingExtraError             an optional dependency is not installed
    │   └── PipelineError                 a middleware is at a place where it cannot keep its promise
    ├── UnitOfWorkError
    │   ├── NoUnitOfWorkError             none is open in this task
    │   └── ReadOnlyUnitOfWorkError       a query tried to write
    ├── HandlerError
    │   ├── HandlerRegistrationError
    │   ├── HandlerNotFoundError
    │   ├── HandlerResultError            a handler returned something that is no response
    │   ├── HandlerTimeoutError
    │   └── PublisherNotFoundError
    ├── SerializationError                stored or received data cannot be turned into an object
    │   ├── UnknownTypeError              no class has that name
    │   ├── UnknownVersionError           the class is known, this schema version of it is not
    │   ├── InvalidPayloadError           class and version are known, the data does not fit
    │   └── UnstorableStateError          an object holds something that storage could not give back
    ├── EventStoreError
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
    "BlobNotFoundError",
    "CQRSDDDError",
    "CollectionError",
    "ConcurrencyError",
    "ConfigurationError",
    "DomainError",
    "EntityNotFoundError",
    "EventStoreError",
    "FieldNotFoundError",
    "FieldNotQueryableError",
    "FieldPathError",
    "HandlerError",
    "HandlerNotFoundError",
    "HandlerRegistrationError",
    "HandlerResultError",
    "HandlerTimeoutError",
    "IdempotencyConflictError",
    "IdempotencyKeyReusedError",
    "IllegalTransitionError",
    "InfrastructureError",
    "InvalidPayloadError",
    "InvariantViolationError",
    "LeaseLostError",
    "LockAcquisitionError",
    "LockLostError",
    "MissingExtraError",
    "NoUnitOfWorkError",
    "NotFoundError",
    "OptimisticConcurrencyError",
    "OutboxError",
    "PersistenceError",
    "PipelineError",
    "PublisherNotFoundError",
    "ReadOnlyUnitOfWorkError",
    "SerializationError",
    "SpecificationError",
    "SpecificationNotSupportedError",
    "SpecificationValueError",
    "TenantNotSetError",
    "UnitOfWorkError",
    "UnknownTypeError",
    "UnknownVersionError",
    "UnstorableStateError",
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


class InvariantViolationError(DomainError):
    """An aggregate refused to enter a state that its rules forbid."""


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


class EventStoreError(CQRSDDDError):
    """The event store was used in a way it does not allow."""


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
