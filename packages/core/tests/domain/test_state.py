"""The state of an aggregate as JSON, and back: nothing is lost, and nothing that would be lost is taken."""
# ruff: noqa: RUF012, DTZ001 - pydantic copies defaults; times without a zone are tried too

import dataclasses
import json
import math
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, field_serializer

from cqrs_ddd_core.domain import AggregateRoot, DomainEvent, Entity, ValueObject
from cqrs_ddd_core.domain.state import dump_state, load_state, register_state_type
from cqrs_ddd_core.primitives.exceptions import (
    ConfigurationError,
    InvalidPayloadError,
    UnknownTypeError,
    UnstorableStateError,
)


class Money(ValueObject):
    amount: Decimal
    currency: str = "EUR"


class Discounted(Money):
    percent: int


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Status(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Line(Entity[int]):
    name: str
    price: Money
    tags: set[str] = set()


class Point(NamedTuple):
    x: float
    y: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    place: str
    at: datetime
    note: str = dataclasses.field(init=False, default="none")


class Address(TypedDict, total=False):
    street: str
    since: date


type Tree = dict[str, Tree] | list[Tree] | int


class Everything(AggregateRoot[UUID]):
    text: str = ""
    number: int = 0
    ratio: float = 0.0
    flag: bool = False
    amount: Decimal = Decimal(0)
    key: UUID | None = None
    at: datetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta = timedelta()
    raw: bytes = b""
    colour: Colour = Colour.RED
    size: Size = Size.SMALL
    status: Status = Status.OPEN
    price: Money = Money(amount=Decimal(0))
    lines: list[Line] = []
    labels: set[str] = set()
    frozen: frozenset[int] = frozenset()
    pair: tuple[int, str] = (0, "")
    many: tuple[Decimal, ...] = ()
    by_number: dict[int, Money] = {}
    by_uuid: dict[UUID, str] = {}
    by_status: dict[Status, int] = {}
    by_colour: dict[Colour, int] = {}
    by_pair: dict[tuple[int, str], bool] = {}
    anything: Any = None
    things: list[dict] = []  # type: ignore[type-arg]  # as people write it
    bag: dict[str, Any] = {}
    either: int | str | None = None
    choice: Decimal | str = ""
    point: Point = Point(0.0)
    stop: Stop | None = None
    address: Address = {}
    sequence: Sequence[Money] = ()
    mapping: Mapping[str, int] = {}
    literal: Literal["a", "b", 3] = "a"
    tree: Tree = 0
    secret: SecretStr = SecretStr("")
    network: IPv4Address = IPv4Address("127.0.0.1")
    short: Annotated[str, Field(max_length=3)] = ""


def round_trip[T: AggregateRoot[Any]](aggregate: T, version: int = 1) -> T:
    """Through JSON text, as every document store does it."""
    text = json.dumps(dump_state(aggregate), allow_nan=False)
    return load_state(type(aggregate), json.loads(text), version)


def state_of(aggregate: AggregateRoot[Any]) -> dict[str, Any]:
    return dict(aggregate.__dict__)


def an_everything(**fields: Any) -> Everything:
    aggregate = Everything(id=uuid4())
    for name, value in fields.items():
        setattr(aggregate, name, value)
    return aggregate


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
aware = st.datetimes(
    min_value=datetime(1, 1, 2),
    max_value=datetime(9999, 12, 30),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))]),
)
spans = st.timedeltas()
moneys = st.builds(Money, amount=decimals, currency=texts)
discounts = st.builds(Discounted, amount=decimals, percent=st.integers())
lines = st.builds(Line, id=st.integers(), name=texts, price=moneys | discounts, tags=st.sets(texts, max_size=3))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | decimals
    | st.uuids()
    | aware
    | st.datetimes()
    | st.dates()
    | st.times()
    | spans
    | st.binary(max_size=6)
    | st.sampled_from([*Colour, *Size, *Status])
    | moneys
    | discounts
    | st.builds(Point, st.floats(allow_nan=False), st.floats(allow_nan=False))
    | st.builds(Stop, texts, aware)
)
keys = texts | st.integers() | st.uuids() | st.tuples(st.integers(), texts) | st.just("@type")
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(st.integers() | texts | decimals, max_size=3)
        | st.frozensets(moneys, max_size=2)
    ),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {
            "text": texts,
            "number": st.integers(),
            "ratio": st.floats(allow_nan=False),
            "amount": decimals,
            "at": aware | st.datetimes() | st.none(),
            "day": st.dates(),
            "clock": st.times(),
            "span": spans,
            "raw": st.binary(max_size=9),
            "colour": st.sampled_from(Colour),
            "size": st.sampled_from(Size),
            "price": moneys | discounts,
            "lines": st.lists(lines, max_size=3),
            "labels": st.sets(texts, max_size=3),
            "frozen": st.frozensets(st.integers(), max_size=3),
            "pair": st.tuples(st.integers(), texts),
            "many": st.lists(decimals, max_size=3).map(tuple),
        }
    )
)
def test_declared_fields_come_back_equal(fields: dict[str, Any]) -> None:
    aggregate = an_everything(**fields)
    again = round_trip(aggregate)
    assert state_of(again) == state_of(aggregate)
    assert type(again.price) is type(aggregate.price)
    assert [type(line.price) for line in again.lines] == [type(line.price) for line in aggregate.lines]


