"""Domain events: what has happened, as an immutable record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self, override

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from cqrs_ddd_core.domain.type_name import ClassCatalogue
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import ConfigurationError
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["ENVELOPE_FIELDS", "DomainEvent", "enrich_event_metadata", "known_event_types"]

known_event_types: ClassCatalogue[DomainEvent]
"""Every event class that has been defined in this process, by its stable name."""


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo is UTC else time.astimezone(UTC)


class DomainEvent(BaseModel):
    """Something that has happened to an aggregate. Named in the past tense, frozen, complete.

    The fields below are the envelope. ``aggregate.add_event`` fills the three of the aggregate, the mediator fills
    correlation and causation, before anything stores or publishes the event.

    Two events are equal when all fields are; the hash is that of ``event_id``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: ClassVar[str] = "DomainEvent"
    """The stable name under which events of this class are stored: the class name, unless a subclass sets it."""

    event_id: str = Field(default_factory=new_id)
    occurred_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] = Field(default_factory=utc_now)
    """In UTC. A time in another zone is converted; one without a zone is refused."""
    version: int = Field(default=1, ge=1)
    """The schema version of this event type. A new version of the class sets a new default."""
    aggregate_id: str | None = None
    aggregate_type: str | None = None
    aggregate_version: int | None = None
    """The version that the aggregate reached with this event: 1 for its first one."""
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    correlation_id: str | None = None
    causation_id: str | None = None

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "event_type" not in cls.__dict__:
            cls.event_type = cls.__name__
        known_event_types.add(cls.event_type, cls)

    def __hash__(self) -> int:
        # Payload and metadata may hold lists and dicts.
        return hash(self.event_id)

    @classmethod
    def schema_version(cls) -> int:
        """The version that new events of this class carry."""
        default = cls.__pydantic_fields__["version"].default
        if not isinstance(default, int):
            raise ConfigurationError(f"{cls.__name__}.version needs a number as its default: version: int = 2")
        return default

    def with_envelope(self, **envelope: Any) -> Self:
        """A copy with these envelope fields; the same object when nothing would change. Values are not validated."""
        values = self.__dict__
        for name, value in envelope.items():
            if values[name] != value:
                break
        else:
            return self
        # model_copy costs several times as much, and one copy is made for every event of every command.
        cls = self.__class__
        if len(values) != len(cls.__pydantic_fields__):  # what cached_property keeps may depend on the envelope
            values = {name: value for name, value in values.items() if name in cls.__pydantic_fields__}
        copy = cls.__new__(cls)
        object.__setattr__(copy, "__dict__", {**values, **envelope})
        object.__setattr__(copy, "__pydantic_fields_set__", self.__pydantic_fields_set__ | envelope.keys())
        extra, private = self.__pydantic_extra__, self.__pydantic_private__
        object.__setattr__(copy, "__pydantic_extra__", extra and dict(extra))
        object.__setattr__(copy, "__pydantic_private__", private and dict(private))
        return copy


known_event_types = ClassCatalogue[DomainEvent]()

ENVELOPE_FIELDS = frozenset(DomainEvent.model_fields)
"""The fields that every event has; the others are its payload."""


def enrich_event_metadata[EventT: DomainEvent](
    event: EventT, *, correlation_id: str | None = None, causation_id: str | None = None
) -> EventT:
    """Fill correlation and causation where they are unset; the same object when there is nothing to do."""
    envelope: dict[str, datetime | str] = {}
    if event.correlation_id is None and correlation_id is not None:
        envelope["correlation_id"] = correlation_id
    if event.causation_id is None and causation_id is not None:
        envelope["causation_id"] = causation_id
    return event.with_envelope(**envelope) if envelope else event
