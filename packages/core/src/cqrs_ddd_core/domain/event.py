"""Domain events: what has happened, as an immutable record."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cqrs_ddd_core.domain.type_name import ClassCatalogue
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["ENVELOPE_FIELDS", "DomainEvent", "enrich_event_metadata", "known_event_types"]

known_event_types: ClassCatalogue[DomainEvent]
"""Every event class that has been defined in this process, by its stable name."""


class DomainEvent(BaseModel):
    """Something that has happened to an aggregate. Named in the past tense, frozen, complete.

    The fields below are the envelope. ``aggregate.add_event`` fills the three of the aggregate, the mediator fills
    correlation and causation, before anything stores or publishes the event.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_type: ClassVar[str] = "DomainEvent"
    """The stable name under which events of this class are stored: the class name, unless a subclass sets it."""

    event_id: str = Field(default_factory=new_id)
    occurred_at: AwareDatetime = Field(default_factory=utc_now)
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
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "event_type" not in cls.__dict__:
            cls.event_type = cls.__name__
        known_event_types.add(cls.event_type, cls)

    @classmethod
    def schema_version(cls) -> int:
        """The version that new events of this class carry."""
        return int(cls.model_fields["version"].default)

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
        copy = cls.__new__(cls)
        object.__setattr__(copy, "__dict__", {**values, **envelope})
        object.__setattr__(copy, "__pydantic_fields_set__", self.__pydantic_fields_set__ | envelope.keys())
        object.__setattr__(copy, "__pydantic_extra__", None)
        object.__setattr__(copy, "__pydantic_private__", self.__pydantic_private__)
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
