"""Aggregate roots: identity, events, versions, and the names under which they are kept."""
# ruff: noqa: RUF012 - pydantic copies defaults

import copy
import gc
import pickle
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from cqrs_ddd_core.adapters.memory import InMemoryUnitOfWork
from cqrs_ddd_core.domain import AggregateRoot, DomainEvent, ValueObject
from cqrs_ddd_core.domain.aggregate import (
    RESERVED_COLLECTION_NAMES,
    aggregate_for_collection,
    capture_state,
    known_collections,
    mark_persisted,
    pending_events,
    persisted_version,
    restore_state,
)
from cqrs_ddd_core.ports import UnitOfWork
from cqrs_ddd_core.primitives import new_id, use_id_generator
from cqrs_ddd_core.primitives.exceptions import CollectionError


class Renamed(DomainEvent):
    name: str


class Account(AggregateRoot[str]):
    name: str = ""
    tags: list[str] = []
    limits: dict[str, int] = {}
    _note: str = PrivateAttr(default="nothing")

    def rename(self, name: str) -> None:
        self.name = name
        self.add_event(Renamed(name=name))


class Ids:
    def next_id(self) -> str:
        return "generated"


class TestIdentity:
    def test_ids_are_texts_numbers_or_uuids(self) -> None:
        class Numbered(AggregateRoot[int]): ...

        class Unique(AggregateRoot[UUID]): ...

        key = uuid4()
        assert Account(id="a").id == "a"
        assert Numbered(id=7).id == 7
        assert Unique(id=key).id == key
        assert Unique.model_validate({"id": str(key)}).id == key
        with pytest.raises(ValidationError):
            Numbered(id="x")  # type: ignore[arg-type]

    def test_a_missing_id_comes_from_the_generator(self) -> None:
        assert Account(id_generator=Ids()).id == "generated"  # pyright: ignore[reportCallIssue]
        assert Account(id_generator=Ids(), id=None).id == "generated"  # pyright: ignore[reportCallIssue]
        assert Account(id_generator=Ids(), id="given").id == "given"  # pyright: ignore[reportCallIssue]

    def test_without_an_id_and_a_generator_the_error_says_what_to_do(self) -> None:
        with pytest.raises(ValueError, match=r"Account needs an id: pass id=… or id_generator=…"):
            Account(name="x")  # pyright: ignore[reportCallIssue]

    def test_a_class_can_have_a_default_for_its_id(self) -> None:
        class Ticket(AggregateRoot[str]):
            id: str = Field(default_factory=new_id)

        with use_id_generator(Ids()):
            assert Ticket().id == "generated"
        assert Ticket(id="given").id == "given"

    def test_a_generator_makes_uuids_for_a_uuid_id(self) -> None:
        from cqrs_ddd_core.primitives import UUID7Generator

        class Unique(AggregateRoot[UUID]): ...

        assert Unique(id_generator=UUID7Generator()).id.version == 7  # pyright: ignore[reportCallIssue]

    def test_an_alias_of_the_id_is_respected(self) -> None:
        class Imported(AggregateRoot[str]):
            id: str = Field(validation_alias="external_id")

        assert Imported.model_validate({"external_id": "x"}).id == "x"

    def test_the_id_never_changes(self) -> None:
        account = Account(id="a")
        with pytest.raises(ValidationError, match="frozen"):
            account.id = "b"

    def test_an_unknown_field_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs"):
            Account(id="a", nmae="x")  # type: ignore[call-arg]

    def test_state_is_validated_from_data(self) -> None:
        account = Account.model_validate({"id": "a", "tags": ["x"]})
        assert account.tags == ["x"]
        assert account.version == 0
        with pytest.raises(ValidationError):
            Account.model_validate({"name": "x"})

    def test_defaults_are_not_shared(self) -> None:
        one, two = Account(id="1"), Account(id="2")
        one.tags.append("x")
        one.limits["x"] = 1
        assert two.tags == []
        assert two.limits == {}


