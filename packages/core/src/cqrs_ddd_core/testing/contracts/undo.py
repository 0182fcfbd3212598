"""What every repository of undo tokens promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.undo import IUndoTokenRepository, UndoToken, UndoTokenStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.testing.adapter_contract import undone
from cqrs_ddd_core.testing.contracts._versioned_record import RecordAccess, VersionedRecordSuite

__all__ = ["UndoTokenContract"]


class UndoTokenContract(VersionedRecordSuite[UndoToken]):
    """Tokens are kept with their state and found by what they belong to.

    Give ``undo_tokens`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def undo_tokens(self) -> IUndoTokenRepository:
        """The repository, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture undo_tokens")

    @pytest.fixture
    def records(self, undo_tokens: IUndoTokenRepository) -> RecordAccess[UndoToken]:
        return RecordAccess(
            store=undo_tokens,
            make=_complete,
            change=lambda token: replace(
                token, status=UndoTokenStatus.REDONE, undo_event_ids=("event-9",), expires_at=None, metadata={"n": 1}
            ),
            add=undo_tokens.add,
            get=undo_tokens.get,
            save=undo_tokens.save,
            json_field="metadata",
            time_fields=("expires_at", "created_at"),
            set_when_saved=("updated_at",),
        )

    async def test_saving_says_when(self, undo_tokens: IUndoTokenRepository) -> None:
        saved = await undo_tokens.save(await undo_tokens.add(_complete("a")))
        assert abs(saved.updated_at - utc_now()) < timedelta(minutes=1)
        assert saved.created_at == _complete("a").created_at

    async def test_a_token_is_used_once(
        self, undo_tokens: IUndoTokenRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        """Two who undo at once read the same token; the version lets one of them through."""
        token = await undo_tokens.add(_token("a"))
        used = replace(token, status=UndoTokenStatus.UNDONE)
        errors = await self.race(uow_factory, lambda: undo_tokens.save(used), lambda: undo_tokens.save(used))
        assert len(errors) == 1

    # ------------------------------------------------------------------ lists

    async def test_the_tokens_of_an_aggregate_are_found_the_newest_first(
        self, undo_tokens: IUndoTokenRepository
    ) -> None:
        for number in (1, 3, 2):
            created_at = datetime(2025, 1, number, tzinfo=UTC)
            await undo_tokens.add(_token(str(number), aggregate_id="order-1", created_at=created_at))
        await undo_tokens.add(_token("other id", aggregate_id="order-2"))
        await undo_tokens.add(_token("other type", aggregate_id="order-1", aggregate_type="Invoice"))
        assert _ids(await undo_tokens.for_aggregate("Order", "order-1")) == ["3", "2", "1"]
        assert list(await undo_tokens.for_aggregate("Order", "order-3")) == []

    async def test_the_tokens_of_a_command_are_found_in_order_of_creation(
        self, undo_tokens: IUndoTokenRepository
    ) -> None:
        for number in (1, 3, 2):
            created_at = datetime(2025, 1, number, tzinfo=UTC)
            await undo_tokens.add(
                _token(str(number), command_id="command-1", aggregate_id=f"order-{number}", created_at=created_at)
            )
        await undo_tokens.add(_token("other", command_id="command-2"))
        await undo_tokens.add(_token("none", command_id=None))
        assert _ids(await undo_tokens.for_command("command-1")) == ["1", "2", "3"]
        assert list(await undo_tokens.for_command("command-3")) == []

    async def test_what_is_found_is_what_was_saved(self, undo_tokens: IUndoTokenRepository) -> None:
        added = await undo_tokens.add(replace(_complete("a"), command_id="command-1"))
        saved = await undo_tokens.save(replace(added, status=UndoTokenStatus.UNDONE))
        assert list(await undo_tokens.for_aggregate(saved.aggregate_type, saved.aggregate_id)) == [saved]
        assert list(await undo_tokens.for_command("command-1")) == [saved]

    async def test_what_is_found_is_that_of_the_tenant(self, undo_tokens: IUndoTokenRepository) -> None:
        with with_tenant_context("acme"):
            await undo_tokens.add(_token("a", aggregate_id="order-1", command_id="command-1"))
        assert list(await undo_tokens.for_aggregate("Order", "order-1")) == []
        assert list(await undo_tokens.for_command("command-1")) == []
        with with_tenant_context("acme"):
            assert _ids(await undo_tokens.for_aggregate("Order", "order-1")) == ["a"]
            assert _ids(await undo_tokens.for_command("command-1")) == ["a"]

    async def test_what_was_added_in_the_unit_of_work_is_found(
        self, undo_tokens: IUndoTokenRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()):
            await undo_tokens.add(_token("a", aggregate_id="order-1"))
            assert _ids(await undo_tokens.for_aggregate("Order", "order-1")) == ["a"]
        assert list(await undo_tokens.for_aggregate("Order", "order-1")) == []

    # ------------------------------------------------------------------ purge

    async def test_a_purge_removes_what_has_expired_in_all_tenants(self, undo_tokens: IUndoTokenRepository) -> None:
        moment = datetime(2025, 1, 1, tzinfo=UTC)
        with with_tenant_context("acme"):
            await undo_tokens.add(_token("expired", expires_at=moment - timedelta(microseconds=1)))
            await undo_tokens.add(_token("used", expires_at=moment - self.instant, status=UndoTokenStatus.UNDONE))
        await undo_tokens.add(_token("later", expires_at=moment + timedelta(days=1)))
        await undo_tokens.add(_token("never", expires_at=None))
        assert await undo_tokens.purge(expired_before=moment) == 2
        assert await undo_tokens.purge(expired_before=moment) == 0
        assert await undo_tokens.get("later") is not None
        assert await undo_tokens.get("never") is not None
        with with_tenant_context("acme"):
            assert await undo_tokens.get("expired") is None
            assert await undo_tokens.get("used") is None

    async def test_a_purge_removes_at_most_what_it_was_allowed_to(self, undo_tokens: IUndoTokenRepository) -> None:
        moment = datetime(2025, 1, 1, tzinfo=UTC)
        for number in range(5):
            await undo_tokens.add(_token(str(number), expires_at=moment))
        later = moment + timedelta(days=1)
        counts = [await undo_tokens.purge(expired_before=later, limit=2) for _ in range(4)]
        assert counts == [2, 2, 1, 0]

    async def test_a_purge_belongs_to_the_unit_of_work(
        self, undo_tokens: IUndoTokenRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await undo_tokens.add(_token("a", expires_at=datetime(2025, 1, 1, tzinfo=UTC)))
        async with undone(uow_factory()):
            assert await undo_tokens.purge(expired_before=utc_now()) == 1
        assert await undo_tokens.get("a") is not None


def _token(token_id: str, **fields: Any) -> UndoToken:
    given: dict[str, Any] = {
        "aggregate_type": "Order",
        "aggregate_id": f"aggregate of {token_id}",
        "event_ids": ("event-1",),
        "from_version": 0,
        "to_version": 1,
    }
    return UndoToken(token_id=token_id, **{**given, **fields})


def _complete(token_id: str) -> UndoToken:
    moment = datetime(2025, 3, 4, 5, 6, 7, 891_234, tzinfo=UTC)
    return UndoToken(
        token_id=token_id,
        aggregate_type="Order",
        aggregate_id="order-1",
        event_ids=("event-1", "event-2"),
        from_version=3,
        to_version=5,
        status=UndoTokenStatus.UNDONE,
        command_id="command-1",
        expires_at=moment + timedelta(days=1),
        undo_event_ids=("event-3",),
        created_at=moment,
        updated_at=moment + timedelta(microseconds=1),
        metadata={"by": "ada"},
    )


def _ids(tokens: Sequence[UndoToken]) -> list[str]:
    return [token.token_id for token in tokens]
