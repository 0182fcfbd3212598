"""What stands around the handlers."""

from cqrs_ddd_core.middleware.registry import MiddlewareDefinition, MiddlewareRegistry

__all__ = ["MiddlewareDefinition", "MiddlewareRegistry"]
