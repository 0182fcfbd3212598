"""What was once stored is a test: every type and version must still load and fold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cqrs_ddd_advanced_core.event_sourcing import Corpus, EventSourcedAggregate, check_corpus
from cqrs_ddd_advanced_core.upcasting import EventUpcaster, UpcasterRegistry
from cqrs_ddd_core import DomainEvent, InMemoryStore
from cqrs_ddd_core.adapters.memory import InMemoryEventStore
from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports import StoredEvent
from cqrs_ddd_core.primitives.exceptions import ConfigurationError, SerializationError


class KiteFlown(DomainEvent):
    version: int = 2
    metres: int


class KiteLost(DomainEvent):
    pass


class KiteSold(DomainEvent):
    pass


class Kite(EventSourcedAggregate[str]):
    metres: int

    def apply_kite_flown(self, event: KiteFlown) -> None:
        self.metres = event.metres

    def apply_kite_lost(self, event: KiteLost) -> None: ...


class KiteFlownInFeet(EventUpcaster):
    supported_type = "KiteFlown"
    from_version = 1

    def upcast(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"metres": round(payload["feet"] * 0.3048)}


UPCASTERS = UpcasterRegistry(KiteFlownInFeet)


def _stored(event_type: str, schema_version: int = 1, aggregate_type: str = "Kite", **payload: Any) -> StoredEvent:
    return StoredEvent(
        event_type=event_type,
        aggregate_type=aggregate_type,
        aggregate_id="k",
        schema_version=schema_version,
        payload=payload,
    )


@pytest.fixture
async def event_store() -> InMemoryEventStore:
    event_store = InMemoryEventStore(InMemoryStore())
    await event_store.append([_stored("KiteFlown", feet=100), _stored("KiteFlown", feet=200)], expected_version=0)
    with with_tenant_context("acme"):
        await event_store.append(
            [_stored("KiteFlown", feet=1), _stored("KiteLost"), _stored("KiteFlown", 2, metres=3)], expected_version=0
        )
        await event_store.append([_stored("KiteSold", aggregate_type="Shop")], expected_version=0)
    with with_tenant_context("umbrella"):
        await event_store.append([_stored("KiteFlown", feet=1)], expected_version=0)
    return event_store


async def test_a_sample_has_whole_streams_and_every_type_and_version(event_store: InMemoryEventStore) -> None:
    corpus = await Corpus.sample(event_store)
    assert corpus.kinds == {("KiteFlown", 1): 3, ("KiteLost", 1): 1, ("KiteFlown", 2): 1, ("KiteSold", 1): 1}
    assert [(stream[0].tenant_id, len(stream)) for stream in corpus.streams] == [(None, 2), ("acme", 3), ("acme", 1)]
    more = await Corpus.sample(event_store, streams_per_kind=3)
    assert [stream[0].tenant_id for stream in more.streams] == [None, "acme", "acme", "umbrella"]


async def test_a_sample_is_kept_in_a_file(event_store: InMemoryEventStore, tmp_path: Path) -> None:
    corpus = await Corpus.sample(event_store)
    corpus.save(tmp_path / "corpus.json")
    assert Corpus.load(tmp_path / "corpus.json") == corpus


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other", "streams": []}', '{"format": 1}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "corpus.json").write_text(text)
    with pytest.raises(SerializationError, match=r"corpus\.json"):
        Corpus.load(tmp_path / "corpus.json")


async def test_what_can_be_read_and_folded_is_counted(event_store: InMemoryEventStore) -> None:
    corpus = await Corpus.sample(event_store)
    report = await check_corpus(corpus, aggregates=[Kite], upcaster_registry=UPCASTERS)
    report.raise_for_problems()
    assert (report.folded, report.only_read, report.problems) == ({"Kite": 2}, {"Shop": 1}, ())
    assert report.kinds == corpus.kinds


async def test_without_classes_all_event_sourced_ones_are_meant(event_store: InMemoryEventStore) -> None:
    sample = await Corpus.sample(event_store)
    corpus = Corpus(streams=tuple(stream for stream in sample.streams if stream[0].aggregate_type == "Kite"))
    report = await check_corpus(corpus, upcaster_registry=UPCASTERS)
    assert report.folded == {"Kite": 2}


async def test_every_problem_is_named(event_store: InMemoryEventStore) -> None:
    corpus = await Corpus.sample(event_store)
    corpus = Corpus(
        streams=(
            *corpus.streams,
            (_stored("KiteStolen", aggregate_type="Shop"),),
            (_stored("KiteLost"),),
            (),
            (_stored("KiteFlown", 2, metres="far"),),
        )
    )
    report = await check_corpus(corpus, aggregates=[Kite])
    reasons = [str(problem) for problem in report.problems]
    assert len(reasons) == 5
    for part in ("schema version 1", "KiteStolen", "no event has set metres", "'KiteFlown'", "Shop 'k'"):
        assert any(part in reason for reason in reasons), part
    with pytest.raises(SerializationError, match="5 stored streams cannot be read any more"):
        report.raise_for_problems()


async def test_two_classes_of_one_name_have_to_be_settled() -> None:
    other = type("Kite", (Kite,), {"__module__": __name__ + ".other"})
    with pytest.raises(ConfigurationError, match="name the right ones"):
        await check_corpus(Corpus(streams=()), aggregates=[Kite, other])
