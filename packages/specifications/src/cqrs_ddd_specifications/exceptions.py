"""The errors of this package, under ``SpecificationError`` of the one tree.

::

    SpecificationError                     (cqrs_ddd_core)
    ├── FieldPathError                     the path of a field is ill-formed
    ├── FieldNotFoundError                 the type has no such field
    ├── FieldNotQueryableError             the field cannot be asked in this way
    ├── SpecificationValueError            the value does not fit the operator or the field
    ├── SpecificationNotSupportedError     a backend cannot do this condition
    ├── OperatorNotFoundError              no operator is spelled like this
    ├── OperatorRegistrationError          a custom operator cannot have this name
    ├── SpecificationBuildError            the builder was left half-way
    ├── SpecificationFormatError           the dict or JSON is no specification; ``path`` says where
    └── FieldNotAllowedError               the field is none of those that may be asked
"""

from __future__ import annotations

from collections.abc import Sequence

from cqrs_ddd_core.primitives.exceptions import (
    FieldNotFoundError,
    FieldNotQueryableError,
    FieldPathError,
    SpecificationError,
    SpecificationNotSupportedError,
    SpecificationValueError,
    close_matches,
)
from cqrs_ddd_specifications.spelling import SPELLINGS

__all__ = [
    "FieldNotAllowedError",
    "FieldNotFoundError",
    "FieldNotQueryableError",
    "FieldPathError",
    "OperatorNotFoundError",
    "OperatorRegistrationError",
    "SpecificationBuildError",
    "SpecificationError",
    "SpecificationFormatError",
    "SpecificationNotSupportedError",
    "SpecificationValueError",
]


class OperatorNotFoundError(SpecificationError):
    """No operator is spelled like this."""

    def __init__(self, operator: str, known: Sequence[str] = ()) -> None:
        super().__init__(operator, known)
        self.operator, self.known = operator, tuple(known)

    def __str__(self) -> str:
        spellings = (*self.known, *(each for others in SPELLINGS.values() for each in others))
        return f"There is no operator {self.operator[:80]!r}.{close_matches(self.operator[:80], spellings)}"


class OperatorRegistrationError(SpecificationError):
    """A custom operator or a computed field cannot have this name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"{self.name!r} cannot be registered: {self.reason}."


class SpecificationBuildError(SpecificationError):
    """A group of the builder is open that should be closed, or the other way round."""


class SpecificationFormatError(SpecificationError):
    """The data is no specification. ``path`` leads to the place: ``conditions[1].op``; empty for the whole."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}." if self.path else f"{self.reason}."


class FieldNotAllowedError(SpecificationError):
    """The field is none of those that may be asked."""

    def __init__(self, field: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(field, allowed)
        self.field, self.allowed = field, tuple(allowed)

    def __str__(self) -> str:
        return f"The field {self.field[:80]!r} may not be asked.{close_matches(self.field[:80], self.allowed)}"
