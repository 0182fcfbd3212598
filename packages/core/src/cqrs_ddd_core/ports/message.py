"""A message on its way: one envelope for outbox, brokers and consumers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = ["MessageEnvelope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEnvelope:
    """What travels: the payload as JSON values, and everything a receiver needs to know about it."""

    message_type: str
    """The stable name of the event or command class."""
    payload: Mapping[str, Any]
    message_id: str = field(default_factory=new_id)
    """The same for every delivery and redelivery: what receivers recognise repetitions by."""
    schema_version: int = 1
    key: str | None = None
    """Messages of one key are delivered in order; usually the aggregate's id."""
    occurred_at: datetime = field(default_factory=utc_now)
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    aggregate_version: int | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    tenant_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Everything else that travels as text, such as ``traceparent``. Names are lower case."""
    topic: str | None = None
    """Where it was published, on the receiving side."""
    attempt: int = 1
    """Which delivery this is, from 1, on the receiving side."""
