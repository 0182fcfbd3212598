"""What specifications promise: one meaning, wherever they are evaluated."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cqrs_ddd_core.domain.condition import Condition, SpecificationOperator
from cqrs_ddd_core.domain.field_path import field_steps
from cqrs_ddd_core.domain.specification import (
    AndSpecification,
    ISpecification,
    NotSpecification,
    OrSpecification,
    PredicateSpecification,
)
from cqrs_ddd_core.domain.text_matching import words
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.exceptions import (
    FieldNotFoundError,
    SpecificationError,
    SpecificationNotSupportedError,
)
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_core.testing.adapter_contract import TransactionalContract
from cqrs_ddd_core.testing.specification_sample import SpecificationSample
from cqrs_ddd_core.testing.specification_strategies import Rule, build_specification, rows, rules
from cqrs_ddd_core.testing.specification_truth import NONSENSE, ODD_TEXTS, TRUTH_TABLE, UNREACHABLE, Truth

__all__ = ["SpecificationContract"]

_O = SpecificationOperator
_EXAMPLES: Final = {truth.condition.operator: truth.condition for truth in TRUTH_TABLE}
_TEXT_QUESTIONS: Final = (
    _O.EQ,
    _O.NE,
    _O.GT,
    _O.LE,
    _O.CONTAINS,
    _O.ICONTAINS,
    _O.STARTSWITH,
    _O.IENDSWITH,
    _O.LIKE,
    _O.NOT_LIKE,
    _O.REGEX,
    _O.FTS,
    _O.FTS_PHRASE,
)


class SpecificationContract(TransactionalContract):
    """A search finds the rows for which the specification holds in memory: no row less, and none too many.

    Give ``uow_factory``, whose units of work keep ``SpecificationSample``, and ``specification_of``, which makes a
    specification of one condition: ``AttributeSpecification`` of cqrs-ddd-specifications does it in memory too, and so
    is what the database is compared with. ::

        class TestSQLiteSpecifications(SpecificationContract):
            cannot = GEOMETRY_OPERATORS

            @pytest.fixture
            def specification_of(self):
                return lambda condition: AttributeSpecification(condition.field, condition.operator, condition.value)
    """

    cannot: ClassVar[frozenset[SpecificationOperator]] = frozenset()
    """Operators that the adapter refuses by name."""
    significant_digits: ClassVar[int | None] = None
    """How many digits of a decimal number count, where not all of them do."""
    runs_python_rules: ClassVar[bool] = False
    """Whether it can evaluate rules that exist as Python code only."""

    @pytest.fixture
    @abstractmethod
    def specification_of(self) -> Callable[[Condition], ISpecification[Any]]:
        """Makes a specification of a condition, which can also be evaluated in memory."""

    @pytest.mark.parametrize("truth", [pytest.param(truth, id=f"{n}-{truth}") for n, truth in enumerate(TRUTH_TABLE)])
    async def test_a_condition_holds_for_what_the_table_says(
        self,
        truth: Truth,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        if truth.condition.operator in self.cannot:
            pytest.skip(f"declared: it cannot do {truth.condition.operator}")
        if self.significant_digits is not None and truth.digits > self.significant_digits:
            pytest.skip(f"declared: it keeps {self.significant_digits} digits")
        samples = await _stored(uow_factory, ({truth.root: value} for value in (*truth.holds, *truth.fails)))
        specification = specification_of(truth.condition)
        holds = samples[: len(truth.holds)]
        assert [sample for sample in samples if specification.is_satisfied_by(sample)] == holds, "in memory"
        assert await self._found(uow_factory, samples, specification, specification_of) == _ids(holds)
        opposite = NotSpecification(specification)
        others = samples[len(truth.holds) :]
        assert await self._found(uow_factory, samples, opposite, specification_of) == _ids(others), "there is no third"

    @pytest.mark.parametrize("operator", SpecificationOperator)
    async def test_an_operator_is_done_or_refused_by_name(
        self,
        operator: SpecificationOperator,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        async with uow_factory() as uow:
            search = await uow.repository(SpecificationSample).search(specification_of(_EXAMPLES[operator]))
            if operator in self.cannot:
                with pytest.raises(SpecificationNotSupportedError, match=re.escape(operator.value)):
                    await search
            else:
                assert isinstance(await search, list)

    @settings(
        deadline=None,
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,  # each example has rows of its own
            HealthCheck.differing_executors,  # the suite is run by every adapter
            HealthCheck.too_slow,
        ],
    )
    @given(data=st.data())
    async def test_random_rules_find_the_rows_for_which_they_hold_in_memory(
        self,
        data: st.DataObject,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        samples = await _stored(uow_factory, data.draw(st.lists(rows(), min_size=1, max_size=8), label="rows"))
        asked: list[Rule] = data.draw(st.lists(rules(without=self.cannot), min_size=1, max_size=5), label="rules")
        for rule in asked:
            specification = build_specification(rule, specification_of)
            expected = _ids(sample for sample in samples if specification.is_satisfied_by(sample))
            assert await self._found(uow_factory, samples, specification, specification_of) == expected, rule
        async with uow_factory() as uow:  # each example would search through the rows of all before it
            for sample in samples:
                await uow.repository(SpecificationSample).delete(sample.id)

    async def test_all_of_nothing_is_everything_and_one_of_nothing_is_nothing(
        self,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        samples = await _stored(uow_factory, [{"text": "a"}, {}])
        everything = AndSpecification[Any]()
        nothing = OrSpecification[Any]()
        assert await self._found(uow_factory, samples, everything, specification_of) == _ids(samples)
        assert await self._found(uow_factory, samples, nothing, specification_of) == set()
        assert await self._found(uow_factory, samples, ~everything, specification_of) == set()
        assert await self._found(uow_factory, samples, ~nothing, specification_of) == _ids(samples)

    @pytest.mark.parametrize("condition", [pytest.param(each, id=f"{n}-{each}") for n, each in enumerate(NONSENSE)])
    async def test_a_question_that_makes_no_sense_for_its_field_is_an_error(
        self,
        condition: Condition,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        """Not even when there is no row that could be asked."""
        async with uow_factory() as uow:
            search = await uow.repository(SpecificationSample).search(specification_of(condition))
            with pytest.raises(SpecificationError):
                await search

    @pytest.mark.parametrize("path", UNREACHABLE)
    async def test_a_path_that_leads_to_no_field_is_an_error(
        self,
        path: str,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        await _stored(uow_factory, [{"text": "a", "number": 1}])
        for operator in (_O.IS_NOT_NULL, _O.IS_NULL):
            async with uow_factory() as uow:
                search = await uow.repository(SpecificationSample).search(specification_of(Condition(path, operator)))
                with pytest.raises(SpecificationError):
                    await search

    async def test_a_misspelled_field_is_told_the_right_one(
        self,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        async with uow_factory() as uow:
            misspelled = specification_of(Condition("adress.city", _O.EQ, "Oslo"))
            search = await uow.repository(SpecificationSample).search(misspelled)
            with pytest.raises(FieldNotFoundError, match="address"):
                await search

    @pytest.mark.parametrize("operator", _TEXT_QUESTIONS)
    async def test_text_that_means_something_elsewhere_is_only_text(
        self,
        operator: SpecificationOperator,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        if operator in self.cannot:
            pytest.skip(f"declared: it cannot do {operator}")
        samples = await _stored(uow_factory, [{}, *({"text": text} for text in ODD_TEXTS)])
        asked = 0
        for text in ODD_TEXTS:
            condition = _condition_or_none("text", operator, text)
            if condition is None:
                continue  # not every text is a pattern or has a word in it
            asked += 1
            specification = specification_of(condition)
            expected = _ids(sample for sample in samples if specification.is_satisfied_by(sample))
            assert await self._found(uow_factory, samples, specification, specification_of) == expected, text
        assert asked > 0

    async def test_keys_that_mean_something_elsewhere_are_only_keys(
        self,
        uow_factory: Callable[[], UnitOfWork],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> None:
        keys = [text for text in ODD_TEXTS if _is_step(text)]
        samples = await _stored(uow_factory, [{"data": {key: key}} for key in keys])
        for key, sample in zip(keys, samples, strict=True):
            specification = specification_of(Condition(f"data.{key}", _O.EQ, key))
            assert await self._found(uow_factory, samples, specification, specification_of) == {sample.id}, key
            if _O.JSON_HAS_KEY not in self.cannot:
                specification = specification_of(Condition("data", _O.JSON_HAS_KEY, key))
                assert await self._found(uow_factory, samples, specification, specification_of) == {sample.id}, key

    async def test_a_rule_in_python_code_is_done_or_refused(self, uow_factory: Callable[[], UnitOfWork]) -> None:
        samples = await _stored(uow_factory, [{"number": 1}, {"number": 2}])
        batch = samples[0].batch
        rule = PredicateSpecification[SpecificationSample](
            lambda sample: sample.batch == batch and sample.number is not None and sample.number % 2 == 0
        )
        async with uow_factory() as uow:
            search = await uow.repository(SpecificationSample).search(rule)
            if self.runs_python_rules:
                assert _ids(await search) == {samples[1].id}
            else:
                with pytest.raises(SpecificationNotSupportedError):
                    await search

    async def _found(
        self,
        uow_factory: Callable[[], UnitOfWork],
        samples: list[SpecificationSample],
        specification: ISpecification[Any],
        specification_of: Callable[[Condition], ISpecification[Any]],
    ) -> set[str]:
        """The ids of the samples that a search finds among these."""
        among_these = specification_of(Condition("batch", _O.EQ, samples[0].batch))
        async with uow_factory() as uow:
            both = AndSpecification(among_these, specification)
            found = await (await uow.repository(SpecificationSample).search(both))
        return _ids(found)


async def _stored(uow_factory: Callable[[], UnitOfWork], fields: Iterable[dict[str, Any]]) -> list[SpecificationSample]:
    """Samples with these fields, stored, and told from all others by their batch."""
    batch = str(new_id())
    samples = [SpecificationSample(id=f"{batch}:{n:03}", batch=batch, **each) for n, each in enumerate(fields)]
    async with uow_factory() as uow:
        repository = uow.repository(SpecificationSample)
        for sample in samples:
            await repository.add(sample)
    return samples


def _ids(samples: Iterable[SpecificationSample]) -> set[str]:
    return {sample.id for sample in samples}


def _condition_or_none(field: str, operator: SpecificationOperator, text: str) -> Condition | None:
    if operator in {_O.FTS, _O.FTS_PHRASE} and not words(text):
        return None
    try:
        return Condition(field, operator, text)
    except SpecificationError:
        return None


def _is_step(text: str) -> bool:
    try:
        return len(field_steps(text)) == 1
    except SpecificationError:
        return False