@given(
    st.fixed_dictionaries(
        {
            "by_number": st.dictionaries(st.integers(), moneys, max_size=3),
            "by_uuid": st.dictionaries(st.uuids(), texts, max_size=3),
            "by_status": st.dictionaries(st.sampled_from(Status), st.integers(), max_size=2),
            "by_colour": st.dictionaries(st.sampled_from(Colour), st.integers(), max_size=2),
            "by_pair": st.dictionaries(st.tuples(st.integers(), texts), st.booleans(), max_size=3),
            "either": st.integers() | texts | st.none(),
            "choice": decimals | texts,
            "stop": st.builds(Stop, texts, aware) | st.none(),
            "address": st.fixed_dictionaries({}, optional={"street": texts, "since": st.dates()}),
            "sequence": st.lists(moneys | discounts, max_size=2) | st.tuples(moneys),
            "tree": st.recursive(
                st.integers(), lambda t: st.lists(t, max_size=2) | st.dictionaries(texts, t, max_size=2), max_leaves=4
            ),
        }
    )
)
def test_keys_of_any_kind_and_choices_of_types_come_back_equal(fields: dict[str, Any]) -> None:
    aggregate = an_everything(**fields)
    again = round_trip(aggregate)
    assert state_of(again) == state_of(aggregate)
    assert type(again.choice) is type(aggregate.choice)
    assert type(again.sequence) is type(aggregate.sequence)


def same(left: Any, right: Any) -> bool:
    """Equal, of the same types, all the way down."""
    if type(left) is not type(right) or left != right:
        return False
    match left:
        case dict():
            return all(type(a) is type(b) and same(left[a], right[b]) for a, b in zip(left, right, strict=True))
        case list() | tuple():
            return all(same(a, b) for a, b in zip(left, right, strict=True))
        case _:
            return True


@given(anything)
def test_what_stands_where_no_type_is_declared_comes_back_the_same(value: Any) -> None:
    aggregate = an_everything(anything=value, bag={"inside": value}, things=[{"value": value}])
    again = round_trip(aggregate)
    assert same(again.anything, value)
    assert same(again.bag, aggregate.bag)
    assert same(again.things, aggregate.things)


def test_the_order_of_the_specification_keeps_its_value_objects() -> None:
    class Price(ValueObject):
        amount: float
        currency: str = "USD"

    class Order(AggregateRoot[str]):
        customer_id: str
        items: list[dict] = []  # type: ignore[type-arg]
        total: Price = Price(amount=0.0)

    order = Order(id="o-1", customer_id="ada")
    order.items.append({"product_id": "p", "quantity": 2, "price": Price(amount=29.99)})
    again = round_trip(order)
    assert again.items[0]["price"].amount * again.items[0]["quantity"] == 59.98
    assert type(again.items[0]["price"]) is Price


