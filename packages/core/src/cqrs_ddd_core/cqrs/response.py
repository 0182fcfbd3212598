"""What a handler gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cqrs_ddd_core.domain.event import DomainEvent

__all__ = ["CommandResponse", "QueryResponse"]


# The dataclasses write their own __init__: a generated one of a frozen class sets every field through
# object.__setattr__, and a response is made for every message.


@dataclass(frozen=True, init=False)
class CommandResponse[R]:
    """The result of a command and the events it led to.

    A handler gives ``result`` and ``events``; the mediator fills in the ids, and events that the handler left in its
    aggregates. May be subclassed with further fields.
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
        fields["correlation_id"] = correlation_id
        fields["causation_id"] = causation_id


@dataclass(frozen=True, init=False)
class QueryResponse[R]:
    """The answer to a query. The mediator fills in the ids. May be subclassed with further fields."""

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
        fields["correlation_id"] = correlation_id
        fields["causation_id"] = causation_id
