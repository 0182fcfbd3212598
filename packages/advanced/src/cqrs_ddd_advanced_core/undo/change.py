"""Undoing and redoing, inside of a transaction."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import Any, Final, Literal

from cqrs_ddd_advanced_core.event_sourcing.aggregate import EventSourcedAggregate
from cqrs_ddd_advanced_core.event_sourcing.applying import event_handlers_of
from cqrs_ddd_advanced_core.event_sourcing.sourcing import id_of
from cqrs_ddd_advanced_core.undo.methods import MethodUndoPolicy
from cqrs_ddd_advanced_core.undo.policy import UndoContext, UndoPolicy, UndoStep
from cqrs_ddd_advanced_core.undo.result import Dependent, UndoPreview, UndoResult
from cqrs_ddd_advanced_core.undo.service import UndoService
from cqrs_ddd_core.cqrs.mediator import Mediator
from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.domain.aggregate import AggregateRoot, capture_state, restore_state, unsaved_events
from cqrs_ddd_core.domain.event import DomainEvent
from cqrs_ddd_core.ports.undo import UndoToken, UndoTokenStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, ensure_joined, get_current_uow
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import (
    CQRSDDDError,
    IllegalTransitionError,
    UndoError,
    UndoPolicyMissingError,
    UndoRefusedError,
    UndoTokenExpiredError,
)

__all__ = ["Step", "UndoChanges"]

type Step = Literal["undo", "redo"]

_USABLE: Final[dict[Step, frozenset[UndoTokenStatus]]] = {
    "undo": frozenset({UndoTokenStatus.AVAILABLE, UndoTokenStatus.REDONE}),
    "redo": frozenset({UndoTokenStatus.UNDONE}),
}
_POSSIBLE: Final[dict[UndoTokenStatus, tuple[str, ...]]] = {
    status: tuple(step for step, usable in _USABLE.items() if status in usable) for status in UndoTokenStatus
}
# In the metadata of tokens.
_SETTLED: Final = "settled_event_ids"
"""Events that took it back and did it again, in rounds that are over."""
_REDONE: Final = "redo_event_ids"
_UNDONE_AT: Final = "undone_at_version"


@dataclass(slots=True, kw_only=True)
class _Plan:
    """What is to be done with one token."""

    token: UndoToken
    aggregate_cls: type[AggregateRoot[Any]]
    history: tuple[DomainEvent, ...]
    later: tuple[DomainEvent, ...]
    work: list[tuple[DomainEvent, UndoPolicy[Any], Step]]
    """In order: the event, whose policy, and which of its methods."""
    dependents: list[Dependent]


@dataclass(slots=True, kw_only=True)
class _Done:
    """What was done for one token."""

    events: list[DomainEvent]
    commands: list[Command[Any]]
    version: int
    """Of the aggregate afterwards."""


class UndoChanges:
    """Undoes and redoes with the tokens of one service, in the unit of work that is open in this task."""

    def __init__(self, service: UndoService, mediator: Mediator) -> None:
        self._service = service
        self._mediator = mediator

    async def run(self, step: Step, token_id: str, *, force: bool, only_this: bool) -> UndoResult:
        """Do it. See ``UndoExecutor.undo`` for what it raises."""
        uow = get_current_uow()
        ensure_joined(self._service.repository, uow, "a token is used together with what it is used for")
        ensure_joined(self._service.event_store, uow, "undoing decides by the events of this very moment")
        # What was changed before in this transaction counts too.
        await uow.flush()
        plans = await self._plans(step, token_id, only_this=only_this)
        dependents = tuple(dependent for plan in plans for dependent in plan.dependents)
        if dependents and not force:
            raise UndoRefusedError(token_id, step, [str(dependent) for dependent in dependents])
        tokens: list[UndoToken] = []
        events: list[DomainEvent] = []
        commands: list[Command[Any]] = []
        for plan in plans:
            done = await self._carry_out(uow, plan, send=True)
            tokens.append(await self._service.repository.save(_used(plan.token, step, done)))
            events += done.events
            commands += done.commands
        return UndoResult(tokens=tuple(tokens), events=tuple(events), commands=tuple(commands), forced=dependents)

    async def preview(self, step: Step, token_id: str, *, only_this: bool) -> UndoPreview:
        """What would be done. Raises ``UndoTokenNotFoundError``; everything else that is wrong is in the answer."""
        uow = get_current_uow()
        token = await self._service.get(token_id)
        plans: list[_Plan] = []
        events: list[DomainEvent] = []
        commands: list[Command[Any]] = []
        problem: str | None = None
        states: dict[int, tuple[AggregateRoot[Any], Any]] = {}
        try:
            plans = await self._plans(step, token_id, only_this=only_this)
            for plan in plans:
                done = await self._carry_out(uow, plan, send=False, states=states)
                events += done.events
                commands += done.commands
        except CQRSDDDError as error:
            problem = str(error)
        finally:
            # The objects may be those of a command that asks before it acts.
            for aggregate, state in states.values():
                restore_state(aggregate, state)
        return UndoPreview(
            tokens=tuple(plan.token for plan in plans) or (token,),
            events=tuple(events),
            commands=tuple(commands),
            dependents=tuple(dependent for plan in plans for dependent in plan.dependents),
            problem=problem,
        )

    # ------------------------------------------------------------------ what is to be done

    async def _plans(self, step: Step, token_id: str, *, only_this: bool) -> list[_Plan]:
        tokens = await self._tokens(step, token_id, only_this=only_this)
        together = {event_id for token in tokens for event_id in token.event_ids}
        return [await self._plan(step, token, together) for token in tokens]

    async def _tokens(self, step: Step, token_id: str, *, only_this: bool) -> list[UndoToken]:
        """The token and those of the same command, in the order in which they are used."""
        asked = await self._service.get(token_id)
        if asked.status not in _USABLE[step]:
            raise IllegalTransitionError("Undo token", token_id, asked.status.value, step, _POSSIBLE[asked.status])
        tokens: Sequence[UndoToken] = [asked]
        if asked.command_id is not None and not only_this:
            found = await self._service.repository.for_command(asked.command_id)
            tokens = [token for token in found if token.status in _USABLE[step]]
        now = utc_now()
        for token in tokens:
            if token.expires_at is not None and token.expires_at <= now:
                raise UndoTokenExpiredError(token.token_id, token.expires_at.isoformat())
        return list(reversed(tokens)) if step == "undo" else list(tokens)

    async def _plan(self, step: Step, token: UndoToken, together: set[str]) -> _Plan:
        aggregate_cls = self._service.aggregate_class(token)
        others = await self._service.repository.for_aggregate(token.aggregate_type, token.aggregate_id)
        history = await self._service.history(token, since=min(other.from_version for other in (token, *others)))
        own = [event for event in history if _is_one_of(event, token.event_ids)]
        if not own:
            raise UndoError(
                f"The events of the undo token {token.token_id!r} are not in the stream of {token.aggregate_type} "
                f"{token.aggregate_id!r} any more."
            )
        # Whether a change stands is a matter of its token. The events that took it back, or did it again, say nothing
        # more: a change depends on those that were made before it, whatever became of them in between.
        neutral = together.union(*(_made_by_use(other) for other in others))
        neutral.update(id_ for other in others if _is_taken_back(other, token) for id_ in other.event_ids)
        after = token.to_version if step == "undo" else token.metadata.get(_UNDONE_AT, token.to_version)
        later = [
            event for event in history if (event.aggregate_version or 0) > after and not _is_one_of(event, neutral)
        ]
        dependents = [dependent for event in later if (dependent := self._dependent(aggregate_cls, event, own))]
        if step == "redo":
            missing = {
                id_
                for other in others
                if _is_taken_back(other, token) and other.from_version < token.from_version
                for id_ in other.event_ids
            } - together
            before = [event for event in history if _is_one_of(event, missing)]
            dependents += [dependent for event in own if (dependent := self._dependent(aggregate_cls, event, before))]
        return _Plan(
            token=token,
            aggregate_cls=aggregate_cls,
            history=tuple(event for event in history if (event.aggregate_version or 0) > token.from_version),
            later=tuple(later),
            work=self._work(step, token, aggregate_cls, own, history),
            dependents=dependents,
        )

    def _work(
        self,
        step: Step,
        token: UndoToken,
        aggregate_cls: type[AggregateRoot[Any]],
        own: Sequence[DomainEvent],
        history: Sequence[DomainEvent],
    ) -> list[tuple[DomainEvent, UndoPolicy[Any], Step]]:
        if step == "undo":
            return [(event, self._policy(aggregate_cls, event, step), "undo") for event in reversed(own)]
        policies = [self._policy(aggregate_cls, event, step) for event in own]
        if all(map(_can_redo, policies)):
            return [(event, policy, "redo") for event, policy in zip(own, policies, strict=True)]
        undoing = [event for event in history if _is_one_of(event, token.undo_event_ids)]
        if not undoing:
            first = next(event for event, policy in zip(own, policies, strict=True) if not _can_redo(policy))
            raise UndoPolicyMissingError(first.event_type, "redo", aggregate_cls.aggregate_type)
        return [(event, self._policy(aggregate_cls, event, "undo"), "undo") for event in reversed(undoing)]

    def _policy(self, aggregate_cls: type[AggregateRoot[Any]], event: DomainEvent, step: Step) -> UndoPolicy[Any]:
        policy = self._service.policy(aggregate_cls, event)
        if policy is None:
            raise UndoPolicyMissingError(event.event_type, step, aggregate_cls.aggregate_type)
        return policy

    def _dependent(
        self, aggregate_cls: type[AggregateRoot[Any]], later: DomainEvent, own: Sequence[DomainEvent]
    ) -> Dependent | None:
        for event in own:
            policy = self._service.policy(aggregate_cls, event)
            if policy is None or policy.depends_on(later, event):
                return Dependent(event=later, because_of=event)
        return None

    # ------------------------------------------------------------------ doing it

    async def _carry_out(
        self,
        uow: UnitOfWork,
        plan: _Plan,
        *,
        send: bool,
        states: dict[int, tuple[AggregateRoot[Any], Any]] | None = None,
    ) -> _Done:
        token = plan.token
        repository = uow.repository(plan.aggregate_cls)
        aggregate: AggregateRoot[Any] | None = await repository.get(id_of(plan.aggregate_cls, token.aggregate_id))
        if aggregate is not None and states is not None and id(aggregate) not in states:
            states[id(aggregate)] = (aggregate, capture_state(aggregate))
        before = token.to_version if aggregate is None else aggregate.version
        fields = None if aggregate is None else copy.deepcopy(aggregate.__dict__)
        context = UndoContext(aggregate=aggregate, token=token, history=plan.history, later=plan.later)
        commands: list[Command[Any]] = []
        for event, policy, step in plan.work:
            if step == "undo" and not await _awaited(policy.can_undo(event, context)):
                raise UndoError(f"{event.event_type} cannot be taken back now: {type(policy).__name__} says no.")
            decided = await _awaited(policy.undo(event, context) if step == "undo" else policy.redo(event, context))
            commands += await self._take_steps(event, aggregate, decided or (), send=send)
        if aggregate is None:
            return _Done(events=[], commands=commands, version=before)
        events = [event for event in unsaved_events(aggregate) if (event.aggregate_version or 0) > before]
        if send and (events or fields != aggregate.__dict__):
            await repository.add(aggregate)
        return _Done(events=events, commands=commands, version=aggregate.version)

    async def _take_steps(
        self, undone: DomainEvent, aggregate: AggregateRoot[Any] | None, steps: Sequence[UndoStep], *, send: bool
    ) -> list[Command[Any]]:
        commands: list[Command[Any]] = []
        for step in steps:
            if isinstance(step, DomainEvent):
                _record(undone, aggregate, step)
            else:
                commands.append(step)
                if send:
                    await self._mediator.send(step)
        return commands


def _record(undone: DomainEvent, aggregate: AggregateRoot[Any] | None, event: DomainEvent) -> None:
    if aggregate is None:
        raise UndoError(
            f"{event.event_type} would take back {undone.event_type}, but its aggregate is not there any more."
        )
    if isinstance(aggregate, EventSourcedAggregate):
        aggregate.add_event(event)  # pyright: ignore[reportUnknownMemberType]  # its id type does not matter
        return
    handlers = event_handlers_of(type(aggregate))
    if not handlers.has(type(event)):
        raise UndoError(
            f"{event.event_type} would take back {undone.event_type}, but {aggregate.aggregate_type} does not say what "
            f"{event.event_type} changes. Change the aggregate in the policy and return nothing, or give it a method "
            f"apply_{type(event).__name__}(self, event)."
        )
    aggregate.add_event(event)
    handlers.find(type(event))(aggregate, unsaved_events(aggregate)[-1])


def _used(token: UndoToken, step: Step, done: _Done) -> UndoToken:
    """The token after it was used."""
    ids = tuple(event.event_id for event in done.events)
    if step == "undo":
        metadata = {**token.metadata, _UNDONE_AT: done.version}
        return replace(token, status=UndoTokenStatus.UNDONE, undo_event_ids=ids, metadata=metadata)
    settled = [*token.metadata.get(_SETTLED, ()), *token.undo_event_ids, *token.metadata.get(_REDONE, ())]
    metadata = {**token.metadata, _SETTLED: settled, _REDONE: list(ids)}
    return replace(token, status=UndoTokenStatus.REDONE, undo_event_ids=(), metadata=metadata)


def _made_by_use(token: UndoToken) -> set[str]:
    """The events that took it back or did it again."""
    return {*token.undo_event_ids, *token.metadata.get(_REDONE, ()), *token.metadata.get(_SETTLED, ())}


def _is_taken_back(other: UndoToken, token: UndoToken) -> bool:
    return other.status is UndoTokenStatus.UNDONE and other.token_id != token.token_id


def _is_one_of(event: DomainEvent, event_ids: Sequence[str] | set[str]) -> bool:
    """Whether an event is one of these, or was made of one of them by an upcaster that splits."""
    if event.event_id in event_ids:
        return True
    origin, colon, number = event.event_id.rpartition(":")
    return bool(colon) and number.isdigit() and origin in event_ids


def _can_redo(policy: UndoPolicy[Any]) -> bool:
    if isinstance(policy, MethodUndoPolicy):
        return policy.can_redo
    return "redo" in {name for cls in type(policy).__mro__ if cls is not UndoPolicy for name in vars(cls)}


async def _awaited(value: Any | Awaitable[Any]) -> Any:
    return await value if isawaitable(value) else value
