"""Several validators as one."""

from __future__ import annotations

from typing import Any

from cqrs_ddd_core.ports.validator import IValidator
from cqrs_ddd_core.validation import CompositeValidator, ValidationResult


class Finds:
    def __init__(self, **errors: str) -> None:
        self.errors = {name: [message] for name, message in errors.items()}
        self.asked: list[Any] = []

    async def validate(self, message: Any, /) -> ValidationResult:
        self.asked.append(message)
        return ValidationResult.failure(self.errors)


def test_it_is_a_validator() -> None:
    assert isinstance(CompositeValidator(), IValidator)


async def test_without_validators_everything_is_valid() -> None:
    assert await CompositeValidator().validate(object())


async def test_all_validators_are_asked_and_their_errors_merged() -> None:
    first, second, third = Finds(name="too long", age="negative"), Finds(), Finds(name="taken")
    message = object()
    result = await CompositeValidator([first]).add(second).add(third).validate(message)
    assert result.errors == {"name": ["too long", "taken"], "age": ["negative"]}
    assert [each.asked for each in (first, second, third)] == [[message]] * 3


async def test_two_composites_do_not_share_their_validators() -> None:
    CompositeValidator().add(Finds(name="bad"))
    assert await CompositeValidator().validate(object())
