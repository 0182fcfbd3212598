"""Adapters that wrap an adapter of the same port and add something to it."""

from cqrs_ddd_core.adapters.decorators.caching_repository import CachingRepository

__all__ = ["CachingRepository"]
