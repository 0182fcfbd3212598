"""What time it is. The promise lives beside its implementation, below the domain layer that uses it."""

from cqrs_ddd_core.primitives.clock import IClock

__all__ = ["IClock"]
