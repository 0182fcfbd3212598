"""Events that were stored long ago, in the shape that the code of today knows."""

from cqrs_ddd_advanced_core.upcasting.chain import UpcasterChain, UpcastStep
from cqrs_ddd_advanced_core.upcasting.reader import UpcastingEventReader
from cqrs_ddd_advanced_core.upcasting.registry import UpcasterRegistry
from cqrs_ddd_advanced_core.upcasting.upcaster import EventUpcaster, UpcastContext, UpcastEvent

__all__ = [
    "EventUpcaster",
    "UpcastContext",
    "UpcastEvent",
    "UpcastStep",
    "UpcasterChain",
    "UpcasterRegistry",
    "UpcastingEventReader",
]
