"""Refusing bad messages before anything is opened for them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from cqrs_ddd_core import Command, InMemoryUnitOfWork, Query
from cqrs_ddd_core.middleware import ValidatorMiddleware
from cqrs_ddd_core.primitives.exceptions import ValidationError
from cqrs_ddd_core.validation import ValidationResult


class Ship(Command[str]):
    weight: float = Field(gt=0)


class Track(Query[str]):
    number: str = Field(min_length=3)


async def done(message: Any) -> str:
    return "done"


async def test_by_default_a_message_is_validated_by_its_own_model(mediate: Any) -> None:
    mediator = mediate({Ship: done, Track: done}, ValidatorMiddleware())
    assert (await mediator.send(Ship(weight=1))).result == "done"
    with pytest.raises(ValidationError) as caught:
        await mediator.send(Ship(weight=1).model_copy(update={"weight": -1}))
    assert caught.value.errors == {"weight": ["Input should be greater than 0"]}
    with pytest.raises(ValidationError):
        await mediator.send(Track(number="123").model_copy(update={"number": "1"}))


async def test_a_bad_message_opens_no_unit_of_work_and_runs_no_handler(mediate: Any) -> None:
    opened: list[InMemoryUnitOfWork] = []

    def uow_factory() -> InMemoryUnitOfWork:
        opened.append(InMemoryUnitOfWork())
        return opened[-1]

    mediator = mediate({Ship: done}, ValidatorMiddleware(), uow_factory=uow_factory)
    with pytest.raises(ValidationError):
        await mediator.send(Ship.model_construct(weight="heavy", command_id="1", correlation_id=None))
    assert opened == []


async def test_another_validator_may_be_given(mediate: Any) -> None:
    class NoSundays:
        async def validate(self, message: Any, /) -> ValidationResult:
            return ValidationResult.failure({"__root__": ["not on Sundays"]})

    with pytest.raises(ValidationError, match=r"^not on Sundays$"):
        await mediate({Ship: done}, ValidatorMiddleware(NoSundays())).send(Ship(weight=1))
