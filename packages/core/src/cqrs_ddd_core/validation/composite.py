"""Several validators as one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from cqrs_ddd_core.validation.result import ValidationResult

if TYPE_CHECKING:
    # The port is about results, and results stand in this room.
    from cqrs_ddd_core.ports.validator import IValidator

__all__ = ["CompositeValidator"]


class CompositeValidator:
    """Asks every validator, one after another, and merges what they found. Without any, everything is valid."""

    def __init__(self, validators: Iterable[IValidator] = ()) -> None:
        self._validators = list(validators)

    def add(self, validator: IValidator) -> Self:
        """Ask this one too, after the others."""
        self._validators.append(validator)
        return self

    async def validate(self, message: Any, /) -> ValidationResult:
        result = ValidationResult.success()
        for validator in self._validators:
            result = result.merge(await validator.validate(message))
        return result
