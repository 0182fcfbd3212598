"""Validation by the message's own pydantic model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic import ValidationError as PydanticError

from cqrs_ddd_core.validation.result import ValidationResult

__all__ = ["PydanticValidator"]


class PydanticValidator:
    """Checks the values that a message has now against its class, and those of the models in it against theirs.

    A message that was built normally has been checked already; this finds what ``model_construct``, ``model_copy``
    or a list that was changed later let through. Objects that are no pydantic models count as valid.
    """

    def __init__(self) -> None:
        self._keys: dict[type[BaseModel], Mapping[str, str | AliasPath]] = {}

    async def validate(self, message: Any, /) -> ValidationResult:
        if not isinstance(message, BaseModel):
            return ValidationResult.success()
        errors = self._check(message, "")
        return ValidationResult(errors) if errors else ValidationResult.success()

    def _check(self, model: BaseModel, place: str) -> dict[str, list[str]]:
        """What is wrong with this model and with the models in it, by dotted path."""
        errors: dict[str, list[str]] = {}
        try:
            # Inner models are taken as they are: each is checked against its own class below.
            model.__pydantic_validator__.validate_python(self._data(model))
        except PydanticError as error:
            for problem in error.errors(include_url=False, include_context=False, include_input=False):
                errors.setdefault(_path(place, problem["loc"]), []).append(problem["msg"])
        for name in type(model).model_fields:
            for inner_place, inner in _models_in(model.__dict__.get(name), f"{place}{name}"):
                for path, messages in self._check(inner, f"{inner_place}.").items():
                    known = errors.setdefault(path, [])
                    # A rule about a whole inner model was heard already, from the outer one.
                    known.extend(message for message in messages if message not in known)
        return errors

    def _data(self, model: BaseModel) -> dict[str, Any]:
        """The values under the names by which the class takes them. Cached properties stay out, extra values in."""
        cls = type(model)
        keys = self._keys.get(cls)
        if keys is None:
            keys = self._keys[cls] = _keys_of(cls)
        data: dict[str, Any] = dict(model.__pydantic_extra__ or {})
        values = model.__dict__
        for name, key in keys.items():
            if name in values:
                if isinstance(key, str):
                    data[key] = values[name]
                else:
                    _placed(data, key.path, values[name])
        return data


def _keys_of(cls: type[BaseModel]) -> Mapping[str, str | AliasPath]:
    by_name = cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name")
    keys: dict[str, str | AliasPath] = {}
    for name, field in cls.model_fields.items():
        alias = field.validation_alias
        if alias is None or by_name:
            keys[name] = name
        else:
            keys[name] = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    return keys


def _placed(inner: Any, path: Sequence[int | str], value: Any) -> Any:
    """``inner`` with a value where an alias such as ``AliasPath("address", "lines", 0)`` looks for it."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        items: list[Any] = [] if inner is None else inner
        items.extend([None] * (step + 1 - len(items)))
        items[step] = _placed(items[step], rest, value)
        return items
    fields: dict[str, Any] = {} if inner is None else inner
    fields[step] = _placed(fields.get(step), rest, value)
    return fields


def _models_in(value: Any, place: str) -> Iterator[tuple[str, BaseModel]]:
    """The models in a value, and where they are."""
    if isinstance(value, BaseModel):
        yield place, value
    elif isinstance(value, Mapping):
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _models_in(item, f"{place}.{key}")
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(cast("Collection[Any]", value)):
            yield from _models_in(item, f"{place}.{index}")


def _path(place: str, location: tuple[int | str, ...]) -> str:
    path = ".".join(map(str, location))
    return f"{place}{path}" if path else place.removesuffix(".") or "__root__"
