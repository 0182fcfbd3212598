"""All upcasters of an application, as readers of stored events apply them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cqrs_ddd_advanced_core.upcasting.chain import UpcasterChain, UpcastStep
from cqrs_ddd_advanced_core.upcasting.upcaster import EventUpcaster, UpcastContext, UpcastEvent
from cqrs_ddd_core.ports.event_store import StoredEvent
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import UpcasterConfigurationError, UpcastError

__all__ = ["UpcasterRegistry"]


class UpcasterRegistry(IUpcasterRegistry):
    """Upcasters by event type and version. Give it to the event store: every reader of the store then applies them.

    Applying it twice does no harm: what is in the newest version stays as it is.

    Two upcasters for one version, and a chain of renamed types that comes back to itself, are refused when they are
    registered; a gap in the versions is refused at the first use, because upcasters may be registered in any order.
    """

    def __init__(self, *upcasters: EventUpcaster | type[EventUpcaster]) -> None:
        self._steps: dict[str, dict[int, UpcastStep]] = {}
        self._chains: dict[str, UpcasterChain] = {}
        for upcaster in upcasters:
            self.register(upcaster)

    def register(self, upcaster: EventUpcaster | type[EventUpcaster]) -> None:
        """Add one; a class is called without arguments. Raises ``UpcasterConfigurationError``."""
        step = UpcastStep.of(upcaster() if isinstance(upcaster, type) else upcaster)
        steps = self._steps.setdefault(step.from_type, {})
        known = steps.get(step.from_version)
        if known is not None:
            raise UpcasterConfigurationError(
                step.from_type,
                f"{type(known.upcaster).__name__} and {type(step.upcaster).__name__} both go on from version "
                f"{step.from_version}. Keep one of them.",
            )
        steps[step.from_version] = step
        try:
            self._refuse_cycles(step)
        except UpcasterConfigurationError:
            del steps[step.from_version]
            if not steps:
                del self._steps[step.from_type]
            raise
        self._chains.clear()

    def chain_for(self, event_type: str) -> UpcasterChain | None:
        """The upcasters of one type; None when it has none. Raises ``UpcasterConfigurationError`` for a gap."""
        chain = self._chains.get(event_type)
        if chain is None and event_type in self._steps:
            chain = self._chains[event_type] = UpcasterChain(event_type, self._steps[event_type].values())
        return chain

    def has_upcasters(self, event_type: str) -> bool:
        return event_type in self._steps

    def registered_event_types(self) -> tuple[str, ...]:
        """The names of the types that have upcasters, sorted."""
        return tuple(sorted(self._steps))

    def check(self) -> None:
        """Raise ``UpcasterConfigurationError`` for what would be refused at the first use. For start-up and CI."""
        for event_type in self._steps:
            self.chain_for(event_type)

    def clear(self) -> None:
        self._steps.clear()
        self._chains.clear()

    def upcast(self, event: StoredEvent, /) -> Sequence[StoredEvent]:
        """The event in the newest schema version: itself, changed, or split into several.

        Of several, the first has the id of the stored one, and the others the same id with a number behind it, the
        same at every reading. Raises ``UpcastError`` when an upcaster fails, ``UpcasterConfigurationError`` for a gap.
        """
        if event.event_type not in self._steps:
            return (event,)
        events = self._upcast(event, [])
        if len(events) == 1:
            return events
        return [
            event if number == 1 else replace(event, event_id=f"{event.event_id}:{number}")
            for number, event in enumerate(events, start=1)
        ]

    def _upcast(self, event: StoredEvent, way: list[tuple[str, int]]) -> Sequence[StoredEvent]:
        chain = self.chain_for(event.event_type)
        step = None if chain is None else chain.step_from(event.schema_version)
        if step is None:
            return (event,)
        here = (event.event_type, event.schema_version)
        if here in way:
            raise UpcasterConfigurationError(event.event_type, f"they go in a circle: {_drawn([*way, here])}.")
        results: list[StoredEvent] = []
        for upcast in _apply(step, event):
            results += self._upcast(upcast, [*way, here])
        return results

    def _refuse_cycles(self, start: UpcastStep) -> None:
        way = [(start.from_type, start.from_version)]
        step: UpcastStep | None = start
        while step is not None:
            here = (step.to_type, step.to_version)
            if here in way:
                raise UpcasterConfigurationError(start.from_type, f"they go in a circle: {_drawn([*way, here])}.")
            way.append(here)
            step = self._steps.get(step.to_type, {}).get(step.to_version)


def _drawn(way: Sequence[tuple[str, int]]) -> str:
    return " → ".join(f"{event_type} v{version}" for event_type, version in way)


def _apply(step: UpcastStep, event: StoredEvent) -> list[StoredEvent]:
    """What one step makes of an event."""
    context = UpcastContext(
        event_type=event.event_type,
        schema_version=event.schema_version,
        event_id=event.event_id,
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        version=event.version,
        occurred_at=event.occurred_at,
        metadata=copy.deepcopy(event.metadata),
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        tenant_id=event.tenant_id,
    )
    try:
        made: Any = step.upcaster.upcast_in_context(copy.deepcopy(event.payload), context)
    except Exception as error:
        raise _error(step, event, f"{type(step.upcaster).__name__} raised {type(error).__name__}: {error}") from error
    if isinstance(made, Mapping):
        made = [made]
    if not isinstance(made, Sequence) or isinstance(made, str | bytes):
        raise _error(step, event, f"{_returned(step, made)}, expected a dict, or a list of several.")
    if not made:
        raise _error(
            step,
            event,
            f"{type(step.upcaster).__name__} made nothing of it, and the version that the stream reached with it would "
            "be lost. Keep the event, and let what applies it do nothing.",
        )
    return [_made(step, event, each) for each in made]  # pyright: ignore[reportUnknownVariableType]


def _made(step: UpcastStep, event: StoredEvent, made: Any) -> StoredEvent:
    if isinstance(made, UpcastEvent):
        if made.schema_version < 1 or not made.event_type:
            raise _error(step, event, f"{_returned(step, made)}, which has no type or no version from 1.")
        metadata = {**event.metadata, **made.metadata} if made.metadata else event.metadata
        return replace(
            event,
            event_type=made.event_type,
            schema_version=made.schema_version,
            payload=made.payload,
            metadata=metadata,
        )
    if isinstance(made, dict):
        return replace(event, event_type=step.to_type, schema_version=step.to_version, payload=made)
    raise _error(step, event, f"{_returned(step, made)} in its list, expected dicts or UpcastEvents.")


def _returned(step: UpcastStep, made: Any) -> str:
    return f"{type(step.upcaster).__name__} returned a {type(made).__name__}"


def _error(step: UpcastStep, event: StoredEvent, reason: str) -> UpcastError:
    where = f"{event.aggregate_type} {event.aggregate_id!r}, version {event.version}, event id {event.event_id}"
    return UpcastError(step.from_type, step.from_version, reason, where)
