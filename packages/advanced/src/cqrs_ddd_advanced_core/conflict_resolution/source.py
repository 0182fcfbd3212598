"""What merging needs to know of a command."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

from cqrs_ddd_advanced_core.conflict_resolution.resolution import Resolution
from cqrs_ddd_advanced_core.conflict_resolution.values import NO_BASE

__all__ = ["IConflictSource"]


class IConflictSource[CommandT](Protocol):
    """Knows the states that a command is about: what is stored, what it wants, and what it began from.

    Derive from it to have the defaults. States are mappings, models, dataclasses, or what the strategy takes.
    """

    @abstractmethod
    async def fetch_latest_state(self, command: CommandT, /) -> Any:
        """What is stored now, read anew."""
        ...

    @abstractmethod
    def get_incoming_state(self, command: CommandT, /) -> Any:
        """What the command wants to be stored: all of it, or the fields that it sets."""
        ...

    @abstractmethod
    def update_command(self, command: CommandT, merged: Any, /) -> CommandT:
        """A command that stores the merged state, and counts on the version that was read for it."""
        ...

    async def fetch_base_state(self, command: CommandT, /) -> Any:
        """What the sender of the command had before it changed something; ``NO_BASE`` when nobody knows."""
        return NO_BASE

    async def on_conflict_resolved(self, command: CommandT, resolution: Resolution, /) -> None:
        """Called after each merge, before the command is tried again, with the new command. Does nothing."""
