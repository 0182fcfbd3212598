"""Checking messages before they are handled."""

from cqrs_ddd_core.validation.result import ValidationResult

__all__ = ["ValidationResult"]
