"""What everything else stands on: errors, identifiers, the clock, names of lockable things."""

from cqrs_ddd_core.primitives.clock import IClock, SystemClock, get_clock, set_clock, use_clock, utc_now
from cqrs_ddd_core.primitives.exceptions import *  # noqa: F403 - the tree names its own members
from cqrs_ddd_core.primitives.exceptions import __all__ as _exceptions
from cqrs_ddd_core.primitives.id_generator import (
    IIDGenerator,
    UUID4Generator,
    UUID7Generator,
    get_id_generator,
    new_id,
    set_id_generator,
    use_id_generator,
    uuid7,
)
from cqrs_ddd_core.primitives.locking import LockMode, ResourceIdentifier

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    "IClock",
    "IIDGenerator",
    "LockMode",
    "ResourceIdentifier",
    "SystemClock",
    "UUID4Generator",
    "UUID7Generator",
    "get_clock",
    "get_id_generator",
    "new_id",
    "set_clock",
    "set_id_generator",
    "use_clock",
    "use_id_generator",
    "utc_now",
    "uuid7",
]
__all__ += _exceptions
