"""The outbox: messages are written with the state, and relayed to a broker afterwards."""

from cqrs_ddd_core.cqrs.outbox.buffered import BufferedOutbox
from cqrs_ddd_core.cqrs.outbox.service import OutboxService, RelayedBatch
from cqrs_ddd_core.cqrs.outbox.writing import save_events

__all__ = ["BufferedOutbox", "OutboxService", "RelayedBatch", "save_events"]
