"""Specifications from dicts and JSON, such as clients send them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from cqrs_ddd_core.domain.condition_value import shown
from cqrs_ddd_core.domain.specification import AndSpecification, NotSpecification, OrSpecification, Specification
from cqrs_ddd_core.primitives.exceptions import SpecificationError, close_matches
from cqrs_ddd_specifications.attribute import AttributeSpecification
from cqrs_ddd_specifications.exceptions import FieldNotAllowedError, SpecificationFormatError
from cqrs_ddd_specifications.plain_value import from_plain
from cqrs_ddd_specifications.registry import OperatorRegistry

__all__ = ["SpecificationFactory"]

_DEEPEST: Final = 32
_MOST: Final = 1000
_GROUP_KEYS: Final = frozenset({"op", "conditions", "condition"})
_LEAF_KEYS: Final = frozenset({"op", "operator", "attr", "field", "val", "value", "value_type"})


class SpecificationFactory:
    """Reads what ``to_dict`` writes, and what people write by hand.

    A group is ``{"op": "and", "conditions": […]}`` with ``and``, ``or`` or ``not``; ``not`` may have one
    ``"condition"``. A condition is ``{"op": ">", "attr": "total", "val": 100}``; ``operator``, ``field`` and ``value``
    say the same, and ``"value_type": "decimal"`` gives the type of a value that JSON has as text. Operators are taken
    in any spelling. Groups are nested at most 32 deep, and there are at most 1,000 conditions.
    """

    @staticmethod
    def from_dict(
        data: Mapping[str, Any],
        *,
        allowed_fields: Collection[str] | None = None,
        registry: OperatorRegistry | None = None,
    ) -> Specification[Any]:
        """The specification that ``data`` describes.

        With ``allowed_fields`` only these paths may be asked; ``"metadata.*"`` allows everything below ``metadata``.
        Raises ``SpecificationFormatError``, ``FieldNotAllowedError``, ``OperatorNotFoundError``, ``FieldPathError``
        or ``SpecificationValueError``: the first problem of those that ``validate`` lists.
        """
        reader = _Reader(allowed_fields, registry)
        specification = reader.read(data, "", 0)
        reader.finish()
        if reader.problems:
            raise reader.problems[0]
        assert specification is not None
        return specification

    @staticmethod
    def from_json(
        text: str | bytes,
        *,
        allowed_fields: Collection[str] | None = None,
        registry: OperatorRegistry | None = None,
    ) -> Specification[Any]:
        """The same of JSON text."""
        try:
            data = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise SpecificationFormatError("", f"This is no JSON: {error}") from None
        return SpecificationFactory.from_dict(data, allowed_fields=allowed_fields, registry=registry)

    @staticmethod
    def validate(
        data: Mapping[str, Any],
        *,
        allowed_fields: Collection[str] | None = None,
        registry: OperatorRegistry | None = None,
    ) -> list[SpecificationError]:
        """Everything that is wrong with ``data``, in order; empty when ``from_dict`` takes it."""
        reader = _Reader(allowed_fields, registry)
        reader.read(data, "", 0)
        reader.finish()
        return reader.problems


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


class _Reader:
    """Reads on after a problem, so that all of them can be told at once."""

    def __init__(self, allowed_fields: Collection[str] | None, registry: OperatorRegistry | None) -> None:
        self._allowed = None if allowed_fields is None else frozenset(allowed_fields)
        self._registry = registry
        self._count = 0
        self.problems: list[SpecificationError] = []

    def read(self, data: Any, path: str, depth: int) -> Specification[Any] | None:
        """The specification, or None when ``problems`` say why there is none."""
        self._count += 1
        if self._count > _MOST:
            return None  # this is said once, at the end
        try:
            return self._specification(data, path, depth)
        except SpecificationError as error:
            if not isinstance(error, SpecificationFormatError):
                error.add_note(f"It stands at {path.removeprefix('.') or 'the top'}.")
            self.problems.append(error)
            return None

    def finish(self) -> None:
        """Add what can be said only of the whole."""
        if self._count > _MOST:
            self.problems.append(SpecificationFormatError("", f"There are more than {_MOST} conditions and groups"))

    def _specification(self, data: Any, path: str, depth: int) -> Specification[Any]:
        if not isinstance(data, Mapping):
            raise _problem(path, f"a condition or group is an object, found {shown(data)}")
        if depth > _DEEPEST:
            raise _problem(path, f"groups are nested at most {_DEEPEST} deep")
        plain: Mapping[Any, Any] = data  # pyright: ignore[reportUnknownVariableType]
        op: object = plain.get("op", plain.get("operator"))
        if not isinstance(op, str):
            raise _problem(f"{path}.op", f"an operator or 'and', 'or', 'not' is wanted, found {shown(op)}")
        if op.strip().lower() in {"and", "or", "not"}:
            return self._group(op.strip().lower(), plain, path, depth)
        return self._leaf(op, plain, path)

    def _group(self, op: str, data: Mapping[Any, Any], path: str, depth: int) -> Specification[Any]:
        self._check_keys(data, _GROUP_KEYS, path)
        if "condition" in data:
            read = [self.read(data["condition"], f"{path}.condition", depth + 1)]
        else:
            conditions: object = data.get("conditions")
            if not isinstance(conditions, list):
                raise _problem(f"{path}.conditions", f"{op} wants a list of conditions, found {shown(conditions)}")
            several = cast("list[object]", conditions)
            read = [self.read(each, f"{path}.conditions[{index}]", depth + 1) for index, each in enumerate(several)]
        if op == "not" and not read:
            raise _problem(f"{path}.conditions", "not wants a condition")
        parts = [part for part in read if part is not None]
        if op == "or":
            return OrSpecification(*parts)
        if op == "and":
            return AndSpecification(*parts)
        return NotSpecification(parts[0] if len(parts) == 1 else AndSpecification(*parts))

    def _leaf(self, op: str, data: Mapping[Any, Any], path: str) -> Specification[Any]:
        self._check_keys(data, _LEAF_KEYS, path)
        attr: object = data.get("attr", data.get("field"))
        if not isinstance(attr, str):
            raise _problem(f"{path}.attr", f"the path of a field is wanted, found {shown(attr)}")
        if not self._is_allowed(attr):
            raise FieldNotAllowedError(attr, sorted(self._allowed or ()))
        value, value_type = data.get("val", data.get("value")), data.get("value_type")
        if value_type is not None:
            try:
                value = from_plain(value, value_type)
            except ValueError as error:
                raise _problem(f"{path}.val", str(error)) from None
        return AttributeSpecification(attr, op, value, registry=self._registry)

    def _is_allowed(self, attr: str) -> bool:
        if self._allowed is None or attr in self._allowed:
            return True
        steps = attr.split(".")
        return any(".".join([*steps[:length], "*"]) in self._allowed for length in range(1, len(steps)))

    def _check_keys(self, data: Mapping[Any, Any], known: frozenset[str], path: str) -> None:
        for key in data:
            if key not in known:
                near = close_matches(str(key)[:80], known).rstrip(".")
                self.problems.append(_problem(path, f"the key {shown(key)} is not known.{near}"))


def _problem(path: str, reason: str) -> SpecificationFormatError:
    return SpecificationFormatError(path.removeprefix("."), reason)
