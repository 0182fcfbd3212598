"""What every repository promises."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from cqrs_ddd_core.context import use_context, with_tenant_context
from cqrs_ddd_core.domain.aggregate import AggregateRoot
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, get_current_uow
from cqrs_ddd_core.primitives.exceptions import (
    EntityNotFoundError,
    OptimisticConcurrencyError,
    UnstorableStateError,
)
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone
from cqrs_ddd_core.testing.repository_sample import (
    FIELDS_OF_EVERY_KIND,
    FerryBooking,
    FerryCabin,
    FerryCompany,
    FerryFare,
    FerryGroupBooking,
    FerryReducedFare,
)

__all__ = ["OpenRepository", "RepositoryContract"]

type OpenRepository = Callable[[type[AggregateRoot[Any]]], IRepository[Any, Any]]


class RepositoryContract(TransactionalContract):
    """What is added is found again as it was, in its tenant; inside a unit of work with it, else on its own.

    Give ``open_repository`` and ``uow_factory``. The aggregates are those of ``testing.repository_sample``.
    """

    @pytest.fixture
    @abstractmethod
    def open_repository(self) -> OpenRepository:
        """Makes the repository of an aggregate class, bound to no unit of work, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture open_repository")

    @pytest.fixture
    def bookings(self, open_repository: OpenRepository) -> IRepository[FerryBooking, str]:
        """The repository that most tests are about."""
        return open_repository(FerryBooking)

    def test_it_is_a_repository(self, bookings: IRepository[FerryBooking, str]) -> None:
        assert isinstance(bookings, IRepository)

    # ------------------------------------------------------------------ what is kept

    async def test_an_aggregate_comes_back_with_everything_in_it(
        self, bookings: IRepository[FerryBooking, str]
    ) -> None:
        given = FerryBooking(id="b-1", **copy.deepcopy(FIELDS_OF_EVERY_KIND))
        assert await bookings.add(given) == "b-1"
        found = await bookings.get("b-1")
        assert type(found) is FerryBooking
        assert found is not given
        for name in FerryBooking.model_fields:
            assert getattr(found, name) == getattr(given, name), name
        assert type(found.fare) is FerryReducedFare
        assert type(found.extras[0]["price"]) is FerryFare
        assert [type(leg.fare) for leg in found.legs] == [FerryReducedFare, FerryFare]
        for name, value in given.details.items():
            assert type(found.details[name]) is type(value), name
        assert found.sails_at is not None
        assert found.sails_at.tzinfo is not None
        assert found.deposit is not None
        assert str(found.deposit) == "-0.001"

    async def test_an_aggregate_with_nothing_in_it_comes_back(self, bookings: IRepository[FerryBooking, str]) -> None:
        await bookings.add(FerryBooking(id="b-1"))
        found = await bookings.get("b-1")
        assert found is not None
        assert found.model_dump() == FerryBooking(id="b-1").model_dump()

    async def test_what_was_added_and_what_was_found_share_nothing(
        self, bookings: IRepository[FerryBooking, str]
    ) -> None:
        given = FerryBooking(id="b-1", details={"list": [1]}, labels={"a"})
        await bookings.add(given)
        given.details["list"].append(2)
        one, two = await bookings.get("b-1"), await bookings.get("b-1")
        assert one is not None
        assert two is not None
        assert one is not two
        one.details["list"].append(3)
        one.labels.add("b")
        again = await bookings.get("b-1")
        assert again is not None
        assert two.details == again.details == {"list": [1]}
        assert again.labels == {"a"}

    async def test_children_are_changed_added_and_removed_with_their_aggregate(
        self, bookings: IRepository[FerryBooking, str]
    ) -> None:
        await bookings.add(FerryBooking(id="b-1", legs=copy.deepcopy(FIELDS_OF_EVERY_KIND["legs"])))
        booking = await bookings.get("b-1")
        assert booking is not None
        booking.legs[0].port = "Ystad"
        booking.legs[0].notes["new"] = [1]
        del booking.legs[1]
        booking.extras.append({"price": FerryFare(amount=Decimal(5))})
        await bookings.add(booking)
        found = await bookings.get("b-1")
        assert found is not None
        assert [(leg.id, leg.port) for leg in found.legs] == [(2, "Ystad")]
        assert found.legs[0].notes["new"] == [1]
        assert found.extras == [{"price": FerryFare(amount=Decimal(5))}]

    async def test_a_subclass_comes_back_as_itself(self, bookings: IRepository[FerryBooking, str]) -> None:
        await bookings.add(FerryGroupBooking(id="b-1", size=12))
        await bookings.add(FerryBooking(id="b-2"))
        found = await bookings.list_all()
        assert [type(booking) for booking in found] == [FerryGroupBooking, FerryBooking]
        assert isinstance(found[0], FerryGroupBooking)
        assert found[0].size == 12

    async def test_what_could_not_come_back_is_refused_and_nothing_is_stored(
        self, bookings: IRepository[FerryBooking, str]
    ) -> None:
        class Foreign:
            """Nothing that a database knows."""

        for details in ({"x": Foreign()}, {"x": [{"y": {1: object()}}]}, {"x": "\0"}):
            with pytest.raises(UnstorableStateError, match=r"FerryBooking\.details\.x"):
                await bookings.add(FerryBooking(id="b-1", details=details))
        assert await bookings.get("b-1") is None

    # ------------------------------------------------------------------ ids

    @pytest.mark.parametrize(
        "booking_id",
        ["b-1", " ", "with space", "quo'te\"s", "sla/sh\\", "ünï-😀", "a" * 200, "$dollar.dot", "%like_", "1"],
    )
    async def test_ids_may_be_any_text(self, bookings: IRepository[FerryBooking, str], booking_id: str) -> None:
        await bookings.add(FerryBooking(id=booking_id))
        found = await bookings.get(booking_id)
        assert found is not None
        assert found.id == booking_id
        assert await bookings.get(f"{booking_id}x") is None
        assert await bookings.delete(booking_id) == booking_id
        assert await bookings.get(booking_id) is None

    async def test_ids_may_be_numbers(self, open_repository: OpenRepository) -> None:
        cabins: IRepository[FerryCabin, int] = open_repository(FerryCabin)
        for number in (10, 9, -1, 2**40):
            assert await cabins.add(FerryCabin(id=number)) == number
        assert [cabin.id for cabin in await cabins.list_all()] == [-1, 9, 10, 2**40]
        found = await cabins.get(9)
        assert found is not None
        assert type(found.id) is int

    async def test_ids_may_be_uuids(self, open_repository: OpenRepository) -> None:
        companies: IRepository[FerryCompany, UUID] = open_repository(FerryCompany)
        keys = [UUID(int=number << 64 | 5) for number in (1, 2, 2**63)]
        for key in reversed(keys):
            await companies.add(FerryCompany(id=key, name=str(key)))
        assert [company.id for company in await companies.list_all()] == keys
        found = await companies.get(keys[1])
        assert found is not None
        assert (type(found.id), found.name) == (UUID, str(keys[1]))

    async def test_one_id_in_two_collections_is_two_things(self, open_repository: OpenRepository) -> None:
        cabins: IRepository[FerryCabin, Any] = open_repository(FerryCabin)
        bookings: IRepository[FerryBooking, Any] = open_repository(FerryBooking)
        await cabins.add(FerryCabin(id=1))
        await bookings.add(FerryBooking(id="1"))
        await cabins.delete(1)
        assert await bookings.get("1") is not None

    # ------------------------------------------------------------------ finding and deleting

    async def test_what_is_not_there_is_none(self, bookings: IRepository[FerryBooking, str]) -> None:
        assert await bookings.get("nowhere") is None
        assert await bookings.list_all() == []

    async def test_deleting_what_is_not_there_is_an_error(self, bookings: IRepository[FerryBooking, str]) -> None:
        with pytest.raises(EntityNotFoundError, match=r"FerryBooking 'nowhere' was not found") as caught:
            await bookings.delete("nowhere")
        assert caught.value.entity_id == "nowhere"

    async def test_something_of_another_type_is_refused(self, bookings: IRepository[Any, Any]) -> None:
        for other in (FerryCabin(id=1), {"id": "b-1"}, None):
            with pytest.raises(TypeError, match="keeps FerryBooking"):
                await bookings.add(other)

    async def test_all_are_listed_in_the_order_of_their_ids(self, bookings: IRepository[FerryBooking, str]) -> None:
        ids = ["b", "B", "a", "10", "9", "é", "z", "_"]
        for booking_id in ids:
            await bookings.add(FerryBooking(id=booking_id))
        assert [booking.id for booking in await bookings.list_all()] == sorted(ids)

    async def test_some_are_listed_in_the_order_in_which_they_are_asked_for(
        self, bookings: IRepository[FerryBooking, str]
    ) -> None:
        for booking_id in ("a", "b", "c"):
            await bookings.add(FerryBooking(id=booking_id))

        async def listed(ids: Any) -> list[str]:
            return [booking.id for booking in await bookings.list_all(ids)]

        assert await listed(["c", "nowhere", "a"]) == ["c", "a"]
        assert await listed(["b", "a", "b"]) == ["b", "a"]
        assert await listed(booking_id for booking_id in ("b",)) == ["b"]
        assert await listed({"a"}) == ["a"]
        assert await listed([]) == []
        with pytest.raises(TypeError, match="several ids"):
            await bookings.list_all("abc")

    async def test_many_aggregates_and_many_children_are_kept(
        self, bookings: IRepository[FerryBooking, str], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            for number in range(300):
                await bookings.add(FerryBooking(id=f"b-{number:03}"))
            many = FerryBooking(id="many")
            many.details["list"] = [
                {"number": number, "fare": FerryFare(amount=Decimal(number))} for number in range(2000)
            ]
            await bookings.add(many)
        assert len(await bookings.list_all()) == 301
        assert len(await bookings.list_all(f"b-{number:03}" for number in range(299, -1, -1))) == 300
        found = await bookings.get("many")
        assert found is not None
        assert found.details["list"][1999] == {"number": 1999, "fare": FerryFare(amount=Decimal(1999))}

    # ------------------------------------------------------------------ on its own

    async def test_without_a_unit_of_work_each_call_is_committed_by_itself(
        self, bookings: IRepository[FerryBooking, str], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await bookings.add(FerryBooking(id="b-1", passenger="Ada"))
        async with undone(uow_factory()) as uow:
            found = await uow.repository(FerryBooking).get("b-1")
            assert found is not None
            assert found.passenger == "Ada"
        await bookings.delete("b-1")
        async with undone(uow_factory()) as uow:
            assert await uow.repository(FerryBooking).get("b-1") is None

    async def test_a_change_is_kept_when_it_is_added_again(self, bookings: IRepository[FerryBooking, str]) -> None:
        booking = FerryBooking(id="b-1")
        await bookings.add(booking)
        booking.passenger = "Grace"
        unchanged = await bookings.get("b-1")
        await bookings.add(booking)
        changed = await bookings.get("b-1")
        assert unchanged is not None
        assert changed is not None
        assert (unchanged.passenger, changed.passenger) == ("", "Grace")
        assert (unchanged.version, changed.version) == (1, 2)

    async def test_a_copy_that_is_out_of_date_is_refused(self, bookings: IRepository[FerryBooking, str]) -> None:
        await bookings.add(FerryBooking.book("b-1"))
        early, late = await bookings.get("b-1"), await bookings.get("b-1")
        assert early is not None
        assert late is not None
        early.rename("Grace")
        await bookings.add(early)
        late.rename("Mary")
        with pytest.raises(OptimisticConcurrencyError) as caught:
            await bookings.add(late)
        assert (caught.value.entity_type, caught.value.entity_id, caught.value.expected) == ("FerryBooking", "b-1", 1)
        found = await bookings.get("b-1")
        assert found is not None
        assert (found.passenger, found.version) == ("Grace", 2)

    async def test_a_second_one_with_the_same_id_is_refused(self, bookings: IRepository[FerryBooking, str]) -> None:
        await bookings.add(FerryBooking(id="b-1", passenger="Ada"))
        with pytest.raises(OptimisticConcurrencyError):
            await bookings.add(FerryBooking(id="b-1", passenger="Grace"))
        found = await bookings.get("b-1")
        assert found is not None
        assert found.passenger == "Ada"

    async def test_an_update_of_what_was_deleted_is_refused(self, bookings: IRepository[FerryBooking, str]) -> None:
        await bookings.add(FerryBooking(id="b-1"))
        booking = await bookings.get("b-1")
        assert booking is not None
        await bookings.delete("b-1")
        booking.rename("Grace")
        with pytest.raises(OptimisticConcurrencyError):
            await bookings.add(booking)
        assert await bookings.get("b-1") is None

    async def test_an_id_can_be_used_again_after_deleting(self, bookings: IRepository[FerryBooking, str]) -> None:
        await bookings.add(FerryBooking(id="b-1", passenger="Ada"))
        await bookings.delete("b-1")
        await bookings.add(FerryBooking(id="b-1", passenger="Grace"))
        found = await bookings.get("b-1")
        assert found is not None
        assert found.passenger == "Grace"

    # ------------------------------------------------------------------ in a unit of work

    async def test_inside_a_unit_of_work_it_takes_part(
        self, bookings: IRepository[FerryBooking, str], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        await bookings.add(FerryBooking(id="old"))
        async with undone(uow_factory()) as uow:
            await bookings.add(FerryBooking(id="new"))
            await bookings.delete("old")
            assert [booking.id for booking in await bookings.list_all()] == ["new"]
            assert await bookings.get("new") is await uow.repository(FerryBooking).get("new")
        assert [booking.id for booking in await bookings.list_all()] == ["old"]
        async with uow_factory():
            await bookings.add(FerryBooking(id="new"))
        assert [booking.id for booking in await bookings.list_all()] == ["new", "old"]

    async def test_a_unit_of_work_on_another_database_does_not_concern_it(
        self, bookings: IRepository[FerryBooking, str]
    ) -> None:
        from cqrs_ddd_core.adapters.memory import InMemoryStore, InMemoryUnitOfWork  # noqa: PLC0415 - only needed here

        async with undone(InMemoryUnitOfWork(InMemoryStore())) as elsewhere:
            await bookings.add(FerryBooking(id="b-1"))
            assert get_current_uow() is elsewhere
            assert await elsewhere.repository(FerryBooking).get("b-1") is None
        assert await bookings.get("b-1") is not None

    # ------------------------------------------------------------------ tenants

    async def test_tenants_do_not_see_each_other(self, bookings: IRepository[FerryBooking, str]) -> None:
        await bookings.add(FerryBooking(id="b-1", passenger="nobody's"))
        with with_tenant_context("acme"):
            assert await bookings.get("b-1") is None
            assert await bookings.list_all() == []
            assert await bookings.list_all(["b-1"]) == []
            assert await (await bookings.search()) == []
            with pytest.raises(EntityNotFoundError):
                await bookings.delete("b-1")
            await bookings.add(FerryBooking(id="b-1", passenger="acme's"))
            await bookings.add(FerryBooking(id="b-2"))
        with with_tenant_context("globex"):
            await bookings.add(FerryBooking(id="b-1", passenger="globex's"))
            assert [booking.passenger for booking in await bookings.list_all()] == ["globex's"]
        with with_tenant_context("acme"):
            found = await bookings.get("b-1")
            assert found is not None
            assert found.passenger == "acme's"
            await bookings.delete("b-1")
        assert [booking.passenger for booking in await bookings.list_all()] == ["nobody's"]

    async def test_one_unit_of_work_keeps_tenants_apart(
        self, bookings: IRepository[FerryBooking, str], uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        for tenant in ("acme", "globex"):
            with use_context(tenant_id=tenant):
                await bookings.add(FerryBooking(id="b-1", passenger=tenant))
        async with uow_factory():
            with with_tenant_context("acme"):
                ours = await bookings.get("b-1")
                await bookings.add(FerryBooking(id="b-2", passenger="acme"))
            with with_tenant_context("globex"):
                theirs = await bookings.get("b-1")
                await bookings.delete("b-1")
            assert ours is not None
            assert theirs is not None
            assert (ours.passenger, theirs.passenger) == ("acme", "globex")
            with with_tenant_context("acme"):
                assert await bookings.get("b-1") is ours
            ours.rename("changed, and written where no tenant is set")
        assert await bookings.list_all() == []
        with with_tenant_context("acme"):
            assert [booking.id for booking in await bookings.list_all()] == ["b-1", "b-2"]
            found = await bookings.get("b-1")
            assert found is not None
            assert found.passenger.startswith("changed")
        with with_tenant_context("globex"):
            assert await bookings.list_all() == []
