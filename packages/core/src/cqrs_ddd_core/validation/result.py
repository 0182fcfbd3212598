"""What a validator found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["ValidationResult"]


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Errors by field (dotted path; ``__root__`` for the whole message). Truthy when there are none."""

    errors: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    @classmethod
    def success(cls) -> ValidationResult:
        return cls()

    @classmethod
    def failure(cls, errors: Mapping[str, Sequence[str]]) -> ValidationResult:
        return cls(errors)

    @property
    def is_valid(self) -> bool:
        return not self.errors

    def __bool__(self) -> bool:
        return self.is_valid

    def merge(self, other: ValidationResult) -> ValidationResult:
        """The errors of both, field by field."""
        errors = {name: list(messages) for name, messages in self.errors.items()}
        for name, messages in other.errors.items():
            errors.setdefault(name, []).extend(messages)
        return ValidationResult(errors)

    def add_error(self, name: str, message: str) -> ValidationResult:
        """A result with one more error."""
        return self.merge(ValidationResult({name: [message]}))
