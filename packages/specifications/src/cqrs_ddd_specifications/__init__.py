"""Specifications: rules as objects that are built, combined, evaluated in memory and compiled by databases."""

from cqrs_ddd_core.domain.condition import Condition, ConditionVisitor, SpecificationOperator
from cqrs_ddd_core.domain.specification import (
    AndSpecification,
    ISpecification,
    NotSpecification,
    OrSpecification,
    PredicateSpecification,
    Specification,
)
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_specifications.attribute import AttributeSpecification
from cqrs_ddd_specifications.builder import SpecificationBuilder
from cqrs_ddd_specifications.exceptions import (
    FieldNotAllowedError,
    FieldNotFoundError,
    FieldNotQueryableError,
    FieldPathError,
    OperatorNotFoundError,
    OperatorRegistrationError,
    SpecificationBuildError,
    SpecificationError,
    SpecificationFormatError,
    SpecificationNotSupportedError,
    SpecificationValueError,
)
from cqrs_ddd_specifications.factory import SpecificationFactory
from cqrs_ddd_specifications.registry import CustomOperator, OperatorRegistry, default_registry
from cqrs_ddd_specifications.spelling import SPELLINGS

__all__ = [
    "SPELLINGS",
    "AndSpecification",
    "AttributeSpecification",
    "Condition",
    "ConditionVisitor",
    "CustomOperator",
    "FieldNotAllowedError",
    "FieldNotFoundError",
    "FieldNotQueryableError",
    "FieldPathError",
    "ISpecification",
    "NotSpecification",
    "OperatorNotFoundError",
    "OperatorRegistrationError",
    "OperatorRegistry",
    "OrSpecification",
    "PredicateSpecification",
    "QueryOptions",
    "Specification",
    "SpecificationBuildError",
    "SpecificationBuilder",
    "SpecificationError",
    "SpecificationFactory",
    "SpecificationFormatError",
    "SpecificationNotSupportedError",
    "SpecificationOperator",
    "SpecificationValueError",
    "default_registry",
]
