"""What ports are given, checked by all adapters in the same way and the same words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cqrs_ddd_core.context import get_current_tenant_or_none

__all__ = ["as_utc", "at_least", "longer_than_nothing", "tenant_of_record"]


def at_least(least: int, value: int, name: str) -> int:
    """``value``. Raises ``ValueError`` below ``least``."""
    if value < least:
        raise ValueError(f"{name} is a whole number from {least}, found {value!r}.")
    return value


def longer_than_nothing(duration: timedelta, name: str) -> timedelta:
    """``duration``. Raises ``ValueError`` unless it is longer than zero."""
    if duration <= timedelta(0):
        raise ValueError(f"{name} is a time longer than zero, found {duration!r}.")
    return duration


def as_utc(time: datetime, name: str) -> datetime:
    """The same moment in UTC. Raises ``ValueError`` for a time without a zone: nobody knows which moment it means."""
    if time.tzinfo is None:
        raise ValueError(f"{name} needs a time zone, found {time!r}. Write datetime.now(UTC), or use utc_now().")
    return time.astimezone(UTC)


def tenant_of_record(tenant_id: str | None, what: str) -> str | None:
    """The current tenant, to which a record that is stored now belongs.

    Raises ``ValueError`` when the record says that it belongs to another one.
    """
    current = get_current_tenant_or_none()
    if tenant_id is not None and tenant_id != current:
        raise ValueError(
            f"{what} belongs to tenant {tenant_id!r}, the current tenant is {current!r}. "
            f"Store it inside 'with with_tenant_context({tenant_id!r}):'."
        )
    return current
