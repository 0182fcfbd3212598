"""What every idempotency store promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.event_store import StoredEvent
from cqrs_ddd_core.ports.idempotency import IdempotencyRecord, IIdempotencyStore
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import (
    IdempotencyConflictError,
    ReadOnlyUnitOfWorkError,
    SerializationError,
)
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

__all__ = ["IdempotencyContract"]

_LATER: Final = timedelta(hours=1)


class IdempotencyContract(TransactionalContract):
    """One answer to one key, in one commit with what the command did.

    Give ``idempotency_store`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def idempotency_store(self) -> IIdempotencyStore:
        """The store, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture idempotency_store")

    async def test_a_key_without_an_answer_has_none(self, idempotency_store: IIdempotencyStore) -> None:
        assert await idempotency_store.find("never") is None

    async def test_an_answer_comes_back_as_it_was_saved(self, idempotency_store: IIdempotencyStore) -> None:
        moment = datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC)
        placed = StoredEvent(
            event_type="OrderPlaced",
            aggregate_type="Order",
            aggregate_id="order-1",
            payload={"total": "12.30"},
            version=4,
            schema_version=2,
            event_id="event-1",
            occurred_at=moment,
            metadata={"source": "web"},
            correlation_id="request-1",
            causation_id="command-1",
            tenant_id="acme",
            position=17,
        )
        record = IdempotencyRecord(
            key="key-1",
            message_type="PlaceOrder",
            fingerprint="sha256:0190",
            result={"order_id": "order-1"},
            response={"class": "OrderPlacedResponse", "fields": {"warnings": ["late"]}},
            events=(placed, replace(placed, event_id="event-2", position=None, version=5)),
            correlation_id="request-1",
            causation_id="command-1",
            created_at=moment,
        )
        with with_tenant_context("acme"):
            await idempotency_store.save(record)
            found = await idempotency_store.find("key-1")
        assert found is not None
        assert replace(found, events=tuple(found.events)) == replace(record, tenant_id="acme")

    async def test_a_key_has_one_answer(self, idempotency_store: IIdempotencyStore) -> None:
        await idempotency_store.save(_record("key-1", result=1))
        with pytest.raises(IdempotencyConflictError) as caught:
            await idempotency_store.save(_record("key-1", result=2))
        assert caught.value.key == "key-1"
        assert await _result(idempotency_store, "key-1") == 1
        await idempotency_store.save(_record("KEY-1", result=3))
        assert await _result(idempotency_store, "KEY-1") == 3

    async def test_tenants_have_answers_of_their_own(self, idempotency_store: IIdempotencyStore) -> None:
        for tenant_id in ("acme", "other"):
            with with_tenant_context(tenant_id):
                assert await idempotency_store.find("key-1") is None
                await idempotency_store.save(_record("key-1", result=tenant_id))
        assert await idempotency_store.find("key-1") is None
        await idempotency_store.save(_record("key-1", result="none"))
        with with_tenant_context("acme"):
            assert await _result(idempotency_store, "key-1") == "acme"

    async def test_an_answer_of_another_tenant_is_refused(self, idempotency_store: IIdempotencyStore) -> None:
        with with_tenant_context("acme"), pytest.raises(ValueError, match="other"):
            await idempotency_store.save(_record("key-1", tenant_id="other"))

    # ------------------------------------------------------------------ the unit of work

    async def test_it_says_that_it_takes_part_in_a_unit_of_work(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        self.check_joins(idempotency_store, uow_factory())

    async def test_an_answer_is_there_when_its_unit_of_work_has_committed(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await idempotency_store.save(_record("key-1", result=1))
            outside = await self.meanwhile(idempotency_store.find("key-1"))
        assert await outside is None
        assert await _result(idempotency_store, "key-1") == 1

    async def test_a_unit_of_work_finds_the_answer_that_it_has_saved(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()):
            await idempotency_store.save(_record("key-1", result=1))
            assert await _result(idempotency_store, "key-1") == 1

    async def test_an_answer_is_gone_when_its_unit_of_work_is_rolled_back(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()):
            await idempotency_store.save(_record("key-1", result=1))
        assert await idempotency_store.find("key-1") is None
        await idempotency_store.save(_record("key-1", result=2))
        assert await _result(idempotency_store, "key-1") == 2

    async def test_a_savepoint_takes_back_what_was_saved_in_it(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory() as uow:
            await idempotency_store.save(_record("key-1", result=1))
            async with undone_savepoint(uow):
                await idempotency_store.save(_record("key-2", result=2))
        assert await _result(idempotency_store, "key-1") == 1
        assert await idempotency_store.find("key-2") is None

    async def test_a_second_answer_in_one_unit_of_work_is_refused(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            await idempotency_store.save(_record("key-1", result=1))
            with pytest.raises(IdempotencyConflictError):
                await idempotency_store.save(_record("key-1", result=2))
        assert await _result(idempotency_store, "key-1") == 1

    async def test_of_two_answers_to_one_key_at_once_one_is_kept(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        (error,) = await self.race(
            uow_factory,
            lambda: idempotency_store.save(_record("key-1", result=1)),
            lambda: idempotency_store.save(_record("key-1", result=2)),
        )
        assert isinstance(error, IdempotencyConflictError)
        assert await _result(idempotency_store, "key-1") in {1, 2}

    async def test_answers_to_different_keys_do_not_disturb_each_other(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        errors = await self.race(
            uow_factory,
            lambda: idempotency_store.save(_record("key-1", result=1)),
            lambda: idempotency_store.save(_record("key-2", result=2)),
        )
        assert errors == []
        assert await _result(idempotency_store, "key-1") == 1
        assert await _result(idempotency_store, "key-2") == 2

    async def test_a_read_only_unit_of_work_saves_nothing(
        self, idempotency_store: IIdempotencyStore, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await idempotency_store.save(_record("key-1"))
        assert await idempotency_store.find("key-1") is None

    # ------------------------------------------------------------------ purge

    async def test_a_purge_forgets_what_was_answered_before(self, idempotency_store: IIdempotencyStore) -> None:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        await idempotency_store.save(_record("early", created_at=moment - timedelta(seconds=1)))
        await idempotency_store.save(_record("late", created_at=moment))
        assert await idempotency_store.purge(created_before=moment) == 1
        assert await idempotency_store.purge(created_before=moment) == 0
        assert await idempotency_store.find("early") is None
        assert await idempotency_store.find("late") is not None
        await idempotency_store.save(_record("early"))

    async def test_a_purge_forgets_answers_of_all_tenants(self, idempotency_store: IIdempotencyStore) -> None:
        await idempotency_store.save(_record("key-1"))
        for tenant_id in ("acme", "other"):
            with with_tenant_context(tenant_id):
                await idempotency_store.save(_record("key-1"))
        with with_tenant_context("third"):
            assert await idempotency_store.purge(created_before=utc_now() + _LATER) == 3

    async def test_a_purge_forgets_at_most_what_it_was_allowed_to(self, idempotency_store: IIdempotencyStore) -> None:
        for number in range(5):
            await idempotency_store.save(_record(str(number)))
        later = utc_now() + _LATER
        assert [await idempotency_store.purge(created_before=later, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    async def test_a_purge_wants_a_limit_and_a_time_zone(self, idempotency_store: IIdempotencyStore) -> None:
        with pytest.raises(ValueError, match="limit"):
            await idempotency_store.purge(created_before=utc_now(), limit=0)
        with pytest.raises(ValueError, match="time zone"):
            await idempotency_store.purge(created_before=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake

    # ------------------------------------------------------------------ data

    @pytest.mark.parametrize("result", [None, True, 0, "text", 1.5, [], {}, [1, ["two"]], EVERY_JSON_VALUE])
    async def test_every_json_value_can_be_an_answer(self, idempotency_store: IIdempotencyStore, result: Any) -> None:
        await idempotency_store.save(_record("key-1", result=result))
        found = await idempotency_store.find("key-1")
        assert found is not None
        assert found.result == result
        assert type(found.result) is type(result)

    async def test_an_answer_of_a_million_characters_is_kept(self, idempotency_store: IIdempotencyStore) -> None:
        text = "0123456789" * 100_000
        await idempotency_store.save(_record("key-1", result=text))
        assert await _result(idempotency_store, "key-1") == text

    @pytest.mark.parametrize("value", NO_JSON_VALUES)
    async def test_a_value_that_json_does_not_have_is_refused(
        self, idempotency_store: IIdempotencyStore, value: Any
    ) -> None:
        event = StoredEvent(event_type="E", aggregate_type="A", aggregate_id="1", payload={"inner": value})
        broken = ({"result": [value]}, {"response": {"inner": value}}, {"events": [event]})
        for record in (_record("key-1", **fields) for fields in broken):
            with pytest.raises(SerializationError, match="PlaceOrder"):
                await idempotency_store.save(record)
        assert await idempotency_store.find("key-1") is None

    async def test_what_is_stored_cannot_be_changed_from_outside(self, idempotency_store: IIdempotencyStore) -> None:
        event = StoredEvent(event_type="E", aggregate_type="A", aggregate_id="1", payload={"items": [1]})
        record = _record("key-1", result={"items": [1]}, response={"items": [1]}, events=[event])
        await idempotency_store.save(record)
        for _ in range(2):
            record.result["items"].append(2)
            record.response["items"].append(2)
            record.events[0].payload["items"].append(2)
            found = await idempotency_store.find("key-1")
            assert found is not None
            assert found.result == {"items": [1]}
            assert found.response == {"items": [1]}
            assert found.events[0].payload == {"items": [1]}
            record = found

    async def test_a_time_of_another_zone_comes_back_as_the_same_moment_in_utc(
        self, idempotency_store: IIdempotencyStore
    ) -> None:
        tokyo = datetime(2026, 1, 1, 9, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=9)))
        await idempotency_store.save(_record("key-1", created_at=tokyo))
        found = await idempotency_store.find("key-1")
        assert found is not None
        assert found.created_at == tokyo
        assert found.created_at.utcoffset() == timedelta(0)


def _record(key: str, **fields: Any) -> IdempotencyRecord:
    defaults: dict[str, Any] = {"message_type": "PlaceOrder", "fingerprint": "f", "result": "done"}
    return IdempotencyRecord(key=key, **{**defaults, **fields})


async def _result(store: IIdempotencyStore, key: str) -> Any:
    found = await store.find(key)
    assert found is not None
    return found.result
