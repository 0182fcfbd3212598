"""Taking back what commands did, and doing it again."""

from cqrs_ddd_advanced_core.undo.executor import UndoExecutor
from cqrs_ddd_advanced_core.undo.message import PreviewUndo, RedoChange, UndoChange
from cqrs_ddd_advanced_core.undo.methods import redoes, undoes
from cqrs_ddd_advanced_core.undo.policy import UndoContext, UndoPolicy, UndoPolicyRegistry
from cqrs_ddd_advanced_core.undo.result import Dependent, UndoPreview, UndoResult
from cqrs_ddd_advanced_core.undo.service import UndoService

__all__ = [
    "Dependent",
    "PreviewUndo",
    "RedoChange",
    "UndoChange",
    "UndoContext",
    "UndoExecutor",
    "UndoPolicy",
    "UndoPolicyRegistry",
    "UndoPreview",
    "UndoResult",
    "UndoService",
    "redoes",
    "undoes",
]
