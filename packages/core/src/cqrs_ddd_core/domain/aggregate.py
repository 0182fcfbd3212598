"""Aggregate roots: the unit that is loaded, changed and saved as a whole."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, NamedTuple, Self, override
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from cqrs_ddd_core.context import current_context
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.domain.type_name import ClassCatalogue, plural, snake_case
from cqrs_ddd_core.primitives.exceptions import CollectionError, close_matches
from cqrs_ddd_core.primitives.id_generator import IIDGenerator

__all__ = [
    "RESERVED_COLLECTION_NAMES",
    "AggregateRoot",
    "AggregateState",
    "aggregate_for_collection",
    "capture_state",
    "known_collections",
    "mark_persisted",
    "mark_removed",
    "mark_written",
    "pending_events",
    "persisted_version",
    "restore_state",
    "unsaved_events",
    "withdraw_last_event",
]

known_collections: ClassCatalogue[AggregateRoot[Any]]
"""Every aggregate class that has been defined in this process, by the name of its collection."""


RESERVED_COLLECTION_NAMES = frozenset(
    {
        "activate",
        "aggregate_stores",
        "aggregates",
        "ambient",
        "begun",
        "check_open",
        "closed",
        "collect_events",
        "commit",
        "complete",
        "deactivate",
        "flush",
        "has_seen",
        "is_removed",
        "kept_event_ids",
        "known",
        "memory",
        "on_commit",
        "owner",
        "pending_events",
        "provide_store",
        "read_only",
        "remove",
        "repository",
        "rollback",
        "run_commit_callbacks",
        "save",
        "savepoint",
        "see",
        "store",
        "task",
        "transaction",
        "transaction_on",
    }
)
"""What ``uow.<name>`` means already: no collection can have one of these names."""


class AggregateRoot[ID: (str, int, UUID)](BaseModel):
    """The root of a cluster of objects that is loaded, changed and saved as a whole.

    ``class Order(AggregateRoot[str])`` declares its state as pydantic fields. Methods check the rules, change the
    state and say what happened with ``add_event``.

    ``version`` counts what happened to the aggregate: every event adds one, and a save without events adds one. A
    save is accepted only if the stored version is still the one that was loaded.

    The fields are the state. Private attributes (``_name``) are not: they are never stored, have their defaults after
    loading, and belong into ``model_post_init`` where they can be derived from fields. ``id`` never changes.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    aggregate_type: ClassVar[str] = "AggregateRoot"
    """The stable name of this type in storage: the class name, unless a subclass sets it."""
    collection_name: ClassVar[str] = ""
    """The name of ``uow.<collection>``: the plural of the class name in snake case, unless a subclass sets it."""

    id: ID = Field(frozen=True)

    _version: int = PrivateAttr(default=0)
    _persisted_version: int = PrivateAttr(default=0)
    _domain_events: list[DomainEvent] = PrivateAttr(default_factory=list[DomainEvent])
    # Not emptied by collect_events: a store that keeps the aggregate as its events writes them when it is saved.
    _unsaved_events: list[DomainEvent] = PrivateAttr(default_factory=list[DomainEvent])

    def __init__(self, /, id_generator: IIDGenerator | None = None, **data: Any) -> None:
        """Build from fields. A missing ``id`` comes from ``id_generator``; ``_version`` presets the version."""
        version = data.pop("_version", 0)
        if id_generator is not None and data.get("id") is None:
            data["id"] = id_generator.next_id()
        elif "id" not in data:
            field = self.__class__.__pydantic_fields__["id"]
            if field.is_required() and field.validation_alias is None:
                raise ValueError(
                    f"{self.__class__.__name__} needs an id: pass id=… or id_generator=…, or give the field a default."
                )
        super().__init__(**data)
        if version:
            if isinstance(version, bool) or not isinstance(version, int) or version < 0:
                raise ValueError(f"A version is a whole number from 0, found {version!r}.")
            self._version = self._persisted_version = version

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__pydantic_generic_metadata__["origin"] is not None:
            return  # AggregateRoot[str] itself: a parametrisation, not an aggregate
        if "aggregate_type" not in cls.__dict__:
            cls.aggregate_type = cls.__name__
        if "collection_name" not in cls.__dict__:
            cls.collection_name = plural(snake_case(cls.__name__))
        if cls.collection_name in RESERVED_COLLECTION_NAMES or not cls.collection_name.isidentifier():
            raise CollectionError(
                f"{cls.__qualname__} cannot have the collection name {cls.collection_name!r}: "
                f"uow.{cls.collection_name} would not be its repository. "
                "Set collection_name on the class to another identifier."
            )
        known_collections.add(cls.collection_name, cls)

    @classmethod
    def reconstitute(cls, aggregate_id: ID, *, version: int = 0, **data: Any) -> Self:
        """Rebuild from stored data, at the version it was stored with."""
        return cls(id=aggregate_id, _version=version, **data)

    @property
    def version(self) -> int:
        """The version with everything that has happened so far, saved or not; 0 for a new one without events."""
        return self.__pydantic_private__["_version"]  # type: ignore[index, no-any-return]  # three times as fast

    def add_event(self, event: DomainEvent) -> None:
        """Record what has happened. The event gets the next version of this aggregate.

        Where it has none yet it gets the aggregate's id and type, and correlation and causation of the current work.
        """
        private: Any = self.__pydantic_private__
        private["_version"] = version = private["_version"] + 1
        context = current_context()
        event = event.with_envelope(
            aggregate_id=str(self.id) if event.aggregate_id is None else event.aggregate_id,
            aggregate_type=self.aggregate_type if event.aggregate_type is None else event.aggregate_type,
            aggregate_version=version,
            correlation_id=context[0] if event.correlation_id is None else event.correlation_id,
            causation_id=context[1] if event.causation_id is None else event.causation_id,
        )
        private["_domain_events"].append(event)
        private["_unsaved_events"].append(event)

    @override
    def __copy__(self) -> Self:
        # pydantic shares the values of private attributes between copies: an event would be added to both.
        copied = super().__copy__()
        copied._domain_events = list(self._domain_events)
        copied._unsaved_events = list(self._unsaved_events)
        return copied

    def collect_events(self) -> list[DomainEvent]:
        """Take the events that have been added since the last call, oldest first."""
        private: Any = self.__pydantic_private__
        events: list[DomainEvent] = private["_domain_events"]
        private["_domain_events"] = []
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


