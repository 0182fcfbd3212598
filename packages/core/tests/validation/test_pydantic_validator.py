"""Validation by the message's own model."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Self

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from cqrs_ddd_core import Command
from cqrs_ddd_core.ports.validator import IValidator
from cqrs_ddd_core.validation import PydanticValidator


class Line(BaseModel):
    sku: str
    quantity: int = Field(gt=0)


class SpecialLine(Line):
    model_config = ConfigDict(extra="forbid")

    engraving: str


class PlaceOrder(Command[None]):
    order_id: str = Field(min_length=1)
    lines: list[Line] = Field(default_factory=list)
    notes: dict[str, Line] = Field(default_factory=dict)


class Account(Command[None]):
    name: str = Field(alias="accountName")
    owner: str = Field(default="ada", validation_alias=AliasChoices("ownerName", "owner"))
    password: SecretStr = Field(exclude=True)

    @cached_property
    def greeting(self) -> str:
        return f"Hello {self.name}"


class Address(Command[None]):
    street: str = Field(validation_alias=AliasPath("address", "lines", 1))
    zip: str = Field(validation_alias=AliasPath("address", "zip"))


class Range(Command[None]):
    low: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Open(Command[None]):
    model_config = ConfigDict(extra="allow")

    known: str


async def errors_of(message: Any) -> dict[str, list[str]]:
    result = await PydanticValidator().validate(message)
    assert bool(result) == (not result.errors)
    return {name: list(messages) for name, messages in result.errors.items()}


def test_it_is_a_validator() -> None:
    assert isinstance(PydanticValidator(), IValidator)


@pytest.mark.parametrize(
    "message",
    [
        PlaceOrder(order_id="1", lines=[Line(sku="a", quantity=1)], notes={"x": Line(sku="b", quantity=2)}),
        PlaceOrder(order_id="1", lines=[SpecialLine(sku="a", quantity=1, engraving="for ada")]),
        Account(accountName="main", password=SecretStr("x")),
        Account(accountName="main", ownerName="bob", password=SecretStr("x")),  # type: ignore[call-arg]
        Address.model_validate({"address": {"lines": ["c/o", "Main Street"], "zip": "1"}}),
        Range(low=1, high=2),
        Open(known="a", unknown="b"),  # type: ignore[call-arg]
    ],
    ids=lambda message: type(message).__name__,
)
async def test_a_message_that_could_be_built_is_valid(message: Any) -> None:
    assert await errors_of(message) == {}


async def test_a_message_stays_valid_after_a_cached_property_was_read() -> None:
    account = Account(accountName="main", password=SecretStr("x"))
    assert account.greeting
    assert await errors_of(account) == {}


async def test_values_that_bypassed_validation_are_found() -> None:
    errors = await errors_of(PlaceOrder.model_construct(order_id="", lines="none"))
    assert set(errors) == {"order_id", "lines"}
    assert errors["order_id"] == ["String should have at least 1 character"]


async def test_missing_values_are_found() -> None:
    assert await errors_of(PlaceOrder.model_construct()) == {"order_id": ["Field required"]}


async def test_an_inner_model_is_checked_and_located_by_a_dotted_path() -> None:
    bad = Line.model_construct(sku="a", quantity=0)
    errors = await errors_of(PlaceOrder(order_id="1", lines=[Line(sku="b", quantity=1), bad], notes={"gift": bad}))
    assert errors == {
        "lines.1.quantity": ["Input should be greater than 0"],
        "notes.gift.quantity": ["Input should be greater than 0"],
    }


async def test_a_list_that_was_changed_after_construction_is_found() -> None:
    order = PlaceOrder(order_id="1")
    order.lines.append("not a line")  # type: ignore[arg-type]
    assert set(await errors_of(order)) == {"lines.0"}


async def test_a_rule_about_the_whole_message_stands_under_root() -> None:
    assert await errors_of(Range.model_construct(low=2, high=1)) == {"__root__": ["Value error, low is above high"]}


async def test_a_rule_about_a_whole_inner_model_stands_under_its_place() -> None:
    class Outer(Command[None]):
        range: Range

    outer = Outer.model_construct(range=Range.model_construct(low=2, high=1))
    assert await errors_of(outer) == {"range": ["Value error, low is above high"]}


async def test_error_messages_do_not_repeat_the_values() -> None:
    class Secret(Command[None]):
        token: Annotated[str, Field(max_length=3)]

    errors = await errors_of(Secret.model_construct(token="s3cret-value"))
    assert "s3cret-value" not in str(errors)


async def test_an_object_that_is_no_model_is_valid() -> None:
    assert await errors_of(object()) == {}


async def test_a_validator_that_accepts_its_own_result_may_convert() -> None:
    class Trimmed(Command[None]):
        name: Annotated[str, BeforeValidator(lambda value: str(value).strip())]

    assert await errors_of(Trimmed(name=" a ")) == {}
