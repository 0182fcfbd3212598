"""Taking snapshots in a task of their own."""

from __future__ import annotations

import logging
from typing import Any, override

from cqrs_ddd_advanced_core.snapshots.snapshotter import ISnapshotSource, Snapshotter
from cqrs_ddd_core.context import get_current_tenant_or_none, use_context
from cqrs_ddd_core.primitives.exceptions import ConfigurationError
from cqrs_ddd_core.worker import Worker

__all__ = ["SnapshotWorker"]

logger = logging.getLogger(__name__)


class SnapshotWorker(Worker):
    """Takes the snapshots that have become due, one after another, while the commands are long answered.

    Give it to the mediator (``snapshot_worker=…``) and run it like every worker: ``async with worker:``. An aggregate
    that is due several times before its turn is taken once. What is waiting when the process ends is forgotten, and so
    is the oldest one when more than ``max_waiting`` wait: the next commit makes an aggregate due again.
    """

    def __init__(self, *, name: str = "snapshots", max_waiting: int = 10_000, poll_interval: float = 60.0) -> None:
        super().__init__(name, poll_interval=poll_interval)
        if max_waiting < 1:
            raise ConfigurationError(f"max_waiting is a number of aggregates from 1, found {max_waiting!r}.")
        self._max_waiting = max_waiting
        self._waiting_aggregates: dict[tuple[str | None, type[Any], Any], tuple[Snapshotter, ISnapshotSource[Any]]] = {}

    @property
    def waiting(self) -> int:
        """How many aggregates are due and have not had their turn."""
        return len(self._waiting_aggregates)

    def request(self, snapshotter: Snapshotter, source: ISnapshotSource[Any], aggregate_id: Any) -> None:
        """Take a snapshot of this aggregate of the current tenant, soon."""
        if len(self._waiting_aggregates) >= self._max_waiting:
            (_, aggregate_cls, forgotten), _ = self._take_next()
            logger.warning(
                "%s: more than %d aggregates wait for a snapshot; %s %r is forgotten until its next event",
                self.name,
                self._max_waiting,
                aggregate_cls.__name__,
                forgotten,
            )
        key = (get_current_tenant_or_none(), source.aggregate_cls, aggregate_id)
        self._waiting_aggregates.setdefault(key, (snapshotter, source))
        self.trigger()

    @override
    async def work(self) -> bool:
        if not self._waiting_aggregates:
            return False
        (tenant_id, _, aggregate_id), (snapshotter, source) = self._take_next()
        with use_context(tenant_id=tenant_id):
            await snapshotter.take(source, aggregate_id)
        return bool(self._waiting_aggregates)

    def _take_next(self) -> tuple[tuple[str | None, type[Any], Any], tuple[Snapshotter, ISnapshotSource[Any]]]:
        key = next(iter(self._waiting_aggregates))
        return key, self._waiting_aggregates.pop(key)