class TestEvents:
    def test_an_event_gets_id_type_and_version_of_its_aggregate(self) -> None:
        account = Account(id="a")
        account.rename("x")
        account.rename("y")
        first, second = account.collect_events()
        assert (first.aggregate_id, first.aggregate_type, first.aggregate_version) == ("a", "Account", 1)
        assert second.aggregate_version == 2
        assert isinstance(first, Renamed)
        assert first.name == "x"

    def test_ids_that_are_no_text_become_text(self) -> None:
        class Unique(AggregateRoot[UUID]): ...

        key = uuid4()
        unique = Unique(id=key)
        unique.add_event(Renamed(name="x"))
        assert unique.collect_events()[0].aggregate_id == str(key)

    def test_what_the_event_says_of_its_aggregate_stays(self) -> None:
        account = Account(id="a")
        account.add_event(Renamed(name="x", aggregate_id="other", aggregate_type="Legacy"))
        [event] = account.collect_events()
        assert (event.aggregate_id, event.aggregate_type, event.aggregate_version) == ("other", "Legacy", 1)

    def test_the_event_object_that_was_added_is_not_changed(self) -> None:
        event = Renamed(name="x")
        Account(id="a").add_event(event)
        assert event.aggregate_id is None

    def test_collecting_takes_the_events_once_in_order(self) -> None:
        account = Account(id="a")
        account.rename("x")
        account.rename("y")
        assert [event.name for event in pending_events(account)] == ["x", "y"]  # type: ignore[attr-defined]
        taken = account.clear_events()
        assert [event.name for event in taken] == ["x", "y"]  # type: ignore[attr-defined]
        assert account.collect_events() == []
        account.rename("z")
        assert len(taken) == 2
        assert len(account.clear_events()) == 1

    def test_events_are_no_part_of_the_data(self) -> None:
        account = Account(id="a")
        account.rename("x")
        assert account.model_dump() == {"id": "a", "name": "x", "tags": [], "limits": {}}


class TestVersion:
    def test_it_counts_events_and_is_not_reset_by_collecting(self) -> None:
        account = Account(id="a")
        assert account.version == 0
        account.rename("x")
        account.collect_events()
        account.rename("y")
        assert account.version == 2
        assert persisted_version(account) == 0

    def test_it_cannot_be_set(self) -> None:
        account = Account(id="a")
        with pytest.raises((AttributeError, ValidationError)):
            account.version = 3  # type: ignore[misc]

    def test_it_can_be_preset_for_something_that_was_stored(self) -> None:
        account = Account.reconstitute("a", version=5, name="x")
        assert (account.version, persisted_version(account), account.name) == (5, 5, "x")
        assert account.collect_events() == []
        account.rename("y")
        assert account.collect_events()[0].aggregate_version == 6

    @pytest.mark.parametrize("version", [-1, True, "3"])
    def test_a_version_is_a_whole_number(self, version: Any) -> None:
        with pytest.raises(ValueError, match="whole number"):
            Account.reconstitute("a", version=version)

    def test_a_repository_marks_what_is_stored(self) -> None:
        account = Account(id="a")
        mark_persisted(account, 4)
        assert (account.version, persisted_version(account)) == (4, 4)


