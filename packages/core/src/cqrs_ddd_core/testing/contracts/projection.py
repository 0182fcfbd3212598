"""What every store of read models promises."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, override

import pytest

from cqrs_ddd_core.context import with_tenant_context
from cqrs_ddd_core.domain.condition import Condition, ConditionVisitor, SpecificationOperator
from cqrs_ddd_core.domain.field_path import read_path
from cqrs_ddd_core.domain.specification import Specification
from cqrs_ddd_core.ports.projection import IProjectionReader, IProjectionWriter, ProjectionRow
from cqrs_ddd_core.ports.query_options import QueryOptions
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import ReadOnlyUnitOfWorkError, SerializationError
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract, undone, undone_savepoint
from cqrs_ddd_core.testing.stored_values import EVERY_JSON_VALUE, NO_JSON_VALUES

__all__ = ["ProjectionContract"]


class ProjectionContract(TransactionalContract):
    """Rows that events lead to: repeated and stale events change nothing, and readers find what was written.

    Give ``projection_writer``, ``projection_reader`` (which may be one object) and ``uow_factory``.
    """

    @pytest.fixture
    @abstractmethod
    def projection_writer(self) -> IProjectionWriter:
        """The writer, on the database of ``uow_factory``."""
        raise NotImplementedError("give the fixture projection_writer")

    @pytest.fixture
    @abstractmethod
    def projection_reader(self) -> IProjectionReader:
        """The reader of what ``projection_writer`` writes."""
        raise NotImplementedError("give the fixture projection_reader")

    # ------------------------------------------------------------------ rows

    async def test_a_row_comes_back_as_it_was_written(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        assert await projection_writer.upsert("orders", _row("1", {"total": "12.30"})) is True
        assert await projection_reader.get("orders", "1") == {"total": "12.30"}

    async def test_a_row_that_is_not_there_is_none(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        assert await projection_reader.get("orders", "1") is None
        await projection_writer.upsert("orders", _row("1"))
        assert await projection_reader.get("orders", "2") is None
        assert await projection_reader.get("invoices", "1") is None

    async def test_a_row_is_replaced_as_a_whole(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert("orders", _row("1", {"total": 1, "note": "old"}))
        assert await projection_writer.upsert("orders", _row("1", {"total": 2})) is True
        assert await projection_reader.get("orders", "1") == {"total": 2}

    async def test_several_rows_are_read_in_the_order_they_were_asked_for(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert_batch("orders", [_row(str(number), {"n": number}) for number in (1, 2, 3)])
        rows = await projection_reader.get_batch("orders", ["3", "9", "1", "3"])
        assert rows == [{"n": 3}, None, {"n": 1}, {"n": 3}]
        assert await projection_reader.get_batch("orders", []) == []

    async def test_a_row_is_deleted(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert("orders", _row("1"))
        assert await projection_writer.delete("orders", "1") is True
        assert await projection_writer.delete("orders", "1") is False
        assert await projection_reader.get("orders", "1") is None
        assert await projection_writer.upsert("orders", _row("1")) is True

    async def test_collections_are_told_apart(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert("orders", _row("1", {"of": "orders"}, 5))
        await projection_writer.upsert("invoices", _row("1", {"of": "invoices"}, 3))
        await projection_writer.truncate("orders")
        assert await projection_reader.get("orders", "1") is None
        assert await projection_reader.get("invoices", "1") == {"of": "invoices"}

    async def test_tenants_have_rows_of_their_own(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        with with_tenant_context("acme"):
            await projection_writer.upsert("orders", _row("1", {"of": "acme"}, 9))
        with with_tenant_context("other"):
            assert await projection_reader.get("orders", "1") is None
            assert await projection_writer.upsert("orders", _row("1", {"of": "other"}, 5)) is True
            assert await projection_writer.delete("orders", "1") is True
        assert await projection_reader.get("orders", "1") is None
        with with_tenant_context("acme"):
            assert await projection_reader.get_batch("orders", ["1"]) == [{"of": "acme"}]

    # ------------------------------------------------------------------ positions

    @pytest.mark.parametrize(("position", "written"), [(4, False), (5, False), (6, True)])
    async def test_a_row_takes_only_events_that_it_has_not_seen(
        self,
        projection_writer: IProjectionWriter,
        projection_reader: IProjectionReader,
        position: int,
        written: bool,  # noqa: FBT001 - a parameter of the test
    ) -> None:
        assert await projection_writer.upsert("orders", _row("1", {"n": 5}, 5)) is True
        assert await projection_writer.upsert("orders", _row("1", {"n": position}, position)) is written
        assert await projection_reader.get("orders", "1") == {"n": position if written else 5}

    async def test_a_write_without_a_position_is_taken_and_forgets_nothing(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert("orders", _row("1", {"n": 5}, 5))
        assert await projection_writer.upsert("orders", _row("1", {"n": "repaired"})) is True
        assert await projection_writer.upsert("orders", _row("1", {"n": 4}, 4)) is False
        assert await projection_reader.get("orders", "1") == {"n": "repaired"}
        assert await projection_writer.upsert("orders", _row("1", {"n": 6}, 6)) is True

    async def test_a_batch_counts_the_rows_that_changed(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert("orders", _row("2", {"n": "kept"}, 9))
        rows = [_row("1", {"n": 1}, 7), _row("2", {"n": 2}, 8), _row("3", {"n": 3}), _row("1", {"n": 4}, 8)]
        assert await projection_writer.upsert_batch("orders", rows) == 3
        found = await projection_reader.get_batch("orders", ["1", "2", "3"])
        assert found == [{"n": 4}, {"n": "kept"}, {"n": 3}]
        assert await projection_writer.upsert_batch("orders", []) == 0

    async def test_the_same_batch_again_changes_nothing(self, projection_writer: IProjectionWriter) -> None:
        rows = [_row(str(number), {"n": number}, number) for number in range(1, 5)]
        assert await projection_writer.upsert_batch("orders", rows) == 4
        assert await projection_writer.upsert_batch("orders", rows) == 0

    async def test_an_event_from_before_the_deletion_does_not_bring_the_row_back(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert("orders", _row("1", {"n": 5}, 5))
        assert await projection_writer.delete("orders", "1", position=7) is True
        for position in (6, 7):
            assert await projection_writer.upsert("orders", _row("1", {"n": position}, position)) is False
            assert await projection_reader.get("orders", "1") is None
        assert await projection_writer.upsert("orders", _row("1", {"n": 8}, 8)) is True
        assert await projection_reader.get("orders", "1") == {"n": 8}

    async def test_the_deletion_of_a_row_that_is_not_there_is_remembered_too(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        assert await projection_writer.delete("orders", "1", position=7) is False
        assert await projection_writer.upsert("orders", _row("1", {"n": 6}, 6)) is False
        assert await projection_reader.get("orders", "1") is None

    @pytest.mark.parametrize("position", [4, 5])
    async def test_a_stale_deletion_does_not_remove_a_newer_row(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader, position: int
    ) -> None:
        await projection_writer.upsert("orders", _row("1", {"n": 5}, 5))
        assert await projection_writer.delete("orders", "1", position=position) is False
        assert await projection_reader.get("orders", "1") == {"n": 5}

    async def test_a_stale_deletion_does_not_forget_a_newer_one(self, projection_writer: IProjectionWriter) -> None:
        await projection_writer.delete("orders", "1", position=7)
        assert await projection_writer.delete("orders", "1", position=3) is False
        assert await projection_writer.delete("orders", "1") is False
        assert await projection_writer.upsert("orders", _row("1", position=6)) is False

    async def test_truncating_removes_rows_of_all_tenants_and_what_was_remembered(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert("orders", _row("1", {"n": 5}, 5))
        await projection_writer.delete("orders", "2", position=7)
        with with_tenant_context("acme"):
            await projection_writer.upsert("orders", _row("3", {"n": 9}, 9))
        await projection_writer.truncate("orders")
        await projection_writer.truncate("never")
        with with_tenant_context("acme"):
            assert await projection_reader.get("orders", "3") is None
            assert await projection_writer.upsert("orders", _row("3", {"n": 1}, 1)) is True
        assert await projection_writer.upsert_batch("orders", [_row("1", {}, 1), _row("2", {}, 1)]) == 2

    # ------------------------------------------------------------------ search

    async def test_rows_are_found_by_what_is_in_them(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await _write_people(projection_writer)
        options = QueryOptions(specification=_Equals("address.city", "London"))
        assert await _names(projection_reader, options) == ["ada", "charles"]
        assert await _names(projection_reader, QueryOptions(specification=_Equals("name", "nobody"))) == []

    async def test_without_an_order_rows_come_in_order_of_id(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await _write_people(projection_writer)
        assert await _names(projection_reader, QueryOptions()) == ["ada", "charles", "emmy", "sofia"]

    async def test_rows_are_ordered_and_paged(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await _write_people(projection_writer)
        options = QueryOptions().with_ordering("-born", "name")
        assert await _names(projection_reader, options) == ["emmy", "sofia", "ada", "charles"]
        assert await _names(projection_reader, options.with_pagination(limit=2, offset=1)) == ["sofia", "ada"]
        result = await projection_reader.search("people", options.with_pagination(limit=2, offset=1))
        assert (await result.count(), await result.total_count()) == (2, 4)
        assert await result.first() == {"name": "sofia", "born": 1850, "address": {"city": "Moscow"}}
        assert [len(batch) async for batch in result.stream(batch_size=1)] == [1, 1]

    async def test_rows_can_be_given_in_part(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await _write_people(projection_writer)
        options = QueryOptions().with_fields(["name", "address.city"]).with_limit(1)
        result = await projection_reader.search("people", options)
        assert await result == [{"name": "ada", "address.city": "London"}]

    async def test_numbers_are_found_over_rows(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await _write_people(projection_writer)
        options = QueryOptions().with_aggregation("born", "min").with_aggregation("*", "count").with_limit(1)
        assert dict(await (await projection_reader.search("people", options)).aggregations()) == {
            "born_min": 1791,
            "count": 4,
        }

    async def test_a_search_has_not_run_before_it_is_asked(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        result = await projection_reader.search("people", QueryOptions())
        assert await result == []
        await _write_people(projection_writer)
        assert len(await result) == 4

    async def test_a_search_finds_no_deleted_rows_and_none_of_other_tenants(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await _write_people(projection_writer)
        await projection_writer.delete("people", "1")
        await projection_writer.delete("people", "2", position=99)
        with with_tenant_context("acme"):
            await projection_writer.upsert("people", _row("9", {"name": "alan"}))
            assert await _names(projection_reader, QueryOptions()) == ["alan"]
        assert await _names(projection_reader, QueryOptions()) == ["emmy", "sofia"]
        result = await projection_reader.search("people", QueryOptions())
        assert await result.total_count() == 2

    # ------------------------------------------------------------------ the unit of work

    async def test_it_says_that_it_takes_part_in_a_unit_of_work(
        self, projection_writer: IProjectionWriter, uow_factory: Callable[[], UnitOfWork]
    ) -> None:
        self.check_joins(projection_writer, uow_factory())

    async def test_a_row_is_there_when_its_unit_of_work_has_committed(
        self,
        projection_writer: IProjectionWriter,
        projection_reader: IProjectionReader,
        uow_factory: Callable[[], UnitOfWork],
    ) -> None:
        async with uow_factory():
            assert await projection_writer.upsert("orders", _row("1", {"n": 5}, 5)) is True
            assert await projection_writer.upsert("orders", _row("1", {"n": 4}, 4)) is False
            outside = await self.meanwhile(projection_reader.get("orders", "1"))
        assert await outside is None
        assert await projection_reader.get("orders", "1") == {"n": 5}

    async def test_what_a_rolled_back_unit_of_work_wrote_is_gone(
        self,
        projection_writer: IProjectionWriter,
        projection_reader: IProjectionReader,
        uow_factory: Callable[[], UnitOfWork],
    ) -> None:
        await projection_writer.upsert_batch("orders", [_row("1", {"n": 1}, 1), _row("2", {"n": 1}, 1)])
        async with undone(uow_factory()):
            await projection_writer.upsert("orders", _row("1", {"n": 5}, 5))
            await projection_writer.delete("orders", "2", position=5)
        async with undone(uow_factory()):
            await projection_writer.truncate("orders")
        assert await projection_reader.get_batch("orders", ["1", "2"]) == [{"n": 1}, {"n": 1}]
        rows = [_row("1", {"n": 2}, 2), _row("2", {"n": 2}, 2)]
        assert await projection_writer.upsert_batch("orders", rows) == 2

    async def test_a_savepoint_takes_back_what_was_written_in_it(
        self,
        projection_writer: IProjectionWriter,
        projection_reader: IProjectionReader,
        uow_factory: Callable[[], UnitOfWork],
    ) -> None:
        async with uow_factory() as uow:
            await projection_writer.upsert("orders", _row("1", {"n": 1}, 1))
            async with undone_savepoint(uow):
                await projection_writer.upsert("orders", _row("1", {"n": 9}, 9))
            assert await projection_writer.upsert("orders", _row("1", {"n": 2}, 2)) is True
        assert await projection_reader.get("orders", "1") == {"n": 2}

    async def test_a_read_only_unit_of_work_writes_nothing(
        self,
        projection_writer: IProjectionWriter,
        projection_reader: IProjectionReader,
        uow_factory: Callable[[], UnitOfWork],
    ) -> None:
        uow = uow_factory()
        uow.read_only = True
        async with uow:
            assert await projection_reader.get("orders", "1") is None
            with pytest.raises(ReadOnlyUnitOfWorkError):
                await projection_writer.upsert("orders", _row("1"))
        assert await projection_reader.get("orders", "1") is None

    # ------------------------------------------------------------------ data

    async def test_every_json_value_comes_back_as_it_was(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        await projection_writer.upsert("orders", _row("注文/№ 1 'x'", EVERY_JSON_VALUE))
        assert await projection_reader.get("orders", "注文/№ 1 'x'") == EVERY_JSON_VALUE

    async def test_a_row_of_a_million_characters_is_kept(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        text = "0123456789" * 100_000
        await projection_writer.upsert("orders", _row("1", {"text": text}))
        assert await projection_reader.get("orders", "1") == {"text": text}

    @pytest.mark.parametrize("value", NO_JSON_VALUES)
    async def test_a_value_that_json_does_not_have_is_refused(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader, value: Any
    ) -> None:
        rows = [_row("1"), _row("2", {"list": [{"inner": value}]})]
        with pytest.raises(SerializationError, match="orders"):
            await projection_writer.upsert_batch("orders", rows)
        assert await projection_reader.get_batch("orders", ["1", "2"]) == [None, None]

    async def test_what_is_stored_cannot_be_changed_from_outside(
        self, projection_writer: IProjectionWriter, projection_reader: IProjectionReader
    ) -> None:
        data: dict[str, Any] = {"lines": [1]}
        await projection_writer.upsert("orders", _row("1", data))
        for _ in range(2):
            data["lines"].append(2)
            found = await projection_reader.get("orders", "1")
            assert found == {"lines": [1]}
            data = found or {}
        (row,) = await (await projection_reader.search("orders", QueryOptions()))
        row["lines"].append(2)
        assert await projection_reader.get("orders", "1") == {"lines": [1]}


class _Equals(Specification[dict[str, Any]]):
    """A condition that memory evaluates and a database compiles."""

    def __init__(self, field: str, value: str) -> None:
        self._field, self._value = field, value

    @override
    def is_satisfied_by(self, candidate: dict[str, Any], /) -> bool:
        return bool(read_path(candidate, self._field) == self._value)

    @override
    def accept[ResultT](self, visitor: ConditionVisitor[ResultT], /) -> ResultT:
        return visitor.condition(Condition(self._field, SpecificationOperator.EQ, self._value))


def _row(row_id: str, data: dict[str, Any] | None = None, position: int | None = None) -> ProjectionRow:
    return ProjectionRow(row_id=row_id, data={"total": "1.00"} if data is None else data, position=position)


async def _write_people(writer: IProjectionWriter) -> None:
    people: Sequence[tuple[str, int, str]] = [
        ("emmy", 1882, "Erlangen"),
        ("ada", 1815, "London"),
        ("sofia", 1850, "Moscow"),
        ("charles", 1791, "London"),
    ]
    ids = {"ada": "1", "charles": "2", "emmy": "3", "sofia": "4"}
    for name, born, city in people:
        row = _row(ids[name], {"name": name, "born": born, "address": {"city": city}})
        await writer.upsert("people", row)


async def _names(reader: IProjectionReader, options: QueryOptions) -> list[str]:
    return [row["name"] for row in await (await reader.search("people", options))]
