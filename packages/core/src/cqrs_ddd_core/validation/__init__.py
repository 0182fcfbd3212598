"""Checking messages before they are handled."""

from cqrs_ddd_core.validation.composite import CompositeValidator
from cqrs_ddd_core.validation.pydantic import PydanticValidator
from cqrs_ddd_core.validation.result import ValidationResult

__all__ = ["CompositeValidator", "PydanticValidator", "ValidationResult"]
