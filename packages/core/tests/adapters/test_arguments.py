"""What ports are given is checked in the same words everywhere."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cqrs_ddd_core.adapters.arguments import as_utc, at_least, longer_than_nothing, tenant_of_record
from cqrs_ddd_core.context import with_tenant_context


def test_a_number_must_be_large_enough() -> None:
    assert at_least(1, 1, "limit") == 1
    with pytest.raises(ValueError, match="limit is a whole number from 1, found 0"):
        at_least(1, 0, "limit")


def test_a_duration_must_be_longer_than_nothing() -> None:
    assert longer_than_nothing(timedelta.resolution, "hold") == timedelta.resolution
    with pytest.raises(ValueError, match="hold is a time longer than zero"):
        longer_than_nothing(timedelta(0), "hold")


def test_a_time_of_any_zone_becomes_utc() -> None:
    time = as_utc(datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))), "created_at")
    assert time == datetime(2026, 1, 1, tzinfo=UTC)
    assert time.tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="created_at needs a time zone"):
        as_utc(datetime(2026, 1, 1), "created_at")  # noqa: DTZ001 - that is the mistake


def test_a_record_belongs_to_the_current_tenant() -> None:
    assert tenant_of_record(None, "It") is None
    with with_tenant_context("acme"):
        assert tenant_of_record(None, "It") == "acme"
        assert tenant_of_record("acme", "It") == "acme"
        with pytest.raises(ValueError, match="It belongs to tenant 'other', the current tenant is 'acme'"):
            tenant_of_record("other", "It")
