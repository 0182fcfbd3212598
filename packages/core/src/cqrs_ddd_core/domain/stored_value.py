"""The form that a value has in a stored document: what databases compare, and so what is compared in memory."""

from __future__ import annotations

from typing import Any

from cqrs_ddd_core.domain.field_type import FieldType
from cqrs_ddd_core.domain.json_value import NOT_JSON
from cqrs_ddd_core.domain.state_codec import codec_of

__all__ = ["stored_value"]


def stored_value(value: Any, declared: FieldType) -> Any:
    """``value`` as ``dump_state`` writes it where a field declares this type. Never raises.

    Lists and objects are compared in this form, with their parts: both the value of a field and the value of a typed
    condition have it. What cannot be stored there gives ``NOT_JSON``.
    """
    annotation = Any if declared.annotation is None else declared.annotation
    root: type[Any] = object if declared.owner is None else declared.owner
    try:
        return codec_of(annotation).encode(value, root)
    except Exception:  # noqa: BLE001 - an object that was never validated may hold anything, and object to anything
        return NOT_JSON
