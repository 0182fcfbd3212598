"""Which shape a class has, as a short text: two shapes never share one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from enum import Enum
from typing import Any, get_type_hints

from pydantic import BaseModel

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.state_types import reachable_types

__all__ = ["schema_fingerprint"]

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
"""In the text of functions and other objects; differs from process to process."""


def schema_fingerprint(aggregate_cls: type[AggregateRoot[Any]]) -> str:
    """The shape of an aggregate class: its fields and their types, those of the types in them, and so on.

    It changes when a field is added, removed, renamed or gets another type, and with ``snapshot_version`` of the
    class, which a user raises when the same events now lead to another state. A fingerprint that changes without
    need costs one full replay; one that does not change when it should would let old data be misread.
    """
    shapes = {_path(cls): _shape(cls) for cls in {aggregate_cls, *reachable_types(aggregate_cls)}}
    described = {
        "aggregate": _path(aggregate_cls),
        "snapshot_version": getattr(aggregate_cls, "snapshot_version", 1),
        "shapes": shapes,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:32]


def _shape(cls: type[Any]) -> dict[str, str] | list[str]:
    if issubclass(cls, Enum):
        return [f"{member.name}={member.value!r}" for member in cls]
    if issubclass(cls, BaseModel):
        return {name: _text(field.annotation) for name, field in cls.__pydantic_fields__.items()}
    if dataclasses.is_dataclass(cls) or hasattr(cls, "_fields"):
        return {name: _text(hint) for name, hint in get_type_hints(cls).items()}
    return {}


def _text(annotation: Any) -> str:
    return _ADDRESS.sub("", repr(annotation))


def _path(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