class TestCopies:
    def test_a_copy_has_its_own_list_of_events(self) -> None:
        account = Account(id="a")
        account.rename("x")
        for other in (account.model_copy(), account.model_copy(deep=True), copy.copy(account), copy.deepcopy(account)):
            other.add_event(Renamed(name="y"))
            assert len(pending_events(other)) == 2
            assert len(pending_events(account)) == 1
            assert (other.version, account.version) == (2, 1)

    def test_pickling_keeps_everything(self) -> None:
        account = Account(id="a")
        account.rename("x")
        account._note = "noted"
        again = pickle.loads(pickle.dumps(account))
        assert again == account
        assert again._note == "noted"
        assert (again.version, len(pending_events(again))) == (1, 1)

    def test_a_captured_state_can_be_gone_back_to(self) -> None:
        class Part(ValueObject):
            values: list[int]

        class Whole(AggregateRoot[str]):
            model_config = {"extra": "allow"}
            parts: list[Part] = []
            _cache: dict[str, int] = PrivateAttr(default_factory=dict[str, int])
            _lock: Any = PrivateAttr(default_factory=threading.Lock)

        whole = Whole(id="1", parts=[Part(values=[1])], more=[1])  # type: ignore[call-arg]
        whole._cache["a"] = 1
        whole.add_event(Renamed(name="x"))
        lock, before = whole._lock, whole.model_dump()
        state = capture_state(whole)
        whole.parts[0].values.append(2)
        whole.parts.append(Part(values=[]))
        whole.more.append(2)  # type: ignore[attr-defined]
        whole._cache.clear()
        whole.add_event(Renamed(name="y"))
        whole.collect_events()
        restore_state(whole, state)
        assert whole.model_dump() == before
        assert whole._cache == {"a": 1}
        assert whole._lock is lock
        assert (whole.version, len(pending_events(whole))) == (1, 1)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "collection"),
        [
            ("Order", "orders"),
            ("OrderLine", "order_lines"),
            ("Category", "categories"),
            ("Day", "days"),
            ("Box", "boxes"),
            ("Address", "addresses"),
            ("HTTPCall", "http_calls"),
            ("Order2Item", "order2_items"),
        ],
    )
    def test_the_collection_is_the_plural_in_snake_case(self, name: str, collection: str) -> None:
        cls = type(name, (AggregateRoot[str],), {"__module__": __name__})
        assert cls.collection_name == collection
        assert cls.aggregate_type == name

    def test_a_class_can_choose_its_names_and_a_subclass_gets_its_own(self) -> None:
        class Person(AggregateRoot[str]):
            aggregate_type = "person-1"
            collection_name = "people"

        class Employee(Person): ...

        assert (Person.aggregate_type, Person.collection_name) == ("person-1", "people")
        assert (Employee.aggregate_type, Employee.collection_name) == ("Employee", "employees")
        assert aggregate_for_collection("people") is Person

    def test_a_parametrisation_is_no_aggregate(self) -> None:
        class Envelope[T](AggregateRoot[str]):
            content: T

        parametrised = Envelope[int]
        assert parametrised.collection_name == "envelopes"
        assert parametrised(id="1", content=1).version == 0
        assert aggregate_for_collection("envelopes") is Envelope

    def test_an_unknown_collection_names_what_is_near(self) -> None:
        class Warehouse(AggregateRoot[str]): ...

        with pytest.raises(CollectionError, match=r"No aggregate has the collection name 'warehuoses'.*'warehouses'"):
            aggregate_for_collection("warehuoses")
        with pytest.raises(CollectionError, match=r"Known: warehouses"):
            aggregate_for_collection("xyz", (Warehouse,))

    def test_one_collection_name_for_two_classes_is_an_error_that_names_both(self) -> None:
        one = type("Twin", (AggregateRoot[str],), {"__module__": "shop.one"})
        two = type("Twin", (AggregateRoot[str],), {"__module__": "shop.two"})
        with pytest.raises(CollectionError, match=r"'twins' belongs to shop\.one\.Twin and shop\.two\.Twin"):
            aggregate_for_collection("twins")
        assert aggregate_for_collection("twins", (two,)) is two
        assert one is not two

    def test_a_class_that_is_defined_again_replaces_the_former_one(self) -> None:
        former = type("Reloaded", (AggregateRoot[str],), {"__module__": "notebook"})
        again = type("Reloaded", (AggregateRoot[str],), {"__module__": "notebook"})
        assert aggregate_for_collection("reloadeds") is again
        assert former is not again

    def test_of_classes_that_functions_define_the_newest_counts(self) -> None:
        def define() -> type[AggregateRoot[str]]:
            class Fleeting(AggregateRoot[str]): ...

            return Fleeting

        def define_elsewhere() -> type[AggregateRoot[str]]:
            class Fleeting(AggregateRoot[str]): ...

            return Fleeting

        first, second = define(), define_elsewhere()
        assert aggregate_for_collection("fleetings") is second
        assert first is not second

    def test_a_class_that_nobody_uses_any_more_is_forgotten(self) -> None:
        def define() -> None:
            class Forgotten(AggregateRoot[str]): ...

            assert aggregate_for_collection("forgottens") is Forgotten

        define()
        gc.collect()
        assert known_collections.find("forgottens") == ()
        assert "forgottens" not in known_collections.names()

    @pytest.mark.parametrize("name", ["commit", "store", "two words", "1st", ""])
    def test_a_name_that_could_not_be_reached_is_refused_when_the_class_is_defined(self, name: str) -> None:
        with pytest.raises(CollectionError, match="Set collection_name on the class to another identifier"):
            type("Odd", (AggregateRoot[str],), {"__module__": __name__, "collection_name": name})

    def test_no_collection_can_hide_behind_an_attribute_of_a_unit_of_work(self) -> None:
        public = {name for cls in (UnitOfWork, InMemoryUnitOfWork) for name in dir(cls) if not name.startswith("_")}
        assert public <= RESERVED_COLLECTION_NAMES | {"callbacks", "closers", "scope", "seen", "touched"} | {
            name for name in public if not _could_be_a_collection(name)
        }


def _could_be_a_collection(name: str) -> bool:
    """Methods that begin with a verb and more words are no names of collections that anybody would choose."""
    return name in {"aggregates", "memory", "store", "task", "transaction", "owner", "pending_events"}


class TestSubclassing:
    def test_mixins_and_bases_add_fields(self) -> None:
        class Named(BaseModel):
            name: str = "unnamed"

        class Thing(Named, AggregateRoot[str]):
            size: int = 1

        thing = Thing(id="1")
        assert (thing.name, thing.size, thing.version) == ("unnamed", 1, 0)
        thing.add_event(Renamed(name="x"))
        assert thing.collect_events()[0].aggregate_type == "Thing"

    def test_private_attributes_and_post_init_work_as_in_any_model(self) -> None:
        class Counter(AggregateRoot[str]):
            start: int = 1
            _now: int = PrivateAttr()

            def model_post_init(self, context: Any, /) -> None:
                self._now = self.start

        assert Counter(id="1", start=5)._now == 5
        assert Counter(id="1").version == 0

    def test_an_own_init_may_add_events(self) -> None:
        class Born(AggregateRoot[str]):
            def __init__(self, **data: Any) -> None:
                super().__init__(**data)
                self.add_event(Renamed(name="born"))

        assert len(Born(id="1").collect_events()) == 1
