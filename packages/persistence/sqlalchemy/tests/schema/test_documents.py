"""The tables of documents."""

from __future__ import annotations

import pytest

from cqrs_ddd_core import AggregateRoot, ConfigurationError
from cqrs_ddd_persistence_sqlalchemy import Tables


class KeptLetter(AggregateRoot[str]):
    pass


class KeptOutbox(AggregateRoot[str]):
    collection_name = "outbox"


class KeptAnything(AggregateRoot):  # type: ignore[type-arg]
    pass


def test_a_collection_has_a_table_of_its_own() -> None:
    tables = Tables(prefix="shop_")
    assert tables.documents(KeptLetter).fullname == "shop_kept_letters"
    assert tables.documents(KeptLetter) is tables.documents(KeptLetter)


def test_a_collection_named_like_a_table_of_the_toolkit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"KeptOutbox would be kept in cqrs_ddd_outbox.*collection_name"):
        Tables().documents(KeptOutbox)


def test_an_id_of_no_declared_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="wanted is str, int or UUID"):
        Tables().documents(KeptAnything)
