"""What every search of a repository promises."""
# ruff: noqa: PT012 - what is raised inside ends a whole block

from __future__ import annotations

import gc
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest

from cqrs_ddd_core.domain.specification import AndSpecification, OrSpecification
from cqrs_ddd_core.ports.query_options import Ordering, QueryOptions
from cqrs_ddd_core.ports.repository import IRepository
from cqrs_ddd_core.ports.search_result import SearchResult
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import FieldNotFoundError, SpecificationError
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone
from cqrs_ddd_core.testing.contracts.repository import OpenRepository
from cqrs_ddd_core.testing.repository_sample import (
    FerryAddress,
    FerryBooking,
    FerryCabin,
    FerryDeck,
    FerryFare,
    FerryFieldIs,
    FerryFieldIsAbove,
    FerryStatus,
)

__all__ = ["SearchResultContract"]

type Bookings = IRepository[FerryBooking, str]

_DAY = datetime(2025, 6, 1, 12, tzinfo=UTC)


def _the_bookings() -> list[FerryBooking]:
    """Six of them; each column has something that is easily got wrong."""

    def fare(amount: str) -> FerryFare:
        return FerryFare(amount=Decimal(amount))

    return [
        FerryBooking(
            id="a", passenger="Zoe", status=FerryStatus.CONFIRMED, cabin=10, rating=4.5, deposit=Decimal("10.50"),
            fare=fare("9.90"), sails_at=_DAY + timedelta(hours=2), travels_on=date(2025, 6, 3), deck=FerryDeck.UPPER,
            home=FerryAddress(street="x", city="Kiel"), paid=True, stays=timedelta(days=2), labels={"vip", "bike"},
        ),
        FerryBooking(
            id="b", passenger="ada", status=FerryStatus.CONFIRMED, cabin=9, rating=None, deposit=None,
            fare=fare("10.10"), sails_at=_DAY, travels_on=None, deck=FerryDeck.LOWER,
            home=None, reference=UUID(int=5), stays=timedelta(hours=1),
        ),
        FerryBooking(
            id="c", passenger="Ada", status=FerryStatus.SAILED, cabin=None, rating=-1.25, deposit=Decimal("0.25"),
            fare=fare("100.00"), sails_at=None, travels_on=date(2024, 12, 31), deck=None,
            home=FerryAddress(street="y"), paid=True, labels={"bike"},
        ),
        FerryBooking(
            id="d", passenger="Ärger", cabin=2, rating=0.0, deposit=Decimal("10.5"), fare=fare("9.9"),
            sails_at=_DAY + timedelta(microseconds=1), travels_on=date(2025, 6, 3),
            home=FerryAddress(street="x", city="Aarhus"),
        ),
        FerryBooking(id="e", passenger="zoe", cabin=10, rating=4.5, deposit=Decimal(3), fare=fare("0")),
        FerryBooking(id="f", passenger="Ada", cabin=None, rating=None, deposit=None, fare=fare("0.00")),
    ]  # fmt: skip