_EVENT_LISTS = frozenset({"_domain_events", "_unsaved_events"})


class AggregateState(NamedTuple):
    """A copy of everything in an aggregate, to go back to."""

    fields: dict[str, Any]
    fields_set: set[str]
    extra: dict[str, Any] | None
    private: dict[str, Any]


def capture_state(aggregate: AggregateRoot[Any]) -> AggregateState:
    """Copy the state deeply; events are immutable and only their list is copied.

    What a private attribute holds and Python cannot copy (a lock, a client) stays the same object: it is no state.
    """
    memo: dict[int, Any] = {}
    private = aggregate.__pydantic_private__ or {}
    return AggregateState(
        copy.deepcopy(vars(aggregate), memo),
        set(aggregate.__pydantic_fields_set__),
        copy.deepcopy(aggregate.__pydantic_extra__, memo),
        {
            name: list(value) if name in _EVENT_LISTS else _copied_if_possible(value, memo)
            for name, value in private.items()
        },
    )


def _copied_if_possible(value: Any, memo: dict[int, Any]) -> Any:
    if value.__class__ in {int, str, bool, type(None)}:
        return value
    try:
        return copy.deepcopy(value, memo)
    except (TypeError, NotImplementedError):  # "cannot pickle …" is how Python says that it cannot copy
        return value


def restore_state(aggregate: AggregateRoot[Any], state: AggregateState) -> None:
    """Put an aggregate back to what ``capture_state`` copied. The copy belongs to the aggregate afterwards."""
    object.__setattr__(aggregate, "__dict__", state.fields)
    object.__setattr__(aggregate, "__pydantic_fields_set__", state.fields_set)
    object.__setattr__(aggregate, "__pydantic_extra__", state.extra)
    object.__setattr__(aggregate, "__pydantic_private__", state.private)


# Reading and writing private attributes by name goes through several layers of pydantic; the functions below are called
# for every aggregate of every command.


def persisted_version(aggregate: AggregateRoot[Any]) -> int:
    """The version that the store has, as far as this object knows; 0 for an aggregate that was never saved."""
    return aggregate.__pydantic_private__["_persisted_version"]  # type: ignore[index, no-any-return]


def pending_events(aggregate: AggregateRoot[Any]) -> tuple[DomainEvent, ...]:
    """The events that ``collect_events`` would take; they stay."""
    return tuple(aggregate.__pydantic_private__["_domain_events"])  # type: ignore[index]


def unsaved_events(aggregate: AggregateRoot[Any]) -> tuple[DomainEvent, ...]:
    """The events since the last commit, oldest first, whether or not somebody has collected them."""
    return tuple(aggregate.__pydantic_private__["_unsaved_events"])  # type: ignore[index]


def withdraw_last_event(aggregate: AggregateRoot[Any]) -> None:
    """Undo the last ``add_event``, directly after it: the event was not recorded after all."""
    private: Any = aggregate.__pydantic_private__
    private["_version"] -= 1
    private["_domain_events"].pop()
    private["_unsaved_events"].pop()


def mark_persisted(aggregate: AggregateRoot[Any], version: int) -> None:
    """Note that the store has this object at ``version``; 0 for none. Called after loading and saving."""
    private: Any = aggregate.__pydantic_private__
    private["_version"] = private["_persisted_version"] = version
    if private["_unsaved_events"]:
        private["_unsaved_events"] = []


def mark_written(aggregate: AggregateRoot[Any], version: int) -> None:
    """Note that the next event counts on from ``version``, which is not committed yet."""
    private: Any = aggregate.__pydantic_private__
    private["_version"] = version


def mark_removed(aggregate: AggregateRoot[Any]) -> None:
    """Note that the store does not have this object any more: added again, it is a new one."""
    private: Any = aggregate.__pydantic_private__
    private["_persisted_version"] = 0
