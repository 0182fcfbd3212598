"""New identifiers. The promise lives beside its implementations, below the domain layer that uses it."""

from cqrs_ddd_core.primitives.id_generator import IIDGenerator

__all__ = ["IIDGenerator"]
