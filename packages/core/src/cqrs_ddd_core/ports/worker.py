"""Things that run until they are stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

__all__ = ["IBackgroundWorker"]


@runtime_checkable
class IBackgroundWorker(Protocol):
    """A relay, a projection, a scheduler: one loop with a name."""

    @property
    def name(self) -> str:
        """For logs, task names and health checks."""
        ...

    @property
    def last_heartbeat(self) -> datetime | None:
        """When it last went round its loop; None before the first time."""
        ...

    @property
    def is_running(self) -> bool: ...

    async def start(self) -> None:
        """Run in a task of its own. Does nothing when it runs already."""
        ...

    async def run(self) -> None:
        """Run in the caller's task until ``stop``. Cancelled, it settles what it has in hand, then lets go."""
        ...

    async def stop(self) -> None:
        """Finish what it has in hand, then return. Does nothing when it does not run."""
        ...
