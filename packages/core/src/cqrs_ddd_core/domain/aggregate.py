"""Aggregate roots: the unit that is loaded, changed and saved as a whole."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, NamedTuple, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PrivateAttr

from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.type_name import ClassCatalogue, plural, snake_case
from cqrs_ddd_core.primitives.exceptions import CollectionError, close_matches
from cqrs_ddd_core.primitives.id_generator import IIDGenerator

__all__ = [
    "AggregateRoot",
    "AggregateState",
    "aggregate_for_collection",
    "capture_state",
    "known_collections",
    "mark_persisted",
    "pending_events",
    "persisted_version",
    "restore_state",
]

known_collections: ClassCatalogue[AggregateRoot[Any]]
"""Every aggregate class that has been defined in this process, by the name of its collection."""


class AggregateRoot[ID: (str, int, UUID)](BaseModel):
    """The root of a cluster of objects that is loaded, changed and saved as a whole.

    ``class Order(AggregateRoot[str])`` declares its state as pydantic fields. Methods check the rules, change the
    state and say what happened with ``add_event``.

    ``version`` counts what happened to the aggregate: every event adds one, and a save without events adds one. A
    save is accepted only if the stored version is still the one that was loaded.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    aggregate_type: ClassVar[str] = "AggregateRoot"
    """The stable name of this type in storage: the class name, unless a subclass sets it."""
    collection_name: ClassVar[str] = ""
    """The name of ``uow.<collection>``: the plural of the class name in snake case, unless a subclass sets it."""

    id: ID

    _version: int = PrivateAttr(default=0)
    _persisted_version: int = PrivateAttr(default=0)
    _domain_events: list[DomainEvent] = PrivateAttr(default_factory=list[DomainEvent])

    def __init__(self, /, id_generator: IIDGenerator | None = None, **data: Any) -> None:
        """Build from fields. A missing ``id`` comes from ``id_generator``; ``_version`` presets the version."""
        version = data.pop("_version", 0)
        if id_generator is not None and data.get("id") is None:
            data["id"] = id_generator.next_id()
        elif "id" not in data and self.__class__.model_fields["id"].is_required():
            raise ValueError(
                f"{self.__class__.__name__} needs an id: pass id=… or id_generator=…, or give the field a default."
            )
        super().__init__(**data)
        if version:
            self._version = self._persisted_version = version

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__pydantic_generic_metadata__["origin"] is not None:
            return  # AggregateRoot[str] itself: a parametrisation, not an aggregate
        if "aggregate_type" not in cls.__dict__:
            cls.aggregate_type = cls.__name__
        if "collection_name" not in cls.__dict__:
            cls.collection_name = plural(snake_case(cls.__name__))
        known_collections.add(cls.collection_name, cls)

    @classmethod
    def reconstitute(cls, aggregate_id: ID, *, version: int = 0, **data: Any) -> Self:
        """Rebuild from stored data, at the version it was stored with."""
        return cls(id=aggregate_id, _version=version, **data)

    @property
    def version(self) -> int:
        """The version with everything that has happened so far, saved or not; 0 for a new one without events."""
        return self._version

    def add_event(self, event: DomainEvent) -> None:
        """Record what has happened. The event gets this aggregate's id, type and next version where it has none."""
        self._version += 1
        self._domain_events.append(
            event.with_envelope(
                aggregate_id=str(self.id) if event.aggregate_id is None else event.aggregate_id,
                aggregate_type=self.aggregate_type if event.aggregate_type is None else event.aggregate_type,
                aggregate_version=self._version,
            )
        )

    def collect_events(self) -> list[DomainEvent]:
        """Take the events that have been added since the last call, oldest first."""
        events = self._domain_events
        self._domain_events = []
        return events

    def clear_events(self) -> list[DomainEvent]:
        """The same as ``collect_events``: the buffer is empty afterwards, and nothing is lost."""
        return self.collect_events()


known_collections = ClassCatalogue[AggregateRoot[Any]]()


def aggregate_for_collection(
    name: str, among: tuple[type[AggregateRoot[Any]], ...] | None = None
) -> type[AggregateRoot[Any]]:
    """The aggregate class whose collection has this name; looked for ``among`` these, else among all classes.

    Raises ``CollectionError`` when there is none, or more than one.
    """
    if among is None:
        found, names = known_collections.find(name), known_collections.names()
    else:
        found = tuple(cls for cls in among if cls.collection_name == name)
        names = tuple(cls.collection_name for cls in among)
    if len(found) == 1:
        return found[0]
    if not found:
        raise CollectionError(f"No aggregate has the collection name {name!r}.{close_matches(name, names)}")
    paths = " and ".join(f"{cls.__module__}.{cls.__qualname__}" for cls in found)
    raise CollectionError(
        f"The collection name {name!r} belongs to {paths}. Set collection_name on one of them, give the unit of work "
        "its aggregates (aggregates=[…]), or use uow.repository(TheClass)."
    )


class AggregateState(NamedTuple):
    """A copy of everything in an aggregate, to go back to."""

    fields: dict[str, Any]
    fields_set: set[str]
    private: dict[str, Any] | None


def capture_state(aggregate: AggregateRoot[Any]) -> AggregateState:
    """Copy the state deeply; events are immutable and only their list is copied."""
    private = aggregate.__pydantic_private__
    return AggregateState(
        copy.deepcopy(aggregate.__dict__),
        set(aggregate.__pydantic_fields_set__),
        None
        if private is None
        else {
            name: list(value) if name == "_domain_events" else copy.deepcopy(value) for name, value in private.items()
        },
    )


def restore_state(aggregate: AggregateRoot[Any], state: AggregateState) -> None:
    """Put an aggregate back to what ``capture_state`` copied. The copy belongs to the aggregate afterwards."""
    object.__setattr__(aggregate, "__dict__", state.fields)
    object.__setattr__(aggregate, "__pydantic_fields_set__", state.fields_set)
    object.__setattr__(aggregate, "__pydantic_private__", state.private)


def persisted_version(aggregate: AggregateRoot[Any]) -> int:
    """The version that the store has, as far as this object knows; 0 for an aggregate that was never saved."""
    return aggregate._persisted_version  # pyright: ignore[reportPrivateUsage]  # for repositories, not for users


def pending_events(aggregate: AggregateRoot[Any]) -> tuple[DomainEvent, ...]:
    """The events that ``collect_events`` would take; they stay."""
    return tuple(aggregate._domain_events)  # pyright: ignore[reportPrivateUsage]


def mark_persisted(aggregate: AggregateRoot[Any], version: int) -> None:
    """Note that the store has this object at ``version``. Called by repositories after loading and saving."""
    aggregate._version = aggregate._persisted_version = version  # pyright: ignore[reportPrivateUsage]