def test_declared_fields_are_plain_json_so_that_a_search_can_find_them() -> None:
    aggregate = an_everything(
        price=Money(amount=Decimal("9.90")),
        at=datetime(2024, 5, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        things=[{"price": Money(amount=Decimal(1))}],
        status=Status.CLOSED,
        labels={"b", "a"},
    )
    data = dump_state(aggregate)
    assert data["price"] == {"amount": "9.90", "currency": "EUR"}
    assert data["at"] == "2024-05-01T12:00:00.000000+00:00"
    assert data["status"] == "closed"
    assert data["labels"] == ["a", "b"]
    assert data["things"] == [{"price": {"@type": "Money", "amount": "1", "currency": "EUR"}}]


@given(aware, aware)
def test_texts_of_times_sort_as_the_times_do(one: datetime, other: datetime) -> None:
    first, second = (dump_state(an_everything(at=at))["at"] for at in (one, other))
    assert (first < second) == (one < other)


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_floats_that_json_has_no_word_for_come_back(value: float) -> None:
    again = round_trip(an_everything(ratio=value, anything=value))
    assert (again.ratio, again.anything) == (value, value)


def test_not_a_number_comes_back() -> None:
    again = round_trip(an_everything(ratio=math.nan, bag={"x": math.nan}))
    assert math.isnan(again.ratio)
    assert math.isnan(again.bag["x"])


def test_dumped_data_and_loaded_objects_share_nothing() -> None:
    aggregate = an_everything(bag={"list": [1]}, labels={"a"}, things=[{"x": [1]}])
    data = dump_state(aggregate)
    loaded = load_state(Everything, data, 1)
    aggregate.bag["list"].append(2)
    loaded.bag["list"].append(3)
    loaded.things[0]["x"].append(3)
    assert data["bag"] == {"list": [1]}
    assert data["things"] == [{"x": [1]}]


def test_the_version_is_that_of_the_store_and_no_events_are_left() -> None:
    class Opened(DomainEvent):
        pass

    aggregate = an_everything()
    aggregate.add_event(Opened())
    loaded = load_state(Everything, dump_state(aggregate), 7)
    assert loaded.version == 7
    assert loaded.collect_events() == []


class TestLoading:
    def test_neither_init_nor_validators_run_again(self) -> None:
        calls: list[str] = []

        class Careful(AggregateRoot[str]):
            name: Annotated[str, AfterValidator(lambda value: calls.append("validated") or value.upper())]

            def __init__(self, **data: Any) -> None:
                calls.append("made")
                super().__init__(**data)

        aggregate = Careful(id="1", name="ada")
        calls.clear()
        assert round_trip(aggregate).name == "ADA"
        assert calls == []

    def test_private_attributes_are_not_kept_and_post_init_derives_them(self) -> None:
        class Basket(AggregateRoot[str]):
            items: list[str] = []
            _index: dict[str, int] = PrivateAttr(default_factory=dict[str, int])
            _note: str = PrivateAttr(default="new")

            def model_post_init(self, context: Any, /) -> None:
                self._index = {item: place for place, item in enumerate(self.items)}

        basket = Basket(id="1", items=["a", "b"])
        basket._note = "changed"
        again = round_trip(basket)
        assert again._index == {"a": 0, "b": 1}
        assert again._note == "new"
        assert "_note" not in dump_state(basket)

    def test_events_that_post_init_records_are_not_recorded_again(self) -> None:
        class Born(DomainEvent):
            pass

        class Eager(AggregateRoot[str]):
            def model_post_init(self, context: Any, /) -> None:
                self.add_event(Born())

        loaded = load_state(Eager, dump_state(Eager(id="1")), 4)
        assert loaded.version == 4
        assert loaded.collect_events() == []

    def test_an_invariant_that_was_broken_by_assignment_does_not_lock_the_data_away(self) -> None:
        class Stock(AggregateRoot[str]):
            count: int = Field(ge=0)

        stock = Stock(id="1", count=1)
        stock.count = -1
        assert round_trip(stock).count == -1

    def test_a_new_field_gets_its_default(self) -> None:
        class Account(AggregateRoot[str]):
            owner: str
            tags: list[str] = []
            key: str = Field(default_factory=lambda: "made")

        loaded = load_state(Account, {"id": "1", "owner": "ada"})
        assert (loaded.tags, loaded.key) == ([], "made")
        loaded.tags.append("x")
        assert load_state(Account, {"id": "1", "owner": "ada"}).tags == []

    def test_a_missing_field_is_named(self) -> None:
        class Account(AggregateRoot[str]):
            owner: str

        with pytest.raises(InvalidPayloadError, match=r"aggregate 'Account'.*owner: the data lacks this field"):
            load_state(Account, {"id": "1"})

    def test_a_field_that_the_class_has_no_more_is_not_skipped(self) -> None:
        class Account(AggregateRoot[str]):
            pass

        with pytest.raises(InvalidPayloadError, match="'owner', which Account does not declare"):
            load_state(Account, {"id": "1", "owner": "ada"})

    @pytest.mark.parametrize(
        ("field", "data", "reason"),
        [
            ("number", "x", "number: declared as int"),
            ("number", True, "number: declared as int"),
            ("flag", 1, "flag: declared as bool"),
            ("text", 1, "text: declared as str"),
            ("ratio", "x", "ratio: declared as float"),
            ("amount", "x", "amount: declared as Decimal"),
            ("amount", 1.5, "amount: declared as Decimal"),
            ("key", "x", "key: declared as UUID"),
            ("at", "x", "at: declared as datetime"),
            ("day", "x", "day: declared as date"),
            ("raw", "***", "raw: declared as bytes"),
            ("colour", "green", "colour: declared as Colour"),
            ("price", 1, "price: declared as Money"),
            ("price", {"amount": "x"}, r"price\.amount: declared as Decimal"),
            (
                "lines",
                [{"id": 1, "name": "n", "price": {"amount": "1"}}, {"id": 2}],
                r"lines\[1\]\.name: the data lacks",
            ),
            ("lines", {}, "lines: declared as a list"),
            ("pair", [1], "pair: declared as a list of 2"),
            ("by_number", {"1": 5}, r"by_number\.1: declared as Money"),
            ("things", [{"a": {"@type": "Nobody"}}], r"things\[0\]\.a: Unknown value type 'Nobody'"),
            ("price", {"@type": "Line", "id": 1}, "price: declared as Money, found Line, which is none"),
            ("literal", 5.5, "literal: declared as"),
            ("address", {"town": "x"}, r"address\.town: Address declares no such key"),
            ("network", "x", "network: does not fit IPv4Address"),
        ],
    )
    def test_what_does_not_fit_is_named_with_its_path(self, field: str, data: Any, reason: str) -> None:
        state = {**dump_state(an_everything()), field: data}
        with pytest.raises(InvalidPayloadError, match=reason) as caught:
            load_state(Everything, state)
        assert caught.value.type_name == "Everything"

    def test_numbers_of_stores_with_one_type_of_number_fit(self) -> None:
        state = {**dump_state(an_everything()), "number": 3.0, "ratio": 3}
        loaded = load_state(Everything, state)
        assert type(loaded.number) is int
        assert type(loaded.ratio) is float


class Unknown:
    """Of foreign make."""


class Plain(BaseModel):
    x: int


class TestRefusing:
    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("number", "x", r"Everything\.number cannot be stored: declared as int, found str 'x'"),
            ("number", 1.5, "declared as int"),
            ("text", None, "declared as str, found NoneType"),
            ("amount", 1.5, "declared as Decimal, found float"),
            ("day", datetime(2024, 1, 1), "declared as date, found datetime"),
            ("colour", "red", "declared as Colour, found str"),
            ("price", {"amount": 1}, "declared as Money, found dict"),
            ("lines", ["x"], r"lines\[0\] cannot be stored: declared as Line"),
            ("lines", (), "declared as list, found tuple"),
            ("pair", (1, "a", 2), "declared as a tuple of 2"),
            ("by_number", {"a": Money(amount=Decimal(1))}, r"by_number\.a cannot be stored: declared as int"),
            ("anything", Unknown(), "found Unknown where no type is declared"),
            ("bag", {"a": [Unknown()]}, r"bag\.a\[0\] cannot be stored: found Unknown"),
            ("anything", OrderedDict(), "found OrderedDict where no type is declared"),
            ("anything", deque([1]), "found deque"),
            ("anything", Plain(x=1), r"its class .*Plain is not known by name: .*register_state_type\(Plain\)"),
            ("text", "a\0b", "the character NUL"),
            ("bag", {"a": "\ud800"}, "half of a surrogate pair"),
            ("labels", {"a\0"}, "the character NUL"),
            ("literal", 2.5, "declared as"),
            ("address", {"town": "x"}, "Address declares no such key"),
            ("anything", Everything(id=uuid4()), "keep its id instead"),
        ],
    )
    def test_what_would_not_come_back_is_refused_with_its_path(self, field: str, value: Any, reason: str) -> None:
        with pytest.raises(UnstorableStateError, match=reason) as caught:
            dump_state(an_everything(**{field: value}))
        assert caught.value.type_name == "Everything"
        assert caught.value.field.startswith(field)

    def test_something_that_contains_itself_is_refused(self) -> None:
        loop: list[Any] = []
        loop.append(loop)
        with pytest.raises(UnstorableStateError, match="contains itself"):
            dump_state(an_everything(anything=loop))

    def test_a_field_of_a_type_that_json_does_not_have_is_refused_by_name(self) -> None:
        class Holder(AggregateRoot[str]):
            thing: Unknown

        with pytest.raises(UnstorableStateError, match=r"Holder\.thing cannot be stored: its type Unknown has no form"):
            dump_state(Holder(id="1", thing=Unknown()))

    def test_an_aggregate_in_an_aggregate_is_refused(self) -> None:
        class Inner(AggregateRoot[str]):
            pass

        class Outer(AggregateRoot[str]):
            inner: Inner

        with pytest.raises(UnstorableStateError, match="keep its id instead"):
            dump_state(Outer(id="1", inner=Inner(id="2")))

    def test_a_validator_that_changes_the_type_is_noticed(self) -> None:
        class Job(AggregateRoot[str]):
            folder: Annotated[str, AfterValidator(lambda text: Path(text))]

        with pytest.raises(UnstorableStateError, match="declared as str, found PosixPath"):
            dump_state(Job(id="1", folder="/srv"))

    def test_an_object_without_all_of_its_fields_is_refused(self) -> None:
        with pytest.raises(UnstorableStateError, match="it has no value"):
            dump_state(_without(an_everything(), "text"))


