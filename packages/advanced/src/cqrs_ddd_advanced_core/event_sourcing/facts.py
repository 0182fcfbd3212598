"""What is known about objects, as long as they live."""

from __future__ import annotations

import contextlib
import weakref
from typing import Any

__all__ = ["ByIdentity"]


class ByIdentity[V]:
    """Values by object, and not by what the object is equal to. Keeps no object alive."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[Any], V]] = {}

    def get(self, key: object) -> V | None:
        found = self._values.get(id(key))
        return found[1] if found is not None and found[0]() is key else None

    def set(self, key: object, value: V) -> None:
        """Remember a value; does nothing for an object that cannot be referred to weakly."""
        identity, values = id(key), self._values

        def forget(reference: weakref.ref[Any]) -> None:
            if identity in values and values[identity][0] is reference:  # its place may be another object's by now
                del values[identity]

        with contextlib.suppress(TypeError):
            values[identity] = (weakref.ref(key, forget), value)
