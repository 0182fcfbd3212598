"""What every inbox promises."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.ports.inbox import IInbox
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OptimisticConcurrencyError, ReadOnlyUnitOfWorkError
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint

__all__ = ["InboxContract"]

_LATER: Final = timedelta(hours=1)


class InboxContract(TransactionalContract):
    """A message counts as received once for each consumer and tenant, in one commit with its effects.

    Give ``inbox`` and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def inbox(self) -> IInbox:
        """The inbox, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture inbox")

    async def test_a_message_is_received_for_the_first_time_once(self, inbox: IInbox) -> None:
        assert await inbox.contains("billing", "m1") is False
        assert await inbox.register("billing", "m1") is True
        assert await inbox.contains("billing", "m1") is True
        assert await inbox.register("billing", "m1") is False
        assert await inbox.register("billing", "m1") is False

    async def test_asking_does_not_register(self, inbox: IInbox) -> None:
        assert await inbox.contains("billing", "m1") is False
        assert await inbox.register("billing", "m1") is True

    async def test_messages_and_consumers_are_told_apart(self, inbox: IInbox) -> None:
        await inbox.register("billing", "m1")
        assert await inbox.contains("billing", "m2") is False
        assert await inbox.contains("shipping", "m1") is False
        assert await inbox.register("shipping", "m1") is True
        assert await inbox.register("billing", "m2") is True

    async def test_tenants_have_messages_of_their_own(self, inbox: IInbox) -> None:
        for tenant_id in ("acme", "other"):
            with with_tenant_context(tenant_id):
                assert await inbox.contains("billing", "m1") is False
                assert await inbox.register("billing", "m1") is True
        assert await inbox.register("billing", "m1") is True
        with with_tenant_context("acme"):
            assert await inbox.register("billing", "m1") is False

    async def test_names_in_any_script_are_kept(self, inbox: IInbox) -> None:
        consumer, message_id = "счета/№ 1", "注文 'x' \"y\" %_"
        assert await inbox.register(consumer, message_id) is True
        assert await inbox.register(consumer, message_id) is False
        assert await inbox.register(consumer, message_id.upper()) is True

    # ------------------------------------------------------------------ the unit of work

    async def test_it_says_that_it_takes_part_in_a_unit_of_work(
        self, inbox: IInbox, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        self.check_joins(inbox, uow_factory())

    async def test_a_message_is_received_when_its_unit_of_work_has_committed(
        self, inbox: IInbox, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            assert await inbox.register("billing", "m1") is True
            assert await inbox.register("billing", "m1") is False
            assert await inbox.contains("billing", "m1") is True
            outside = await self.meanwhile(inbox.contains("billing", "m1"))
        assert await outside is False
        assert await inbox.contains("billing", "m1") is True

    async def test_a_message_whose_unit_of_work_was_rolled_back_has_not_been_received(
        self, inbox: IInbox, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()):
            assert await inbox.register("billing", "m1") is True
        assert await inbox.contains("billing", "m1") is False
        assert await inbox.register("billing", "m1") is True

    async def test_a_savepoint_takes_back_what_was_registered_in_it(
        self, inbox: IInbox, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory() as uow:
            await inbox.register("billing", "m1")
            async with undone_savepoint(uow):
                assert await inbox.register("billing", "m2") is True
            assert await inbox.contains("billing", "m2") is False
        assert await inbox.contains("billing", "m1") is True
        assert await inbox.contains("billing", "m2") is False

    async def test_a_read_only_unit_of_work_registers_nothing(
        self, inbox: IInbox, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            assert await inbox.contains("billing", "m1") is False
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await inbox.register("billing", "m1")
        assert await inbox.contains("billing", "m1") is False

    async def test_of_two_that_receive_one_message_at_once_one_is_the_first(
        self, inbox: IInbox, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        others: list[Awaitable[bool]] = []

        async def overtake() -> bool:
            async with uow_factory():
                return await inbox.register("billing", "m1")

        async def receive() -> bool:
            async with uow_factory():
                first = await inbox.register("billing", "m1")
                others.append(await self.meanwhile(overtake()))
            return first

        answers = list(await asyncio.gather(receive(), return_exceptions=True))
        answers += await asyncio.gather(*others, return_exceptions=True)
        assert answers.count(True) == 1
        (loser,) = [answer for answer in answers if answer is not True]
        assert loser is False or isinstance(loser, OptimisticConcurrencyError)
        assert await inbox.register("billing", "m1") is False

    async def test_two_that_receive_different_messages_do_not_disturb_each_other(
        self, inbox: IInbox, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        errors = await self.race(
            uow_factory, lambda: inbox.register("billing", "m1"), lambda: inbox.register("billing", "m2")
        )
        assert errors == []
        assert await inbox.contains("billing", "m1")
        assert await inbox.contains("billing", "m2")

    # ------------------------------------------------------------------ purge

    async def test_a_purge_forgets_what_was_received_before(self, inbox: IInbox) -> None:
        await inbox.register("billing", "early")
        await self.pass_time(self.instant)
        moment = utc_now()
        await self.pass_time(self.instant)
        await inbox.register("billing", "late")
        assert await inbox.purge(received_before=moment) == 1
        assert await inbox.purge(received_before=moment) == 0
        assert await inbox.contains("billing", "late") is True
        assert await inbox.register("billing", "early") is True

    async def test_a_purge_forgets_messages_of_all_tenants(self, inbox: IInbox) -> None:
        await inbox.register("billing", "m1")
        for tenant_id in ("acme", "other"):
            with with_tenant_context(tenant_id):
                await inbox.register("billing", "m1")
        with with_tenant_context("third"):
            assert await inbox.purge(received_before=utc_now() + _LATER) == 3
        assert await inbox.register("billing", "m1") is True

    async def test_a_purge_forgets_at_most_what_it_was_allowed_to(self, inbox: IInbox) -> None:
        for number in range(5):
            await inbox.register("billing", str(number))
        later = utc_now() + _LATER
        assert [await inbox.purge(received_before=later, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    async def test_a_purge_wants_a_limit_and_a_time_zone(self, inbox: IInbox) -> None:
        with pytest.raises(ValueError, match="limit"):
            await inbox.purge(received_before=utc_now(), limit=0)
        with pytest.raises(ValueError, match="time zone"):
            await inbox.purge(received_before=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake
