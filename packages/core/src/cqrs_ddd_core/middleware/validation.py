"""Refusing bad messages before anything is opened for them."""

from __future__ import annotations

from typing import Any, Final

from cqrs_ddd_core.ports.middleware import NextHandler, Stage
from cqrs_ddd_core.ports.validator import IValidator
from cqrs_ddd_core.primitives.exceptions import ValidationError
from cqrs_ddd_core.validation.pydantic import PydanticValidator

__all__ = ["ValidatorMiddleware"]


class ValidatorMiddleware:
    """Asks a validator, and raises ``ValidationError`` with what it found.

    Without one a message is validated by its own pydantic model. It stands before locks and the unit of work: a bad
    message costs nothing. What can only be checked with data from the database is the handler's business.
    """

    stage: Final = Stage.AROUND
    priority: Final = 30

    def __init__(self, validator: IValidator | None = None) -> None:
        self._validator = PydanticValidator() if validator is None else validator

    def describe(self) -> str:
        return f"refuses what {type(self._validator).__name__} finds fault with"

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        result = await self._validator.validate(message)
        if not result.is_valid:
            raise ValidationError(result.errors)
        return await next_handler(message)
