"""Responses as they are kept for a repetition of their command, and back."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic.errors import PydanticUserError

from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.message import Command, result_type
from cqrs_ddd_core.cqrs.response import CommandResponse
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.event_store import StoredEvent
from cqrs_ddd_core.ports.idempotency import IdempotencyRecord
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    InvalidPayloadError,
    PipelineError,
    UnknownTypeError,
)

__all__ = ["StoredResponseFormat", "fingerprint", "with_list_of_events"]

_ANY: TypeAdapter[Any] = TypeAdapter(Any)
_PLAIN_FIELDS = frozenset(field.name for field in dataclasses.fields(CommandResponse))
_IDS_OF_THE_SENDING = {"command_id", "correlation_id"}


class StoredResponseFormat:
    """How the responses to one class of commands are stored.

    Raises ``PipelineError`` when it is made, or at the first response, for what cannot be stored and come back equal.
    """

    def __init__(self, command_type: type[Command[Any]], serializer: EventSerializer) -> None:
        self._name = command_type.message_type
        self._serializer = serializer
        self._declared = result_type(command_type)
        self._result = self._adapter(self._declared, f"The result of {self._name}")

    def store(self, key: str, digest: str, response: CommandResponse[Any]) -> IdempotencyRecord:
        """The record of a response."""
        return IdempotencyRecord(
            key=key,
            message_type=self._name,
            fingerprint=digest,
            result=self._dumped(self._result, response.result, f"The result of {self._name}"),
            response=self._beside_the_result(response),
            events=[_without_loss(self._serializer, event) for event in response.events],
            correlation_id=response.correlation_id,
            causation_id=response.causation_id,
            tenant_id=get_current_tenant_or_none(),
        )

    def load(self, record: IdempotencyRecord) -> CommandResponse[Any]:
        """The response of a record. Raises ``SerializationError`` when its types are not the same any more."""
        beside = record.response
        response_class = _response_class(beside.get("class"))
        values: dict[str, Any] = {
            "result": self._loaded(self._result, record.result, "result"),
            "events": [_event(self._serializer, stored) for stored in record.events],
            "success": beside.get("success", True),
            "correlation_id": record.correlation_id,
            "causation_id": record.causation_id,
        }
        for name, adapter in self._further_fields(response_class):
            if name in beside.get("fields", {}):
                values[name] = self._loaded(adapter, beside["fields"][name], name)
        response: CommandResponse[Any] = response_class.__new__(response_class)
        for name, value in values.items():
            object.__setattr__(response, name, value)
        return response

    def _beside_the_result(self, response: CommandResponse[Any]) -> dict[str, Any]:
        """Its class and what it says beside the result and the events; empty for the ordinary case."""
        beside: dict[str, Any] = {} if response.success else {"success": response.success}
        response_class = response.__class__
        if response_class is CommandResponse:
            return beside
        fields = dict(self._further_fields(response_class))
        unknown = sorted(set(vars(response)) - _PLAIN_FIELDS - set(fields))
        if unknown:
            raise PipelineError(
                f"{response_class.__name__}, the response to {self._name}, cannot be repeated: {', '.join(unknown)} "
                "would be lost. Declare them as fields: @dataclass(frozen=True) on the class."
            )
        beside["class"] = response_class.__name__
        beside["fields"] = {
            name: self._dumped(adapter, getattr(response, name), f"{response_class.__name__}.{name}")
            for name, adapter in fields.items()
        }
        return beside

    def _further_fields(self, response_class: type[CommandResponse[Any]]) -> Iterator[tuple[str, TypeAdapter[Any]]]:
        if response_class is CommandResponse:
            return
        # Python 3.12 does not find the type parameters of a class by itself.
        parameters = {
            parameter.__name__: Any
            for each in response_class.__mro__
            for parameter in getattr(each, "__type_params__", ())
        }
        hints = typing.get_type_hints(response_class, localns=parameters)
        for field in dataclasses.fields(response_class):
            if field.name not in _PLAIN_FIELDS:
                yield field.name, self._adapter(hints[field.name], f"{response_class.__name__}.{field.name}")

    def _adapter(self, declared: Any, what: str) -> TypeAdapter[Any]:
        try:
            return TypeAdapter(declared)
        except PydanticUserError as error:
            raise PipelineError(
                f"{what} is declared as {_shown(declared)}, which cannot be stored for a repetition of the command: "
                f"{_first_line(error)}. Use plain values, dataclasses or pydantic models, or leave {self._name} out of "
                "IdempotencyMiddleware (key=… that gives None for it)."
            ) from error

    def _dumped(self, adapter: TypeAdapter[Any], value: Any, what: str) -> Any:
        if value is None:
            return None
        try:
            dumped = adapter.dump_python(value, mode="json", warnings="error", serialize_as_any=False)
            same = adapter.validate_json(_ANY.dump_json(dumped)) == value
        except ValueError as error:  # of both directions of pydantic
            raise self._not_storable(what, value, _first_line(error)) from error
        if not same:
            raise self._not_storable(what, value, "it would not come back equal")
        return dumped

    def _not_storable(self, what: str, value: Any, why: str) -> PipelineError:
        return PipelineError(
            f"{what} is a {type(value).__qualname__}, declared as {_shown(self._declared)}: it cannot be stored for a "
            f"repetition of the command, because {why}. Declare what is really returned, as in "
            f"Command[{_shown(type(value))}], and let it be plain values, dataclasses or pydantic models."
        )

    def _loaded(self, adapter: TypeAdapter[Any], value: Any, field: str) -> Any:
        if value is None:
            return None
        try:
            return adapter.validate_json(_ANY.dump_json(value))
        except PydanticError as error:
            raise InvalidPayloadError("answer", self._name, str(error), field) from error


def with_list_of_events[R: CommandResponse[Any]](response: R) -> R:
    """The response as it will be repeated: JSON knows only one kind of sequence."""
    if isinstance(response.events, list):
        return response
    changed = copy.copy(response)
    object.__setattr__(changed, "events", list(response.events))
    return changed


def fingerprint(command: Command[Any]) -> str:
    """A digest of what a command says; the ids of its sending do not count, nor does the order of sets and keys."""
    content = command.model_dump(mode="python", exclude=_IDS_OF_THE_SENDING, serialize_as_any=True)
    text = json.dumps(_ANY.dump_python(_ordered(content), mode="json"), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _ordered(value: Any) -> Any:
    """With lists for sets, in an order that is the same in every process."""
    if isinstance(value, Mapping):
        return {key: _ordered(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, set | frozenset):
        return sorted((_ANY.dump_python(_ordered(item), mode="json") for item in value), key=repr)  # pyright: ignore[reportUnknownVariableType]
    return value


def _without_loss(serializer: EventSerializer, event: DomainEvent) -> StoredEvent:
    # Here an event need not belong to a stream.
    return serializer.to_stored(
        event.with_envelope(aggregate_id=event.aggregate_id or "", aggregate_type=event.aggregate_type or "")
    )


def _event(serializer: EventSerializer, stored: StoredEvent) -> DomainEvent:
    event = serializer.from_stored(stored)
    return event.with_envelope(aggregate_id=event.aggregate_id or None, aggregate_type=event.aggregate_type or None)


def _response_class(name: str | None) -> type[CommandResponse[Any]]:
    if name is None:
        return CommandResponse
    found = [each for each in _subclasses(CommandResponse) if each.__name__ == name]
    if not found:
        raise UnknownTypeError("response", name, sorted({each.__name__ for each in _subclasses(CommandResponse)}))
    if len(found) > 1:
        paths = " and as ".join(f"{each.__module__}.{each.__qualname__}" for each in found)
        raise ConfigurationError(f"The response class {name!r} is defined as {paths}: give one of them another name.")
    return found[0]


def _subclasses(response_class: type[CommandResponse[Any]]) -> Iterator[type[CommandResponse[Any]]]:
    for each in response_class.__subclasses__():
        yield each
        yield from _subclasses(each)


def _shown(declared: Any) -> str:
    return declared.__name__ if isinstance(declared, type) else str(declared)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].rstrip(".")
