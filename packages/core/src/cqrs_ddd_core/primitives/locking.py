"""What is locked, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LockMode", "ResourceIdentifier"]

type LockMode = Literal["read", "write"]


@dataclass(frozen=True, slots=True, order=True)
class ResourceIdentifier:
    """Names one thing that can be locked: ``ResourceIdentifier("Order", "order-123")``.

    ``lock_mode`` "write" excludes everybody, "read" excludes writers only. Both modes of one resource are one lock.
    The order (type, id, mode) is the order in which several locks are taken, so that two holders never wait for
    each other.
    """

    resource_type: str
    resource_id: str
    lock_mode: LockMode = "write"

    def __post_init__(self) -> None:
        if not self.resource_type or not self.resource_id:
            raise ValueError(
                "A resource needs a type and an id, both not empty: "
                f"found {self.resource_type!r} and {self.resource_id!r}."
            )
        if self.lock_mode not in {"read", "write"}:
            raise ValueError(f"lock_mode is 'read' or 'write', found {self.lock_mode!r}.")

    @property
    def key(self) -> str:
        """``type:id``: the same for both modes, because they exclude each other."""
        return f"{self.resource_type}:{self.resource_id}"

    def __str__(self) -> str:
        return self.key if self.lock_mode == "write" else f"{self.key}:read"
