"""What a handler gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cqrs_ddd_core.context import current_context
from cqrs_ddd_core.domain.event import DomainEvent

__all__ = ["CommandResponse", "QueryResponse"]


# A response is made for every message, hence the handwritten __init__: the generated one of a frozen class sets every
# field through object.__setattr__, and ids that are right from the start save the mediator a copy.


@dataclass(frozen=True, init=False)
class CommandResponse[R]:
    """The result of a command and the events it led to.

    A handler gives ``result`` and ``events``. The ids are those of the message that is being handled; the mediator
    sees to that, and adds the events that the handler left in its aggregates. May be subclassed with further fields.
    """

    result: R
    events: Sequence[DomainEvent] = ()
    success: bool = True
    correlation_id: str | None = field(default=None)
    causation_id: str | None = field(default=None)

    def __init__(
        self,
        result: R,
        events: Sequence[DomainEvent] = (),
        success: bool = True,  # noqa: FBT001, FBT002 - a field of the record
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> None:
        fields = self.__dict__
        fields["result"] = result
        fields["events"] = events
        fields["success"] = success
        context = current_context()
        fields["correlation_id"] = context.correlation_id if correlation_id is None else correlation_id
        fields["causation_id"] = context.causation_id if causation_id is None else causation_id


@dataclass(frozen=True, init=False)
class QueryResponse[R]:
    """The answer to a query, with the ids of that query. May be subclassed with further fields."""

    result: R
    success: bool = True
    correlation_id: str | None = field(default=None)
    causation_id: str | None = field(default=None)

    def __init__(
        self,
        result: R,
        success: bool = True,  # noqa: FBT001, FBT002 - a field of the record
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> None:
        fields = self.__dict__
        fields["result"] = result
        fields["success"] = success
        context = current_context()
        fields["correlation_id"] = context.correlation_id if correlation_id is None else correlation_id
        fields["causation_id"] = context.causation_id if causation_id is None else causation_id
