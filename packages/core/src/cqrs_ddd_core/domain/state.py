"""The state of an aggregate as JSON data, and back: what document stores keep.

``dump_state`` writes the fields of the class and nothing else; ``load_state`` gives back an equal object. Both are
exact: what could not come back the same is refused when it is stored, with the class, the field and the reason.

- Fields with a declared type are plain JSON. Where nothing is declared (``list[dict]``, ``Any``, unions), values that
  JSON does not have carry a tag with a stable name; so do objects of a subclass of the declared class. Names are
  looked up among the classes that are known (see ``state_types``), never imported.
- Times with a zone are stored in UTC with six digits, so that texts sort as times do; durations are whole
  microseconds; decimals, UUIDs and dates are text; bytes are base64; sets are sorted lists.
- Loading runs neither ``__init__`` nor validators: what the object had is what it gets, and code that belongs to the
  making of a new aggregate does not run again. A field that the data lacks gets its default; a field that the class
  lacks is an error.
- Private attributes are not part of the state. After loading they have their defaults, and ``model_post_init`` has
  run: derive there what can be derived. Events are not state either.
- ``exclude=True``, aliases and custom serialisers are about presentation and are not asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cqrs_ddd_core.domain.aggregate import AggregateRoot, mark_persisted
from cqrs_ddd_core.domain.state_codec import TYPE_TAG, plan_of
from cqrs_ddd_core.domain.state_scalar import StateProblem
from cqrs_ddd_core.domain.state_types import register_state_type, subclasses_of
from cqrs_ddd_core.primitives.exceptions import InvalidPayloadError, UnknownTypeError, UnstorableStateError

__all__ = ["dump_state", "load_state", "register_state_type"]


def dump_state(aggregate: AggregateRoot[Any], declared: type[AggregateRoot[Any]] | None = None) -> dict[str, Any]:
    """The state as JSON data that shares nothing with the aggregate; its version is kept beside it.

    ``declared`` is the class that a repository keeps: an object of a subclass of it is tagged with its
    ``aggregate_type``. Raises ``UnstorableStateError``.
    """
    cls = aggregate.__class__
    try:
        data = plan_of(cls).dump(aggregate, cls)
    except StateProblem as problem:
        raise UnstorableStateError(cls.aggregate_type, "".join(problem.path).lstrip("."), problem.reason) from None
    except RecursionError:
        raise UnstorableStateError(cls.aggregate_type, "", "it contains itself, or is nested too deeply") from None
    if declared is not None and declared is not cls:
        found = _class_named(cls.aggregate_type, declared)
        if found is not cls:
            raise UnstorableStateError(
                cls.aggregate_type,
                "",
                f"its aggregate_type would come back as {found.__qualname__}: give it another one",
            )
        data[TYPE_TAG] = cls.aggregate_type
    return data


def load_state[T: AggregateRoot[Any]](cls: type[T], data: Mapping[str, Any], version: int = 0) -> T:
    """The aggregate that ``dump_state`` wrote, at the version it was stored with.

    Raises ``InvalidPayloadError`` when the data does not fit, ``UnknownTypeError`` for an unknown subclass.
    """
    name = data.get(TYPE_TAG)
    if name is not None:
        cls = _class_named(name, cls)
        data = {key: value for key, value in data.items() if key != TYPE_TAG}
    try:
        aggregate: T = plan_of(cls).load(data, cls)
    except StateProblem as problem:
        field = "".join(problem.path).lstrip(".")
        raise InvalidPayloadError(
            "aggregate",
            cls.aggregate_type,
            f"{field}: {problem.reason}" if field else problem.reason,
            f"id {data.get('id')!r}",
        ) from problem.__cause__
    # What model_post_init recorded belongs to a new aggregate: the past of this one is in the store already.
    aggregate.collect_events()
    mark_persisted(aggregate, version)
    return aggregate


def _class_named[T: AggregateRoot[Any]](name: str, declared: type[T]) -> type[T]:
    if declared.aggregate_type == name:
        return declared
    found = [cls for cls in subclasses_of(declared) if issubclass(cls, declared) and cls.aggregate_type == name]
    if not found:
        known = sorted({declared.aggregate_type, *(cls.aggregate_type for cls in subclasses_of(declared))})
        raise UnknownTypeError("aggregate", name, known)
    return found[-1]