class SearchResultContract(TransactionalContract):
    """Order, pages, projections, groups and sums are the same wherever the aggregates are kept.

    Give ``open_repository`` and ``uow_factory``. What single conditions mean is in ``SpecificationContract``.
    """

    @pytest.fixture
    @abstractmethod
    def open_repository(self) -> OpenRepository:
        """Makes the repository of an aggregate class, bound to no unit of work, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture open_repository")

    @pytest.fixture
    async def bookings(self, open_repository: OpenRepository, uow_factory: Callable[[], UnitOfWork]) -> Bookings:
        """The repository, with six bookings in it."""
        repository: Bookings = open_repository(FerryBooking)
        async with uow_factory():
            for booking in reversed(_the_bookings()):
                await repository.add(booking)
        return repository

    @staticmethod
    async def ids(bookings: Bookings, options: Any = None) -> str:
        """The ids that a search finds, one letter each."""
        return "".join([booking.id for booking in await (await bookings.search(options))])

    # ------------------------------------------------------------------ what is found

    async def test_without_a_rule_everything_is_found_in_order_of_id(self, bookings: Bookings) -> None:
        assert await self.ids(bookings) == "abcdef"
        assert await self.ids(bookings, QueryOptions()) == "abcdef"

    async def test_a_rule_is_given_alone_or_in_options(self, bookings: Bookings) -> None:
        confirmed = FerryFieldIs("status", "confirmed")
        assert await self.ids(bookings, confirmed) == "ab"
        assert await self.ids(bookings, QueryOptions().with_specification(confirmed)) == "ab"
        assert await self.ids(bookings, ~confirmed) == "cdef"

    async def test_rules_are_combined(self, bookings: Bookings) -> None:
        rule = (FerryFieldIs("status", "confirmed") & FerryFieldIsAbove("cabin", 9)) | FerryFieldIs("passenger", "Ada")
        assert await self.ids(bookings, rule) == "acf"
        assert await self.ids(bookings, ~rule) == "bde"
        assert await self.ids(bookings, AndSpecification()) == "abcdef"
        assert await self.ids(bookings, OrSpecification()) == ""

    async def test_numbers_and_times_are_compared_as_such(self, bookings: Bookings) -> None:
        assert await self.ids(bookings, FerryFieldIsAbove("cabin", 9)) == "ae"
        assert await self.ids(bookings, FerryFieldIsAbove("fare.amount", Decimal("9.90"))) == "bc"
        assert await self.ids(bookings, FerryFieldIs("deposit", Decimal("10.500"))) == "ad"
        assert await self.ids(bookings, FerryFieldIsAbove("sails_at", _DAY)) == "ad"
        assert await self.ids(bookings, FerryFieldIsAbove("travels_on", date(2025, 1, 1))) == "ad"
        assert await self.ids(bookings, FerryFieldIs("reference", UUID(int=5))) == "b"

    async def test_only_a_rule_or_options_are_taken(self, bookings: Bookings) -> None:
        for other in ("status = 1", {"status": 1}, FerryFieldIs, 5):
            with pytest.raises(TypeError, match="a specification or QueryOptions"):
                _ = await bookings.search(cast(Any, other))

    async def test_what_was_found_is_whole_and_can_be_changed_and_added(self, bookings: Bookings) -> None:
        [booking] = await (await bookings.search(FerryFieldIs("id", "a")))
        assert booking.fare == FerryFare(amount=Decimal("9.90"))
        assert booking.version == 1
        booking.rename("Zoé")
        await bookings.add(booking)
        assert await self.ids(bookings, FerryFieldIs("passenger", "Zoé")) == "a"

    async def test_a_search_runs_when_it_is_asked_and_each_time_anew(self, bookings: Bookings) -> None:
        result = await bookings.search(FerryFieldIs("passenger", "new"))
        assert isinstance(result, SearchResult)
        assert await result == []
        await bookings.add(FerryBooking(id="n", passenger="new"))
        assert [booking.id for booking in await result] == ["n"]
        assert (await result.count(), await result.total_count()) == (1, 1)

    async def test_a_field_that_is_not_there_is_an_error(self, bookings: Bookings) -> None:
        for options in (
            QueryOptions().with_ordering("nmae"),
            QueryOptions().with_ordering("home.ctiy"),
            QueryOptions().with_fields(["nmae"]),
        ):
            with pytest.raises(FieldNotFoundError):
                await (await bookings.search(options))
        with pytest.raises(FieldNotFoundError):
            await (await bookings.search(QueryOptions().with_aggregation("nmae", "sum"))).aggregations()
        with pytest.raises(FieldNotFoundError):
            await (await bookings.search(QueryOptions().with_grouping("nmae"))).groups()

    # ------------------------------------------------------------------ order

    @pytest.mark.parametrize(
        ("ordering", "expected"),
        [
            (("passenger",), "cfabed"),
            (("-passenger",), "debacf"),
            (("passenger", "-id"), "fcabed"),
            (("cabin",), "dbaecf"),
            (("-cabin",), "aebdcf"),
            (("rating",), "cdaebf"),
            (("-rating",), "aedcbf"),
            (("deposit", "-id"), "cedafb"),
            (("fare.amount",), "efadbc"),
            (("-fare.amount",), "cbadef"),
            (("sails_at",), "bdacef"),
            (("-sails_at",), "adbcef"),
            (("travels_on", "-cabin"), "cadebf"),
            (("deck",), "bacdef"),
            (("stays",), "bacdef"),
            (("paid", "id"), "bdefac"),
            (("home.city",), "dabcef"),
            (("status", "cabin"), "badefc"),
            (("id",), "abcdef"),
            (("-id",), "fedcba"),
        ],
    )
    async def test_items_come_in_the_order_asked_for_null_last_and_equals_by_id(
        self, bookings: Bookings, ordering: tuple[str, ...], expected: str
    ) -> None:
        # Zoe < ada < zoe < Ärger by code points; 9.9 and 9.90 are equal.
        assert await self.ids(bookings, QueryOptions().with_ordering(*ordering)) == expected

    async def test_null_can_be_first(self, bookings: Bookings) -> None:
        for ordering, expected in (
            (Ordering("cabin", nulls_first=True), "cfdbae"),
            (Ordering("cabin", descending=True, nulls_first=True), "cfaebd"),
            (Ordering("home.city", nulls_first=True), "bcefda"),
        ):
            assert await self.ids(bookings, QueryOptions().with_ordering(ordering)) == expected

    async def test_what_has_no_order_is_refused(self, bookings: Bookings) -> None:
        for field in ("fare", "labels", "legs.port"):
            with pytest.raises(SpecificationError):
                await (await bookings.search(QueryOptions().with_ordering(field)))

    # ------------------------------------------------------------------ pages

    async def test_pages_do_not_overlap_and_leave_nothing_out(self, bookings: Bookings) -> None:
        options = QueryOptions().with_ordering("passenger")
        pages = [await self.ids(bookings, options.with_pagination(limit=2, offset=offset)) for offset in range(0, 8, 2)]
        assert pages == ["cf", "ab", "ed", ""]
        assert await self.ids(bookings, options.with_limit(0)) == ""
        assert await self.ids(bookings, options.with_offset(4)) == "ed"
        assert await self.ids(bookings, options.with_limit(100)) == "cfabed"

    async def test_a_page_can_begin_behind_the_last_row_of_the_page_before(self, bookings: Bookings) -> None:
        for ordering in (
            ("passenger", "id"),
            ("-cabin", "id"),
            ("rating", "-id"),
            ("deposit", "id"),
            ("sails_at", "id"),
            ("-travels_on", "id"),
            ("stays", "paid", "id"),
        ):
            options = QueryOptions().with_ordering(*ordering).with_limit(2)
            whole = await self.ids(bookings, options.with_limit(None))
            walked, page = "", await (await bookings.search(options))
            while page:
                walked += "".join([booking.id for booking in page])
                last = [getattr(page[-1], field.lstrip("-")) for field in ordering]
                page = await (await bookings.search(options.with_keyset(*last)))
            assert walked == whole, ordering

    async def test_counts_are_of_the_page_or_of_everything(self, bookings: Bookings) -> None:
        result = await bookings.search(
            QueryOptions(specification=FerryFieldIsAbove("cabin", 1))
            .with_ordering("id")
            .with_pagination(limit=2, offset=1)
        )
        assert [booking.id for booking in await result] == ["b", "d"]
        assert await result.count() == 2
        assert await result.total_count() == 4
        behind = await bookings.search(QueryOptions().with_ordering("id").with_keyset("d").with_limit(10))
        assert (await behind.count(), await behind.total_count()) == (2, 6)

    async def test_the_first_item_is_that_of_the_page(self, bookings: Bookings) -> None:
        options = QueryOptions().with_ordering("-id")
        first = await (await bookings.search(options)).first()
        assert first is not None
        assert first.id == "f"
        second = await (await bookings.search(options.with_offset(1))).first()
        assert second is not None
        assert second.id == "e"
        assert await (await bookings.search(options.with_offset(9))).first() is None
        assert await (await bookings.search(options.with_limit(0))).first() is None

    # ------------------------------------------------------------------ streams

    async def test_a_stream_gives_the_page_in_batches(self, bookings: Bookings) -> None:
        async def batches(options: QueryOptions, size: int) -> list[str]:
            result = await bookings.search(options)
            return ["".join([booking.id for booking in batch]) async for batch in result.stream(batch_size=size)]

        options = QueryOptions().with_ordering("-id")
        assert await batches(options, 4) == ["fedc", "ba"]
        assert await batches(options, 3) == ["fed", "cba"]
        assert await batches(options, 100) == ["fedcba"]
        assert await batches(options.with_pagination(limit=3, offset=1), 2) == ["ed", "c"]
        assert await batches(QueryOptions(specification=FerryFieldIs("id", "x")), 2) == []
        with pytest.raises(ValueError, match="batch_size is 1 or more"):
            await batches(options, 0)

    async def test_a_stream_of_rows_gives_rows(self, bookings: Bookings) -> None:
        result = await bookings.search(QueryOptions().with_fields(["id"]).with_limit(2))
        batches: list[Any] = [list(batch) async for batch in result.stream(1)]
        assert batches == [[{"id": "a"}], [{"id": "b"}]]

    async def test_streamed_items_are_for_reading(
        self, bookings: Bookings, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory() as uow:
            async for batch in (await bookings.search()).stream(2):
                for booking in batch:
                    booking.rename("changed")
            assert uow.pending_events() == []
        assert await self.ids(bookings, FerryFieldIs("passenger", "changed")) == ""

    async def test_a_stream_that_is_left_half_way_leaves_nothing_open(
        self, bookings: Bookings, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        for _ in range(3):
            stream = (await bookings.search()).stream(1)
            assert len(await anext(stream)) == 1
            assert isinstance(stream, AsyncGenerator), "a stream can be closed"
            await stream.aclose()
        async for _batch in (await bookings.search()).stream(2):
            break
        gc.collect()
        async with uow_factory():
            async for batch in (await bookings.search()).stream(2):
                assert [booking.id for booking in batch] == ["a", "b"]
                break
            await bookings.delete("a")
        assert await self.ids(bookings) == "bcdef"
        with pytest.raises(LookupError):
            async for _batch in (await bookings.search()).stream(2):
                raise LookupError
        await bookings.delete("b")
        assert await self.ids(bookings) == "cdef"

    async def test_many_items_are_streamed_in_order(
        self, open_repository: OpenRepository, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        cabins: IRepository[FerryCabin, int] = open_repository(FerryCabin)
        async with uow_factory():
            for number in range(250):
                await cabins.add(FerryCabin(id=number, beds=number % 7))
        sizes: list[int] = []
        found: list[tuple[int, int]] = []
        async for batch in (await cabins.search(QueryOptions().with_ordering("-beds"))).stream(60):
            sizes.append(len(batch))
            found += [(cabin.beds, cabin.id) for cabin in batch]
        assert sizes == [60, 60, 60, 60, 10]
        assert found == sorted(found, key=lambda pair: (-pair[0], pair[1]))

    # ------------------------------------------------------------------ projections

    async def test_rows_have_the_fields_asked_for_with_values_of_their_types(self, bookings: Bookings) -> None:
        fields = ["id", "status", "deposit", "fare.amount", "sails_at", "travels_on", "deck", "reference", "home.city"]
        options = QueryOptions().with_fields(fields).with_ordering("id").with_limit(2)
        first, second = await self.rows(bookings, options)
        assert first == {
            "id": "a",
            "status": FerryStatus.CONFIRMED,
            "deposit": Decimal("10.50"),
            "fare.amount": Decimal("9.90"),
            "sails_at": _DAY + timedelta(hours=2),
            "travels_on": date(2025, 6, 3),
            "deck": FerryDeck.UPPER,
            "reference": None,
            "home.city": "Kiel",
        }
        assert list(first) == fields
        assert type(first["deposit"]) is Decimal
        assert type(first["travels_on"]) is date
        assert first["sails_at"].tzinfo is not None
        assert (second["reference"], second["home.city"], second["deposit"]) == (UUID(int=5), None, None)
        row = await (await bookings.search(options)).first()
        assert row == first  # type: ignore[comparison-overlap]

    async def test_equal_rows_are_given_once_if_that_is_asked_for(self, bookings: Bookings) -> None:
        options = QueryOptions().with_fields(["passenger", "status"]).with_ordering("passenger", "status")
        assert len(await self.rows(bookings, options)) == 6
        rows = await self.rows(bookings, options.with_distinct())
        assert [row["passenger"] for row in rows] == ["Ada", "Ada", "Zoe", "ada", "zoe", "Ärger"]
        cabins = QueryOptions().with_fields(["cabin"]).with_ordering("cabin").with_distinct()
        assert [row["cabin"] for row in await self.rows(bookings, cabins)] == [2, 9, 10, None]
        assert [row["cabin"] for row in await self.rows(bookings, cabins.with_pagination(2, 1))] == [9, 10]
        result = await bookings.search(cabins.with_limit(1))
        assert (await result.count(), await result.total_count()) == (1, 4)
        deposits = QueryOptions().with_fields(["deposit"]).with_ordering("deposit").with_distinct()
        assert len(await self.rows(bookings, deposits)) == 4, "10.5 and 10.50 are equal"

    async def test_aggregates_are_never_equal_to_each_other(self, bookings: Bookings) -> None:
        assert await self.ids(bookings, QueryOptions().with_distinct()) == "abcdef"

    @staticmethod
    async def rows(bookings: Bookings, options: QueryOptions) -> Sequence[dict[str, Any]]:
        """The rows of a projection."""
        rows: Any = await (await bookings.search(options))
        return list(rows)

    # ------------------------------------------------------------------ numbers

    async def test_numbers_are_over_everything_that_matches_whatever_the_page(self, bookings: Bookings) -> None:
        options = (
            QueryOptions()
            .with_aggregation("cabin", "sum")
            .with_aggregation("cabin", "avg")
            .with_aggregation("cabin", "min")
            .with_aggregation("cabin", "max")
            .with_aggregation("cabin", "count")
            .with_aggregation("cabin", "count_distinct")
            .with_aggregation("*", "count")
            .with_pagination(limit=1, offset=3)
        )
        numbers = await (await bookings.search(options)).aggregations()
        assert numbers == {
            "cabin_sum": 31,
            "cabin_avg": 7.75,
            "cabin_min": 2,
            "cabin_max": 10,
            "cabin_count": 4,
            "cabin_count_distinct": 3,
            "count": 6,
        }
        assert type(numbers["cabin_sum"]) is int

    async def test_numbers_keep_the_type_of_their_field(self, bookings: Bookings) -> None:
        options = QueryOptions()
        for field in ("deposit", "rating", "sails_at", "travels_on", "passenger", "stays", "fare.amount"):
            options = options.with_aggregation(field, "min").with_aggregation(field, "max")
        for field in ("deposit", "rating", "stays", "fare.amount"):
            options = options.with_aggregation(field, "sum")
        numbers = await (await bookings.search(options)).aggregations()
        assert (numbers["deposit_sum"], type(numbers["deposit_sum"])) == (Decimal("24.25"), Decimal)
        assert (numbers["deposit_min"], numbers["deposit_max"]) == (Decimal("0.25"), Decimal("10.5"))
        assert (numbers["rating_sum"], type(numbers["rating_sum"])) == (7.75, float)
        assert (numbers["rating_min"], numbers["rating_max"]) == (-1.25, 4.5)
        assert (numbers["sails_at_min"], numbers["sails_at_max"]) == (_DAY, _DAY + timedelta(hours=2))
        assert (numbers["travels_on_min"], numbers["travels_on_max"]) == (date(2024, 12, 31), date(2025, 6, 3))
        assert (numbers["passenger_min"], numbers["passenger_max"]) == ("Ada", "Ärger")
        assert (numbers["stays_min"], numbers["stays_sum"]) == (timedelta(hours=1), timedelta(days=2, hours=1))
        assert (numbers["fare.amount_sum"], numbers["fare.amount_max"]) == (Decimal("129.90"), Decimal(100))

    async def test_of_decimals_the_mean_is_a_decimal(self, bookings: Bookings) -> None:
        options = QueryOptions(specification=FerryFieldIs("travels_on", date(2025, 6, 3)))
        numbers = await (await bookings.search(options.with_aggregation("deposit", "avg"))).aggregations()
        assert (numbers["deposit_avg"], type(numbers["deposit_avg"])) == (Decimal("10.5"), Decimal)

    async def test_of_nothing_there_is_no_number_and_a_count_of_zero(self, bookings: Bookings) -> None:
        options = QueryOptions(specification=FerryFieldIs("id", "nowhere"))
        for function in ("sum", "avg", "min", "max", "count", "count_distinct"):
            options = options.with_aggregation("cabin", function)
        result = await bookings.search(options.with_aggregation("*", "count"))
        assert await result.aggregations() == {
            "cabin_sum": None,
            "cabin_avg": None,
            "cabin_min": None,
            "cabin_max": None,
            "cabin_count": 0,
            "cabin_count_distinct": 0,
            "count": 0,
        }
        assert await result.groups() == []

    async def test_without_asking_there_are_no_numbers(self, bookings: Bookings) -> None:
        assert await (await bookings.search()).aggregations() == {}

    async def test_what_cannot_be_summed_is_refused(self, bookings: Bookings) -> None:
        for field in ("passenger", "sails_at", "paid", "home", "legs.id"):
            with pytest.raises(SpecificationError):
                await (await bookings.search(QueryOptions().with_aggregation(field, "sum"))).aggregations()

    # ------------------------------------------------------------------ groups

    async def test_groups_have_their_fields_their_numbers_and_their_size_in_order(self, bookings: Bookings) -> None:
        options = QueryOptions().with_grouping("status").with_aggregation("cabin", "sum")
        groups = await (await bookings.search(options.with_limit(1))).groups()
        assert [dict(group) for group in groups] == [
            {"status": FerryStatus.CONFIRMED, "cabin_sum": 19, "count": 2},
            {"status": FerryStatus.REQUESTED, "cabin_sum": 12, "count": 3},
            {"status": FerryStatus.SAILED, "cabin_sum": None, "count": 1},
        ]

    async def test_null_is_a_group_and_comes_last(self, bookings: Bookings) -> None:
        groups = await (await bookings.search(QueryOptions().with_grouping("deposit"))).groups()
        assert [(group["deposit"], group["count"]) for group in groups] == [
            (Decimal("0.25"), 1),
            (Decimal(3), 1),
            (Decimal("10.5"), 2),
            (None, 2),
        ]

    async def test_groups_can_be_of_several_fields_and_of_a_part(self, bookings: Bookings) -> None:
        options = QueryOptions(specification=FerryFieldIsAbove("rating", -10.0)).with_grouping("cabin", "home.city")
        groups = await (await bookings.search(options)).groups()
        assert [(group["cabin"], group["home.city"], group["count"]) for group in groups] == [
            (2, "Aarhus", 1),
            (10, "Kiel", 1),
            (10, None, 1),
            (None, None, 1),
        ]

    # ------------------------------------------------------------------ in a unit of work

    async def test_a_search_sees_what_its_unit_of_work_has_changed(
        self, bookings: Bookings, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with undone(uow_factory()) as uow:
            found = await bookings.get("a")
            assert found is not None
            found.rename("Ada")
            await bookings.add(FerryBooking(id="g", passenger="Ada", cabin=1))
            await bookings.delete("f")
            ada = QueryOptions(specification=FerryFieldIs("passenger", "Ada")).with_aggregation("cabin", "sum")
            result = await uow.repository(FerryBooking).search(ada)
            assert [booking.id for booking in await result] == ["a", "c", "g"]
            assert (await result)[0] is found
            assert await result.total_count() == 3
            assert await result.aggregations() == {"cabin_sum": 11}
            assert [len(batch) async for batch in result.stream(2)] == [2, 1]
        assert await self.ids(bookings, FerryFieldIs("passenger", "Ada")) == "cf"

    async def test_a_result_can_be_asked_after_its_unit_of_work_is_over_only_outside(
        self, bookings: Bookings, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        async with uow_factory():
            result = await bookings.search(FerryFieldIs("passenger", "Ada"))
        assert [booking.id for booking in await result] == ["c", "f"]
