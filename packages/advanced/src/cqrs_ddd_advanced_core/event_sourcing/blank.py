"""Aggregates to which nothing has happened yet."""

from __future__ import annotations

from typing import Any

from cqrs_ddd_core.domain.aggregate import AggregateRoot

__all__ = ["blank", "missing_fields"]


def blank[T: AggregateRoot[Any]](aggregate_cls: type[T], aggregate_id: Any = None) -> T:
    """An object with this id and the defaults of its class, without running ``__init__`` or validators.

    Fields without a default do not exist until an event sets them. Private attributes have their defaults;
    ``model_post_init`` of the class has not run. Raises ``ValueError`` without an id and without a default for it.
    """
    values: dict[str, Any] = {}
    for name, field in aggregate_cls.__pydantic_fields__.items():
        if name == "id" and aggregate_id is not None:
            values[name] = aggregate_id
        elif not field.is_required():
            try:
                values[name] = field.get_default(call_default_factory=True, validated_data=values)
            except KeyError:
                continue  # a default that is made from a field that is not there yet: an event has to set it
    if "id" not in values:
        raise ValueError(f"{aggregate_cls.__name__} needs an id: begin(id), or give the field a default.")
    made: Any = aggregate_cls.__new__(aggregate_cls)
    object.__setattr__(made, "__dict__", values)
    object.__setattr__(made, "__pydantic_fields_set__", {"id"})
    object.__setattr__(made, "__pydantic_extra__", {} if aggregate_cls.model_config.get("extra") == "allow" else None)
    object.__setattr__(made, "__pydantic_private__", None)
    # That of the base class: it gives all private attributes their defaults, and runs no code of the user, who may
    # count on fields that are not there yet.
    AggregateRoot.model_post_init(made, None)  # pyright: ignore[reportUnknownMemberType]  # its id type does not matter
    return made  # type: ignore[no-any-return]


def missing_fields(aggregate: AggregateRoot[Any]) -> list[str]:
    """The fields that no default and no event has set."""
    return [name for name in aggregate.__class__.__pydantic_fields__ if name not in aggregate.__dict__]
