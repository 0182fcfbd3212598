"""Stored events as a test: what was once written must be readable by the code of today."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from cqrs_ddd_advanced_core.event_sourcing.aggregate import EventSourcedAggregate
from cqrs_ddd_advanced_core.event_sourcing.blank import blank
from cqrs_ddd_advanced_core.event_sourcing.replay import Replay, hydrate
from cqrs_ddd_advanced_core.event_sourcing.sourcing import id_of
from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.domain.aggregate import AggregateRoot, known_collections
from cqrs_ddd_core.domain.event_registry import EventTypeRegistry
from cqrs_ddd_core.ports.event_store import IEventStore, StoredEvent
from cqrs_ddd_core.ports.upcaster import IUpcasterRegistry
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, CQRSDDDError, SerializationError

__all__ = ["Corpus", "CorpusProblem", "CorpusReport", "check_corpus"]

_FORMAT: Final = "cqrs-ddd-corpus-1"


class _Stream(NamedTuple):
    tenant_id: str | None
    aggregate_type: str
    aggregate_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Whole streams of stored events, as they were stored: a sample to be kept beside the tests.

    Take it from an event store that has no upcasters, or what they made of the events is all that is seen.
    """

    streams: tuple[tuple[StoredEvent, ...], ...]
    """Each from its first event on, in order of version."""

    @classmethod
    async def sample(cls, event_store: IEventStore, *, streams_per_kind: int = 1) -> Corpus:
        """The first streams in which each event type occurs in each schema version, of all tenants.

        Reads the whole log once. ``streams_per_kind`` is how many streams are wanted for each of them.
        """
        wanted: dict[_Stream, None] = {}
        found: Counter[tuple[str, int]] = Counter()
        position = 0
        while batch := await event_store.read_all(position):
            for event in batch:
                kind = (event.event_type, event.schema_version)
                stream = _Stream(event.tenant_id, event.aggregate_type, event.aggregate_id)
                if found[kind] < streams_per_kind and stream not in wanted:
                    wanted[stream] = None
                    # The rest of the stream counts too, whatever it holds.
                    found.update({(each.event_type, each.schema_version) for each in await _read(event_store, stream)})
            position = batch[-1].position or position + 1
        return cls(streams=tuple([await _read(event_store, stream) for stream in wanted]))

    @property
    def kinds(self) -> Mapping[tuple[str, int], int]:
        """How many events there are of each type and schema version."""
        return Counter((event.event_type, event.schema_version) for stream in self.streams for event in stream)

    def save(self, path: Path) -> None:
        """Write it as JSON, sorted and indented, so that changes can be read."""
        data = {"format": _FORMAT, "streams": [[_as_json(event) for event in stream] for stream in self.streams]}
        path.write_text(json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Corpus:
        """Read what ``save`` wrote. Raises ``SerializationError`` for something else."""
        try:
            data: Any = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != _FORMAT:
                raise SerializationError(f"{path} has the format {data['format']!r}, expected {_FORMAT!r}.")
            return cls(streams=tuple(tuple(_from_json(event) for event in stream) for stream in data["streams"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SerializationError(f"{path} is no corpus of events: {error!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusProblem:
    """One stream that the code of today cannot read or fold."""

    aggregate_type: str
    aggregate_id: str
    tenant_id: str | None
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusReport:
    """What became of a corpus."""

    kinds: Mapping[tuple[str, int], int]
    """How many events of each stored type and schema version were read."""
    folded: Mapping[str, int]
    """How many streams of each aggregate type were folded into aggregates."""
    only_read: Mapping[str, int]
    """How many streams were read and not folded, because their aggregates are not event-sourced."""
    problems: Sequence[CorpusProblem]

    def raise_for_problems(self) -> None:
        """Raise ``SerializationError`` that names every problem; nothing when there are none."""
        if self.problems:
            problems = "\n".join(f"- {problem}" for problem in self.problems)
            raise SerializationError(f"{len(self.problems)} stored streams cannot be read any more:\n{problems}")


async def check_corpus(
    corpus: Corpus,
    *,
    aggregates: Iterable[type[AggregateRoot[Any]]] | None = None,
    event_registry: EventTypeRegistry | None = None,
    upcaster_registry: IUpcasterRegistry | None = None,
) -> CorpusReport:
    """Upcast, read and fold every stream, as loading would.

    For continuous integration::

        report = await check_corpus(Corpus.load(PATH), upcaster_registry=upcasters)
        report.raise_for_problems()

    ``aggregates`` are the event-sourced classes; all subclasses of ``EventSourcedAggregate`` when it is left out.
    """
    classes = _by_name(aggregates)
    serializer = EventSerializer(event_registry)
    folded: Counter[str] = Counter()
    only_read: Counter[str] = Counter()
    problems: list[CorpusProblem] = []
    for stream in corpus.streams:
        if not stream:
            continue
        aggregate_type = stream[0].aggregate_type
        try:
            if await _fold(stream, classes.get(aggregate_type), serializer, upcaster_registry):
                folded[aggregate_type] += 1
            else:
                only_read[aggregate_type] += 1
        except (CQRSDDDError, ValueError) as error:
            problems.append(
                CorpusProblem(
                    aggregate_type=aggregate_type,
                    aggregate_id=stream[0].aggregate_id,
                    tenant_id=stream[0].tenant_id,
                    reason=f"{aggregate_type} {stream[0].aggregate_id!r}: {error}",
                )
            )
    return CorpusReport(kinds=corpus.kinds, folded=folded, only_read=only_read, problems=tuple(problems))


async def _fold(
    stream: Sequence[StoredEvent],
    aggregate_cls: type[AggregateRoot[Any]] | None,
    serializer: EventSerializer,
    upcasters: IUpcasterRegistry | None,
) -> bool:
    """Whether there was a class to fold into."""
    events = hydrate(stream, serializer, upcasters)
    if aggregate_cls is None:
        return False
    replay = Replay(blank(aggregate_cls, id_of(aggregate_cls, stream[0].aggregate_id)))
    for event in events:
        replay.apply_event(event, event.aggregate_version or 0)
    await replay.finish(validate=True)
    return True


def _by_name(aggregates: Iterable[type[AggregateRoot[Any]]] | None) -> dict[str, type[AggregateRoot[Any]]]:
    if aggregates is None:
        aggregates = [each for each in known_collections if issubclass(each, EventSourcedAggregate)]
    classes: dict[str, type[AggregateRoot[Any]]] = {}
    for aggregate_cls in aggregates:
        if classes.setdefault(aggregate_cls.aggregate_type, aggregate_cls) is not aggregate_cls:
            raise ConfigurationError(
                f"Several classes have the aggregate_type {aggregate_cls.aggregate_type!r}: name the right ones with "
                "check_corpus(…, aggregates=[…])."
            )
    return classes


async def _read(event_store: IEventStore, stream: _Stream) -> tuple[StoredEvent, ...]:
    with use_context(tenant_id=stream.tenant_id):
        return tuple(await event_store.read_stream(stream.aggregate_type, stream.aggregate_id))


def _as_json(event: StoredEvent) -> dict[str, Any]:
    return {**dataclasses.asdict(event), "occurred_at": event.occurred_at.isoformat()}


def _from_json(data: dict[str, Any]) -> StoredEvent:
    fields: dict[str, Any] = {**data, "occurred_at": datetime.fromisoformat(data["occurred_at"])}
    return StoredEvent(**fields)
