"""The way in: events from other processes."""

from cqrs_ddd_core.cqrs.consumers.event_consumer import BaseEventConsumer, current_envelope

__all__ = ["BaseEventConsumer", "current_envelope"]
