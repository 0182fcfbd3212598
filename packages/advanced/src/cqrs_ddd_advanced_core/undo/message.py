"""Undo and redo as messages: they go the way of every command and query."""

from __future__ import annotations

from typing import Literal

from cqrs_ddd_advanced_core.undo.result import UndoPreview, UndoResult
from cqrs_ddd_core.cqrs.message import Command, Query

__all__ = ["PreviewUndo", "RedoChange", "UndoChange"]


class UndoChange(Command[UndoResult]):
    """Take back what the command of this token did."""

    token_id: str
    force: bool = False
    """Although something depends on it."""
    only_this: bool = False
    """Without the other tokens of the same command."""


class RedoChange(Command[UndoResult]):
    """Do again what was taken back with this token."""

    token_id: str
    force: bool = False
    only_this: bool = False


class PreviewUndo(Query[UndoPreview]):
    """What would be done."""

    token_id: str
    step: Literal["undo", "redo"] = "undo"
    only_this: bool = False