def _without[T: AggregateRoot[Any]](aggregate: T, name: str) -> T:
    del aggregate.__dict__[name]  # pyright: ignore[reportIndexIssue]
    return aggregate


class TestEqualValuesOfOtherTypes:
    """What a type checker accepts is stored as declared."""

    def test_a_whole_number_in_a_float_or_decimal(self) -> None:
        again = round_trip(an_everything(ratio=1, amount=2))
        assert (again.ratio, again.amount) == (1.0, Decimal(2))

    def test_a_flag_or_enum_in_a_number(self) -> None:
        assert round_trip(an_everything(number=Size.LARGE)).number == 2

    def test_text_in_a_field_of_a_text_enum(self) -> None:
        assert round_trip(an_everything(status="closed")).status is Status.CLOSED

    def test_an_enum_in_a_text(self) -> None:
        assert round_trip(an_everything(text=Status.OPEN)).text == "open"

    def test_a_dict_of_another_make_in_a_declared_dict(self) -> None:
        counts: defaultdict[int, Money] = defaultdict(lambda: Money(amount=Decimal(0)))
        counts[1] = Money(amount=Decimal(1))
        assert round_trip(an_everything(by_number=counts)).by_number == {1: Money(amount=Decimal(1))}


class TestNames:
    def test_a_plain_model_can_be_registered(self) -> None:
        class Note(BaseModel):
            text: str

        with pytest.raises(UnstorableStateError):
            dump_state(an_everything(anything=Note(text="x")))
        assert register_state_type(Note, "note-1") is Note
        aggregate = an_everything(anything=Note(text="x"))
        assert dump_state(aggregate)["anything"] == {"@type": "note-1", "text": "x"}
        assert round_trip(aggregate).anything == Note(text="x")

    def test_a_former_name_is_read_and_not_written(self) -> None:
        class Renamed(ValueObject):
            x: int

        register_state_type(Renamed, former_names=("OldName",))
        loaded = load_state(Everything, {**dump_state(an_everything()), "anything": {"@type": "OldName", "x": 1}})
        assert loaded.anything == Renamed(x=1)
        assert dump_state(loaded)["anything"]["@type"] == "Renamed"

    def test_one_name_for_two_classes_is_refused_at_registration(self) -> None:
        class First(BaseModel):
            pass

        class Second(BaseModel):
            pass

        register_state_type(First, "only-once")
        with pytest.raises(ConfigurationError, match=r"belongs to .*First; give .*Second another one"):
            register_state_type(Second, "only-once")

    @pytest.mark.parametrize("name", ["decimal", "dict", ""])
    def test_names_of_pythons_own_types_are_reserved(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match="stands for a type of Python"):
            register_state_type(Plain, name)

    def test_of_two_classes_of_one_name_the_declared_one_is_meant(self) -> None:
        other = type("Money", (ValueObject,), {"__annotations__": {"cents": int}, "__module__": "elsewhere"})
        assert round_trip(an_everything(anything=Money(amount=Decimal(1)))).anything == Money(amount=Decimal(1))
        with pytest.raises(UnstorableStateError, match=r"would come back as .*test_state\.Money"):
            dump_state(an_everything(anything=other(cents=1)))  # pyright: ignore[reportCallIssue]

    def test_nothing_is_imported_by_a_path_in_the_data(self) -> None:
        for name in ("os.path", "builtins.eval", "decimal.Decimal", "Everything"):
            with pytest.raises(InvalidPayloadError):
                load_state(Everything, {**dump_state(an_everything()), "anything": {"@type": name, "@value": "1"}})

    def test_a_key_that_looks_like_a_tag_is_data(self) -> None:
        value = {"@type": "decimal", "@value": "1"}
        aggregate = an_everything(anything=value, bag={"@type": "x"})
        again = round_trip(aggregate)
        assert again.anything == value
        assert again.bag == {"@type": "x"}


