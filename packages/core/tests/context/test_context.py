"""Who and what the current work belongs to: set as a whole, always put back, never leaking."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from cqrs_ddd_core.context import (
    SYSTEM_TENANT,
    MessageContext,
    current_context,
    generate_correlation_id,
    get_causation_id,
    get_correlation_id,
    get_current_tenant,
    get_current_tenant_or_none,
    get_current_user,
    is_system_tenant,
    reset_context,
    set_context,
    system_operation,
    use_context,
    with_tenant_context,
)
from cqrs_ddd_core.primitives.exceptions import TenantNotSetError


def test_at_first_everything_is_unknown() -> None:
    assert current_context() == MessageContext(None, None, None, None)
    assert (get_correlation_id(), get_causation_id(), get_current_tenant_or_none(), get_current_user()) == (None,) * 4


def test_a_token_puts_back_what_was_there() -> None:
    outer = set_context(MessageContext(correlation_id="c-1", tenant_id="acme"))
    inner = set_context(MessageContext(correlation_id="c-2"))
    assert (get_correlation_id(), get_current_tenant_or_none()) == ("c-2", None)
    reset_context(inner)
    assert (get_correlation_id(), get_current_tenant()) == ("c-1", "acme")
    reset_context(outer)
    assert current_context() == MessageContext()


def test_a_token_works_once() -> None:
    token = set_context(MessageContext())
    reset_context(token)
    with pytest.raises(RuntimeError):
        reset_context(token)


def test_parts_are_changed_within_a_block_and_put_back_when_it_fails() -> None:
    with use_context(correlation_id="c-1", user_id="ada") as outer:
        with pytest.raises(LookupError), use_context(tenant_id="acme", user_id=None) as inner:  # noqa: PT012
            assert inner == MessageContext("c-1", None, "acme", None)
            raise LookupError
        assert current_context() == outer == MessageContext("c-1", None, None, "ada")
    assert current_context() == MessageContext()


@pytest.mark.parametrize("names", [{"tenant": "acme"}, {"correlation_id": "c", "corelation_id": "c"}])
def test_a_misspelt_part_is_named(names: dict[str, Any]) -> None:
    expected = r"Unknown context parts \['(tenant|corelation_id)'\]; known: \['correlation_id'"
    with pytest.raises(TypeError, match=expected), use_context(**names):
        pass
    assert current_context() == MessageContext()


async def test_a_task_inherits_the_context_and_cannot_change_that_of_its_parent() -> None:
    async def child() -> MessageContext:
        inherited = current_context()
        set_context(MessageContext(correlation_id="child"))
        return inherited

    with use_context(correlation_id="parent"):
        assert (await asyncio.create_task(child())).correlation_id == "parent"
        assert get_correlation_id() == "parent"


async def test_tasks_side_by_side_do_not_see_each_other() -> None:
    async def work(name: str) -> list[str | None]:
        seen: list[str | None] = []
        with use_context(correlation_id=name, tenant_id=name):
            for _ in range(5):
                await asyncio.sleep(0)
                seen += [get_correlation_id(), get_current_tenant()]
        seen.append(get_correlation_id())
        return seen

    names = [f"request-{number}" for number in range(20)]
    for name, seen in zip(names, await asyncio.gather(*map(work, names)), strict=True):
        assert seen == [name] * 10 + [None]


def test_a_tenant_is_required_where_it_is_asked_for_by_name() -> None:
    with pytest.raises(TenantNotSetError, match="with_tenant_context"):
        get_current_tenant()
    with with_tenant_context("acme") as context:
        assert context.tenant_id == get_current_tenant() == "acme"
    with pytest.raises(ValueError, match="not empty"), with_tenant_context(""):
        pass


async def test_a_decorated_operation_runs_as_the_system_and_keeps_its_face() -> None:
    @system_operation
    async def migrate(steps: int, *, dry: bool = False) -> tuple[str, int, bool]:
        """Move on."""
        return get_current_tenant(), steps, dry

    with use_context(tenant_id="acme", correlation_id="c"):
        assert await migrate(3, dry=True) == (SYSTEM_TENANT, 3, True)
        assert get_current_tenant() == "acme"
        assert not is_system_tenant()
    assert (migrate.__name__, migrate.__doc__) == ("migrate", "Move on.")


async def test_a_failing_system_operation_puts_the_tenant_back() -> None:
    @system_operation
    async def fail() -> None:
        assert is_system_tenant()
        raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert get_current_tenant_or_none() is None


def test_a_generated_correlation_id_is_new_and_not_made_current() -> None:
    assert generate_correlation_id() != generate_correlation_id()
    assert get_correlation_id() is None


async def test_a_block_in_a_generator_that_somebody_else_closes_does_not_break() -> None:
    async def batches() -> AsyncGenerator[str]:
        with use_context(tenant_id="acme"):
            yield get_current_tenant()

    stream = batches()
    assert await anext(stream) == "acme"
    await stream.aclose()
    assert get_current_tenant_or_none() is None
