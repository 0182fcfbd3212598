"""Reading a field of a candidate by its dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["read_path"]


def read_path(candidate: Any, path: str) -> Any:
    """The value at ``path``: through attributes and keys, ``"customer.address.city"``.

    A missing step gives None. A list on the way gives the list of what its items have there.
    """
    value = candidate
    for step in path.split("."):
        value = _step(value, step)
        if value is None:
            return None
    return value


def _step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_step(item, step) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if step.startswith("_"):
        return None  # a path comes from outside; it does not reach into internals
    return getattr(value, step, None)
