"""Between events as objects and events as they are stored and sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from cqrs_ddd_core.context import get_current_tenant_or_none
from cqrs_ddd_core.domain.event import ENVELOPE_FIELDS, DomainEvent
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.ports.event_store import StoredEvent
from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import EventStoreError, InvalidPayloadError

__all__ = ["METADATA_HEADER", "EventSerializer"]

_EXCLUDED = set(ENVELOPE_FIELDS)

METADATA_HEADER = "event-metadata"
"""The header in which the metadata of an event travels, as JSON: headers are text, metadata need not be."""


def _payload(event: DomainEvent) -> dict[str, Any]:
    # serialize_as_any: a field that holds a subclass keeps the fields of the subclass.
    return event.model_dump(mode="json", exclude=_EXCLUDED, serialize_as_any=True)


class EventSerializer:
    """Turns events into records and back. Unknown and unreadable data is an error that names it."""

    def __init__(
        self, registry: EventTypeRegistry | None = None, upcaster_registry: IUpcasterRegistry | None = None
    ) -> None:
        self.registry = EventTypeRegistry() if registry is None else registry
        self._upcasters = upcaster_registry

    def to_stored(self, event: DomainEvent) -> StoredEvent:
        """For the event store. Raises ``EventStoreError`` for an event that belongs to no aggregate."""
        if event.aggregate_id is None or event.aggregate_type is None:
            missing = "aggregate_id" if event.aggregate_id is None else "aggregate_type"
            raise EventStoreError(
                f"{event.event_type} {event.event_id} has no {missing}, so it belongs to no stream. "
                "Record it with aggregate.add_event(…), or set it."
            )
        return StoredEvent(
            event_type=event.event_type,
            aggregate_type=event.aggregate_type,
            aggregate_id=event.aggregate_id,
            payload=_payload(event),
            version=event.aggregate_version or 0,
            schema_version=event.version,
            event_id=event.event_id,
            occurred_at=event.occurred_at,
            metadata=dict(event.metadata),
            correlation_id=event.correlation_id,
            causation_id=event.causation_id,
            tenant_id=get_current_tenant_or_none(),
        )

    def to_envelope(self, event: DomainEvent) -> MessageEnvelope:
        """For outbox and brokers. The aggregate's id is the key; metadata that is text can be read in the headers too.

        Raises ``InvalidPayloadError`` for metadata that JSON does not have.
        """
        return MessageEnvelope(
            message_type=event.event_type,
            payload=_payload(event),
            message_id=event.event_id,
            schema_version=event.version,
            key=event.aggregate_id,
            occurred_at=event.occurred_at,
            aggregate_type=event.aggregate_type,
            aggregate_id=event.aggregate_id,
            aggregate_version=event.aggregate_version,
            correlation_id=event.correlation_id,
            causation_id=event.causation_id,
            tenant_id=get_current_tenant_or_none(),
            headers=_headers(event) if event.metadata else {},
        )

    def from_stored(self, stored: StoredEvent) -> DomainEvent:
        """An event of the class that has this name and schema version. Raises ``SerializationError``."""
        return self.registry.hydrate(
            stored.event_type,
            {
                **stored.payload,
                "event_id": stored.event_id,
                "occurred_at": stored.occurred_at,
                "version": stored.schema_version,
                "aggregate_id": stored.aggregate_id,
                "aggregate_type": stored.aggregate_type,
                "aggregate_version": stored.version or None,
                "metadata": stored.metadata,
                "correlation_id": stored.correlation_id,
                "causation_id": stored.causation_id,
            },
            version=stored.schema_version,
        )

    def from_stored_upcast(self, stored: StoredEvent) -> Sequence[DomainEvent]:
        """The events that a stored one stands for today. The same as ``from_stored`` without upcasters."""
        if self._upcasters is None:
            return (self.from_stored(stored),)
        return tuple(self.from_stored(event) for event in self._upcasters.upcast(stored))

    def from_envelope(self, envelope: MessageEnvelope) -> DomainEvent:
        """An event from a received message. Raises ``SerializationError``."""
        return self.registry.hydrate(
            envelope.message_type,
            {
                **envelope.payload,
                "event_id": envelope.message_id,
                "occurred_at": envelope.occurred_at,
                "version": envelope.schema_version,
                "aggregate_id": envelope.aggregate_id,
                "aggregate_type": envelope.aggregate_type,
                "aggregate_version": envelope.aggregate_version,
                "metadata": _metadata(envelope),
                "correlation_id": envelope.correlation_id,
                "causation_id": envelope.causation_id,
            },
            version=envelope.schema_version,
        )


def _headers(event: DomainEvent) -> dict[str, str]:
    try:
        metadata = json.dumps(event.metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidPayloadError("event", event.event_type, f"metadata is not JSON: {error}") from error
    headers = {name.lower(): value for name, value in event.metadata.items() if isinstance(value, str)}
    return {**headers, METADATA_HEADER: metadata}


def _metadata(envelope: MessageEnvelope) -> Any:
    text = envelope.headers.get(METADATA_HEADER)
    if text is None:
        return {}
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidPayloadError(
            "event", envelope.message_type, f"header {METADATA_HEADER} is not JSON: {error}", envelope.message_id
        ) from error
