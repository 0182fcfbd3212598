"""Deciders: aggregates as two pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, override

from pydantic import ConfigDict, create_model

from cqrs_ddd_advanced_core.event_sourcing.aggregate import EventSourcedAggregate
from cqrs_ddd_core.cqrs.handler import CommandHandler
from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.cqrs.response import CommandResponse
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.unit_of_work import get_current_uow
from cqrs_ddd_core.primitives.exceptions import InvariantViolationError

__all__ = ["DecidedAggregate", "Decider", "DeciderCommandHandler"]


class DecidedAggregate(EventSourcedAggregate[str]):
    """What a ``Decider`` looks like to repositories and units of work: an aggregate with one field, its state."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    decider: ClassVar[Decider[Any, Any]]
    state: Any

    def decide(self, command: Any) -> Sequence[DomainEvent]:
        """Record what the decider says happens on this command, and return it."""
        decided = self.decider.run(self.state, command)
        for event in decided:
            self.add_event(event)
        return decided

    def apply_event(self, event: DomainEvent) -> None:
        self.state = self.decider.evolve(self.state, event)


class Decider[CommandT, StateT]:
    """An event-sourced aggregate as functions, instead of a class with methods.

    ``decide(command, state)`` says which events happen, or raises; ``evolve(state, event)`` says what the state is
    then, and changes nothing it was given. Neither does anything else, so both can be tested without the toolkit::

        cart = Decider(name="Cart", initial=CartState(), decide=decide, evolve=evolve)
        registry.register_command_handler(AddItem, cart.handler(lambda command: command.cart_id))

    Streams, snapshots, versions and transactions are those of every other event-sourced aggregate:
    ``cart.aggregate_cls`` is the class that repositories, ``mediator.load`` and ``uow.carts`` know.
    """

    def __init__(
        self,
        *,
        name: str,
        initial: StateT,
        decide: Callable[[CommandT, StateT], Iterable[DomainEvent]],
        evolve: Callable[[StateT, Any], StateT],
        is_terminal: Callable[[StateT], bool] | None = None,
        state_type: Any = None,
        snapshot_version: int = 1,
    ) -> None:
        """Put the functions together.

        ``name`` is the stable ``aggregate_type``, ``initial`` the state before the first event. ``is_terminal`` says
        when nothing can happen any more. ``state_type`` is the declared type of the state, for snapshots; it defaults
        to the class of ``initial`` and is needed where that is only one of several. Raise ``snapshot_version`` when
        ``evolve`` makes another state of the same events.
        """
        self.name = name
        self.initial = initial
        self._decide = decide
        self._evolve = evolve
        self._is_terminal = is_terminal
        fields: Any = {"state": (type(initial) if state_type is None else state_type, initial)}
        made: Any = create_model(name, __base__=DecidedAggregate, __module__=decide.__module__, **fields)
        made.decider = self
        made.snapshot_version = snapshot_version
        self.aggregate_cls: type[DecidedAggregate] = made
        """The class by which the rest of the toolkit knows it."""

    def run(self, state: StateT, command: CommandT) -> list[DomainEvent]:
        """The events that happen on this command in this state; ``decide`` with the question whether it is over.

        Raises ``InvariantViolationError`` in a terminal state.
        """
        if self._is_terminal is not None and self._is_terminal(state):
            raise InvariantViolationError(f"{self.name} has come to its end: {type(command).__name__} is too late.")
        return list(self._decide(command, state))

    def evolve(self, state: StateT, event: DomainEvent) -> StateT:
        """The state after one more event."""
        return self._evolve(state, event)

    def fold(self, events: Iterable[DomainEvent], state: StateT | None = None) -> StateT:
        """The state after these events, from ``state`` or from the beginning."""
        current = self.initial if state is None else state
        for event in events:
            current = self._evolve(current, event)
        return current

    def handler(self, id_of: Callable[[Any], str]) -> DeciderCommandHandler:
        """A command handler: loads by the id that ``id_of`` finds in the command, decides, and saves.

        One that has no events yet begins with the initial state. The result of the command is the new version.
        """
        return DeciderCommandHandler(self.aggregate_cls, id_of)


class DeciderCommandHandler(CommandHandler[int]):
    """Handles commands by asking a decider. Made by ``Decider.handler``."""

    def __init__(self, aggregate_cls: type[DecidedAggregate], id_of: Callable[[Any], str]) -> None:
        self._cls = aggregate_cls
        self._id_of = id_of

    @override
    async def handle(self, command: Command[int]) -> CommandResponse[int]:
        repository = get_current_uow().repository(self._cls)
        aggregate_id = self._id_of(command)
        aggregate = await repository.get(aggregate_id) or self._cls.begin(aggregate_id)
        aggregate.decide(command)
        await repository.add(aggregate)
        return CommandResponse(result=aggregate.version, events=aggregate.clear_events())