class TestSubclasses:
    def test_a_subclass_in_a_repository_of_its_base_comes_back_as_itself(self) -> None:
        class Vehicle(AggregateRoot[str]):
            wheels: int

        class Car(Vehicle):
            doors: int

        data = dump_state(Car(id="1", wheels=4, doors=5), Vehicle)
        loaded = load_state(Vehicle, data, 2)
        assert type(loaded) is Car
        assert (loaded.doors, loaded.version) == (5, 2)
        with pytest.raises(UnknownTypeError, match="Did you mean 'Car'"):
            load_state(Vehicle, {**data, "@type": "Cra"})

    def test_two_subclasses_of_one_stored_name_are_refused(self) -> None:
        class Base(AggregateRoot[str]):
            pass

        class One(Base):
            aggregate_type = "same"

        class Two(Base):
            aggregate_type = "same"

        with pytest.raises(UnstorableStateError, match="give it another one"):
            dump_state(One(id="1"), Base)
        assert type(load_state(Base, dump_state(Two(id="1"), Base))) is Two


def test_presentation_is_not_state() -> None:
    class Ticket(AggregateRoot[str]):
        code: str = Field(exclude=True)
        price: Decimal
        pin: SecretStr = SecretStr("1234")

        @field_serializer("price")
        def _show(self, price: Decimal) -> str:
            return f"€ {price}"

    again = round_trip(Ticket(id="1", code="x", price=Decimal("1.5")))
    assert (again.code, again.price, again.pin.get_secret_value()) == ("x", Decimal("1.5"), "1234")


def test_extra_fields_are_kept_where_the_class_allows_them() -> None:
    class Open(AggregateRoot[str]):
        model_config = ConfigDict(extra="allow")
        name: str

    again = round_trip(Open(id="1", name="n", more=Decimal(1)))  # pyright: ignore[reportCallIssue]
    assert again.model_extra == {"more": Decimal(1)}


def test_generic_aggregates_and_parts_come_back() -> None:
    class Box[T](ValueObject):
        content: T

    class Shelf(AggregateRoot[int]):
        money: Box[Decimal]
        any_box: Box[Any]

    again = round_trip(Shelf(id=1, money=Box[Decimal](content=Decimal(1)), any_box=Box[Any](content={"a": Decimal(2)})))
    assert again.money.content == Decimal(1)
    assert again.any_box.content == {"a": Decimal(2)}


def test_recursive_models_come_back() -> None:
    class Node(ValueObject):
        name: str
        children: list["Node"] = []

    class Forest(AggregateRoot[str]):
        root: Node

    forest = Forest(id="1", root=Node(name="a", children=[Node(name="b", children=[Node(name="c")])]))
    assert round_trip(forest).root == forest.root
