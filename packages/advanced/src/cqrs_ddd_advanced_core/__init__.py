"""Event sourcing, snapshots, upcasting, conflict resolution, undo and redo."""

__all__: list[str] = []
