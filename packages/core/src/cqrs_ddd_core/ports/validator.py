"""Whether a message is acceptable."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from cqrs_ddd_core.validation.result import ValidationResult

__all__ = ["IValidator"]


@runtime_checkable
class IValidator(Protocol):
    """Checks a message before anything is opened for it."""

    async def validate(self, message: Any, /) -> ValidationResult:
        """What is wrong with the message; a success when nothing is. Raises nothing for a bad message."""
        ...
