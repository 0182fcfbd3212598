import pytest

from cqrs_ddd_core import AggregateRoot
from cqrs_ddd_core.primitives import IIDGenerator, UUID7Generator, get_id_generator, new_id
from cqrs_ddd_core.testing import SequentialIdGenerator


def test_ids_count_up() -> None:
    with SequentialIdGenerator() as ids:
        assert [new_id(), new_id(), ids.next_id()] == ["id-1", "id-2", "id-3"]
    assert isinstance(get_id_generator(), UUID7Generator)


def test_ids_have_the_form_that_was_asked_for() -> None:
    ids = SequentialIdGenerator("order-", start=9, width=3)
    assert [ids.next_id(), ids.next_id()] == ["order-009", "order-010"]


def test_the_former_generator_is_put_back_after_an_error() -> None:
    with SequentialIdGenerator("outer-"):
        with pytest.raises(KeyError), SequentialIdGenerator():
            raise KeyError
        assert new_id() == "outer-1"


def test_it_can_be_given_to_an_aggregate() -> None:
    class Parcel(AggregateRoot[str]):
        collection_name = "sequential_parcels"

    ids = SequentialIdGenerator("parcel-")
    assert isinstance(ids, IIDGenerator)
    parcel = Parcel(id_generator=ids)  # pyright: ignore[reportCallIssue]  # checkers see the fields of a model only
    assert parcel.id == "parcel-1"
