"""The building blocks of a domain model. Nothing in here knows about storage, transport or handlers."""

from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.domain.archivable import ArchivableMixin
from cqrs_ddd_core.domain.auditable import AuditableMixin
from cqrs_ddd_core.domain.condition import Condition, ConditionVisitor, SpecificationOperator
from cqrs_ddd_core.domain.entity import Entity
from cqrs_ddd_core.domain.event import DomainEvent, enrich_event_metadata
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.domain.spatial import Geometry, GeometryType, SpatialMixin
from cqrs_ddd_core.domain.specification import (
    AndSpecification,
    ISpecification,
    NotSpecification,
    OrSpecification,
    PredicateSpecification,
    Specification,
)
from cqrs_ddd_core.domain.state import register_state_type
from cqrs_ddd_core.domain.value_object import ValueObject

__all__ = [
    "AggregateRoot",
    "AndSpecification",
    "ArchivableMixin",
    "AuditableMixin",
    "Condition",
    "ConditionVisitor",
    "DomainEvent",
    "Entity",
    "EventTypeRegistry",
    "Geometry",
    "GeometryType",
    "ISpecification",
    "NotSpecification",
    "OrSpecification",
    "PredicateSpecification",
    "SpatialMixin",
    "Specification",
    "SpecificationOperator",
    "ValueObject",
    "enrich_event_metadata",
    "register_state_type",
]
