"""What a field holds is found out from its declaration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, ClassVar, Literal, NewType, NotRequired, TypedDict
from uuid import UUID

import pytest
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PositiveInt,
    RootModel,
    SecretStr,
    computed_field,
)

from cqrs_ddd_core import AggregateRoot, ValueObject
from cqrs_ddd_core.domain.field_type import FieldKind, FieldType, field_type, type_of
from cqrs_ddd_core.domain.spatial import Geometry
from cqrs_ddd_core.primitives.exceptions import FieldNotFoundError, FieldNotQueryableError, FieldPathError

K = FieldKind
Sku = NewType("Sku", str)
type Name = Annotated[str, Field(max_length=10)]
type Tree = dict[str, Tree] | list[Tree] | str


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(Enum):
    ONE = 1
    TWO = "two"


class Named(RootModel[str]):
    pass


class Card(ValueObject):
    number: str
    limit: int


class Cash(ValueObject):
    number: str
    limit: Decimal


class Box[T](BaseModel):
    content: T


class Extra(TypedDict):
    label: str
    size: NotRequired[int]


@dataclass
class Line:
    sku: Sku
    quantity: int = 1
    parts: "list[Line] | None" = None


class Plain:
    note: str

    def __init__(self) -> None:
        self.undeclared = 1


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int


class Order(AggregateRoot[str]):
    text: str | None = None
    number: int | None = None
    flag: bool = False
    ratio: float = 0.0
    amount: Decimal = Decimal(0)
    moment: datetime | None = None
    aware: AwareDatetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    key: UUID | None = None
    name: Name = ""
    sku: Sku | None = None
    positive: PositiveInt = 1
    url: HttpUrl | None = None
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    mixed: Mixed = Mixed.ONE
    status: Literal["open", "closed"] = "open"
    choice: Literal["a"] | Colour = "a"
    tags: list[str] = Field(default_factory=list[str])
    unique: frozenset[int] = frozenset()
    pairs: tuple[int, ...] = ()
    nested: list[list[int]] = Field(default_factory=list[list[int]])
    sequence: Sequence[Decimal] = ()
    lines: list[Line] = Field(default_factory=list[Line])
    by_sku: dict[str, Line] = Field(default_factory=dict[str, Line])
    bare: dict = Field(default_factory=dict)  # type: ignore[type-arg]
    bare_list: list = Field(default_factory=list)  # type: ignore[type-arg]
    data: Any = None
    tree: Tree = ""
    payment: Card | Cash | None = None
    either: int | str = 0
    named: Named | None = None
    box: Box[int] | None = None
    extra: Extra | None = None
    plain: Plain | None = None
    open: Open | None = None
    place: Geometry | None = None
    secret: SecretStr | None = None
    raw: bytes = b""

    constant: ClassVar[int] = 5

    @property
    def total(self) -> int:
        return 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def computed(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("id", K.TEXT), ("text", K.TEXT), ("number", K.INTEGER), ("flag", K.BOOLEAN), ("ratio", K.FLOAT),
        ("amount", K.DECIMAL), ("moment", K.DATETIME), ("aware", K.DATETIME), ("day", K.DATE), ("clock", K.TIME),
        ("span", K.DURATION), ("key", K.UUID), ("name", K.TEXT), ("sku", K.TEXT), ("positive", K.INTEGER),
        ("url", K.TEXT), ("colour", K.TEXT), ("level", K.INTEGER), ("mixed", K.JSON), ("status", K.TEXT),
        ("choice", K.TEXT), ("tags", K.LIST), ("unique", K.LIST), ("pairs", K.LIST), ("nested", K.LIST),
        ("sequence", K.LIST), ("lines", K.LIST), ("by_sku", K.OBJECT), ("bare", K.OBJECT), ("bare.a", K.JSON),
        ("bare.a.b", K.JSON), ("bare_list.a", K.JSON), ("data", K.JSON), ("data.a.b", K.JSON), ("tree", K.JSON),
        ("tree.a", K.JSON), ("payment", K.OBJECT), ("payment.number", K.TEXT), ("payment.limit", K.JSON),
        ("either", K.JSON), ("named", K.OBJECT),
        ("named.root", K.TEXT), ("box.content", K.INTEGER), ("extra", K.OBJECT),
        ("extra.label", K.TEXT), ("extra.size", K.INTEGER), ("plain.note", K.TEXT), ("plain.undeclared", K.JSON),
        ("open.known", K.INTEGER), ("open.unknown", K.JSON), ("place", K.GEOMETRY), ("secret", K.OPAQUE),
        ("raw", K.OPAQUE), ("by_sku.abc.quantity", K.INTEGER),
    ],
)  # fmt: skip
def test_the_kind_of_a_field(path: str, kind: FieldKind) -> None:
    found = field_type(Order, path)
    assert found.kind is kind
    assert found.many is (path in {"bare_list.a", "tree.a"})


def test_a_path_through_a_list_may_have_several_values() -> None:
    assert field_type(Order, "lines.quantity") == FieldType(kind=K.INTEGER, annotation=int, many=True)
    assert field_type(Order, "lines.parts.sku").many
    assert field_type(Order, "lines.parts").kind is K.LIST


def test_a_list_knows_its_items() -> None:
    assert field_type(Order, "tags").items == type_of(str)
    items = field_type(Order, "nested").items
    assert items is not None
    assert items.items == type_of(int)
    lines = field_type(Order, "lines").items
    assert lines is not None
    assert lines.annotation is Line
    assert field_type(Order, "sequence").items == type_of(Decimal)
    assert type_of(Mapping[str, int]).items is None


def test_a_set_has_no_order() -> None:
    assert not field_type(Order, "unique").ordered
    assert field_type(Order, "pairs").ordered


def test_choices_are_the_values_of_enums_and_literals() -> None:
    assert field_type(Order, "colour").choices == ("red", "blue")
    assert field_type(Order, "level").choices == (1, 2)
    assert field_type(Order, "status").choices == ("open", "closed")
    assert field_type(Order, "choice").choices == ("a", "red", "blue")
    assert type_of(Colour | str).choices == ()


@pytest.mark.parametrize(
    ("path", "field", "owner", "hint"),
    [
        ("txet", "txet", "Order", "'text'"),
        ("lines.qantity", "qantity", "Order.lines", "'quantity'"),
        ("text.length", "length", "Order.text", ""),
        ("colour.name", "name", "Order.colour", ""),
        ("payment.iban", "iban", "Order.payment", "limit, number"),
        ("extra.colour", "colour", "Order.extra", "label, size"),
        ("nested.a", "a", "Order.nested", ""),
        ("plain.__class__", "__class__", "Order.plain", "note"),
        ("__class__", "__class__", "Order", "Known"),
        ("_version", "_version", "Order", ""),
        ("model_dump", "model_dump", "Order", ""),
        ("constant", "constant", "Order", ""),
    ],
)
def test_a_field_that_is_not_there_is_named_with_what_is(path: str, field: str, owner: str, hint: str) -> None:
    with pytest.raises(FieldNotFoundError) as raised:
        field_type(Order, path)
    assert (raised.value.path, raised.value.field, raised.value.model) == (path, field, owner)
    assert hint in str(raised.value)


@pytest.mark.parametrize("path", ["total", "computed", "version"])
def test_what_is_computed_is_in_no_database(path: str) -> None:
    with pytest.raises(FieldNotQueryableError, match="computed"):
        field_type(Order, path)


def test_an_ill_formed_path_is_told_from_a_missing_field() -> None:
    with pytest.raises(FieldPathError):
        field_type(Order, "a..b")


@pytest.mark.parametrize("model", [Line, Extra, Plain, Box[int]])
def test_classes_of_all_makes_have_fields(model: Any) -> None:
    names = {Line: "quantity", Extra: "label", Plain: "note"}
    assert field_type(model, names.get(model, "content")).kind in {K.INTEGER, K.TEXT}
