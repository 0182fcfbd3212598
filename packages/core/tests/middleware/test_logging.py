"""One line for each message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from cqrs_ddd_core import Command, Query
from cqrs_ddd_core.context import use_context
from cqrs_ddd_core.middleware import LoggingMiddleware, ValidatorMiddleware
from cqrs_ddd_core.primitives.exceptions import (
    DomainError,
    EntityNotFoundError,
    OptimisticConcurrencyError,
    ValidationError,
)


class Pay(Command[str]):
    card: str = "4111-secret"
    fails: Any = None


class Outer(Command[str]):
    swallows: bool = False
    fails: Any = None


class Look(Query[str]):
    card: str = "4111-secret"


async def pay(command: Pay) -> str:
    if command.fails is not None:
        raise command.fails
    return "paid with 4111-secret"


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """What the middleware has logged."""
    records: list[Any] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger("cqrs_ddd_core.middleware.logging"), Keeping()
    former = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(former)


async def test_a_message_has_one_line_with_fields(mediate: Any, lines: list[Any]) -> None:
    command = Pay(correlation_id="c-1")
    with use_context(tenant_id="acme"):
        await mediate({Pay: pay}, LoggingMiddleware()).send(command)
    [line] = lines
    assert line.getMessage().startswith("Pay succeeded in ")
    assert line.levelno == logging.INFO
    assert (line.message_type, line.message_id, line.correlation_id, line.tenant_id) == (
        "Pay",
        command.command_id,
        "c-1",
        "acme",
    )
    assert (line.outcome, line.nested, line.error_type) == ("succeeded", False, None)
    assert line.duration_ms >= 0


async def test_a_query_has_one_too(mediate: Any, lines: list[Any]) -> None:
    query = Look()
    await mediate({Look: pay_nothing}, LoggingMiddleware()).send(query)
    [line] = lines
    assert (line.message_type, line.message_id, line.outcome) == ("Look", query.query_id, "succeeded")


async def pay_nothing(query: Any) -> str:
    return "nothing"


@pytest.mark.parametrize(
    ("error", "outcome", "level"),
    [
        (DomainError("the account is closed"), "refused", logging.WARNING),
        (EntityNotFoundError("Account", "1"), "refused", logging.WARNING),
        (ValidationError({"card": ["expired"]}), "refused", logging.WARNING),
        (OptimisticConcurrencyError("Account", "1", 1, 2), "conflict", logging.WARNING),
        (RuntimeError("boom"), "failed", logging.ERROR),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_a_failure_is_logged_once_and_a_refusal_at_a_lower_level(
    mediate: Any, lines: list[Any], error: Exception, outcome: str, level: int
) -> None:
    with pytest.raises(type(error)):
        await mediate({Pay: pay}, LoggingMiddleware()).send(Pay(fails=error))
    [line] = lines
    assert (line.outcome, line.levelno, line.error_type) == (outcome, level, type(error).__name__)
    assert (line.exc_info is not None) == (level == logging.ERROR)
    assert (str(error) in line.getMessage()) == (level == logging.WARNING)


async def test_the_content_of_a_message_is_never_logged(
    mediate: Any, lines: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    mediator = mediate({Pay: pay, Look: pay_nothing}, LoggingMiddleware(), ValidatorMiddleware())
    await mediator.send(Pay())
    await mediator.send(Look())
    with pytest.raises(ValidationError):
        await mediator.send(Pay.model_construct(card=["4111-secret"], fails=None, command_id="1", correlation_id="2"))
    assert len(lines) == 3
    assert "4111" not in caplog.text
    assert all("4111" not in str(vars(line)) for line in lines)


async def test_a_nested_failure_is_an_error_only_once(mediate: Any, lines: list[Any]) -> None:
    async def outer(command: Outer) -> str:
        try:
            return str((await mediator.send(Pay(fails=command.fails))).result)
        except RuntimeError:
            if not command.swallows:
                raise
            return "went on"

    mediator = mediate({Pay: pay, Outer: outer}, LoggingMiddleware())
    with pytest.raises(RuntimeError):
        await mediator.send(Outer(fails=RuntimeError("boom")))
    assert [(line.message_type, line.nested, line.levelno, line.exc_info is None) for line in lines] == [
        ("Pay", True, logging.INFO, True),
        ("Outer", False, logging.ERROR, False),
    ]
    lines.clear()
    await mediator.send(Outer(fails=RuntimeError("boom"), swallows=True))
    assert [(line.outcome, line.levelno) for line in lines] == [("failed", logging.INFO), ("succeeded", logging.INFO)]


async def test_a_cancelled_message_is_logged_and_the_cancellation_goes_on(mediate: Any, lines: list[Any]) -> None:
    async def hang(command: Pay) -> str:
        await asyncio.Event().wait()
        return ""

    sending = asyncio.create_task(mediate({Pay: hang}, LoggingMiddleware()).send(Pay()))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    [line] = lines
    assert (line.outcome, line.levelno, line.exc_info) == ("cancelled", logging.INFO, None)


async def test_a_logger_may_be_given(mediate: Any, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("shop.messages")
    caplog.set_level(logging.INFO, logger="shop.messages")
    await mediate({Pay: pay}, LoggingMiddleware(logger)).send(Pay())
    assert [record.name for record in caplog.records] == ["shop.messages"]
