"""Aggregates whose state comes from their events and from nothing else."""

from __future__ import annotations

from typing import Any, ClassVar, Self, override
from uuid import UUID

from pydantic import PrivateAttr

from cqrs_ddd_advanced_core.event_sourcing.applying import event_handlers_of
from cqrs_ddd_advanced_core.event_sourcing.blank import blank
from cqrs_ddd_core.domain.aggregate import AggregateRoot, unsaved_events, withdraw_last_event
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.primitives.exceptions import InvalidEventHandlerError, UnrecordedChangeError
from cqrs_ddd_core.primitives.id_generator import IIDGenerator

__all__ = ["EventSourcedAggregate"]


class EventSourcedAggregate[ID: (str, int, UUID)](AggregateRoot[ID]):
    """An aggregate that decides and records; methods that apply events change its state.

    ::

        class Account(EventSourcedAggregate[str]):
            owner: str
            balance: int = 0

            @classmethod
            def open(cls, account_id: str, owner: str) -> Self:
                account = cls.begin(account_id)
                account.add_event(AccountOpened(owner=owner))
                return account

            def withdraw(self, amount: int) -> None:
                if amount > self.balance:
                    raise ValueError("There is not enough.")
                self.add_event(Withdrawn(amount=amount))

            def apply_AccountOpened(self, event: AccountOpened) -> None:
                self.owner = event.owner

            def apply_Withdrawn(self, event: Withdrawn) -> None:
                self.balance -= event.amount

    ``add_event`` records the event and applies it, now and at every loading. Setting a field anywhere else is refused
    (``UnrecordedChangeError``): the change would be gone after loading. Methods that apply events decide nothing, do
    not fail, and look at nothing but the aggregate and the event.
    """

    event_types: ClassVar[tuple[type[DomainEvent], ...]] = ()
    """The events that it must be able to apply, where you want that checked before the first one."""
    strict_event_handlers: ClassVar[bool] = False
    """Whether each of ``event_types`` needs a method of its own, so that ``apply_event`` alone is not enough."""
    snapshot_version: ClassVar[int] = 1
    """Raise it when the same events lead to another state than before: snapshots of older versions are then ignored."""

    _applying: bool = PrivateAttr(default=False)

    @classmethod
    def begin(cls, aggregate_id: ID | None = None, *, id_generator: IIDGenerator | None = None) -> Self:
        """A new one to which nothing has happened yet. Its first event sets the fields that have no default.

        Until then these fields do not exist. Without an id it takes one from ``id_generator`` or from the field's
        default. The fields are checked when it is saved.
        """
        if aggregate_id is None and id_generator is not None:
            aggregate_id = id_generator.next_id()  # type: ignore[assignment]  # a generator that fits the class
        return blank(cls, aggregate_id)

    @override
    def add_event(self, event: DomainEvent) -> None:
        """Record what has happened, and apply it. When applying fails, it is not recorded.

        Raises ``MissingEventHandlerError`` for an event that the aggregate cannot apply.
        """
        private: Any = self.__pydantic_private__
        if private["_applying"]:
            raise InvalidEventHandlerError(
                self.aggregate_type,
                "add_event",
                f"{event.__class__.__name__} was recorded while another event was applied, and would be recorded again "
                "at every loading. Record both in the method that decides.",
            )
        apply = event_handlers_of(self.__class__).find(event.__class__)
        super().add_event(event)
        private["_applying"] = True
        try:
            apply(self, unsaved_events(self)[-1])
        except BaseException:
            withdraw_last_event(self)
            raise
        finally:
            private["_applying"] = False

    @override
    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name in self.__pydantic_fields__ and not self._may_change():
            raise UnrecordedChangeError(
                self.aggregate_type,
                self.id,
                f"{name} was set outside of a method that applies an event, and would be gone after loading. "
                "Record an event with add_event, and set it in apply_….",
            )
        super().__setattr__(name, value)

    def _may_change(self) -> bool:
        private: Any = self.__pydantic_private__
        return private is None or private["_applying"]  # None: it is still being made
