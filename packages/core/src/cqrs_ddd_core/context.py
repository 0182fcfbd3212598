"""Who and what the current work belongs to: correlation, causation, tenant, user.

One immutable ``MessageContext`` is current in each task. It is changed only as a whole and always put back: the
mediator sets it for each message, consumers and workers set it from what they received. A task started by a handler
inherits it (it is a ``ContextVar``); it is never inherited by the next message of the same task.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, NamedTuple

from cqrs_ddd_core.primitives.exceptions import TenantNotSetError
from cqrs_ddd_core.primitives.id_generator import new_id

__all__ = [
    "SYSTEM_TENANT",
    "MessageContext",
    "current_context",
    "generate_correlation_id",
    "get_causation_id",
    "get_correlation_id",
    "get_current_tenant",
    "get_current_tenant_or_none",
    "get_current_user",
    "is_system_tenant",
    "reset_context",
    "set_context",
    "system_operation",
    "use_context",
    "with_tenant_context",
]

SYSTEM_TENANT = "__system__"
"""The tenant of work that belongs to no tenant: migrations, relays, administration."""


class MessageContext(NamedTuple):
    """What the current work belongs to. Every part may be None: unknown."""

    correlation_id: str | None = None
    """The same for everything that follows from one request."""
    causation_id: str | None = None
    """The id of the message that is being handled: the direct cause of what is done now."""
    tenant_id: str | None = None
    user_id: str | None = None


_EMPTY = MessageContext()
_context: ContextVar[MessageContext] = ContextVar("cqrs_ddd_context", default=_EMPTY)

current_context: Callable[[], MessageContext] = _context.get
"""The context of the current task; all parts None when nothing was set."""


def set_context(context: MessageContext) -> Token[MessageContext]:
    """Make ``context`` current. Give the token to ``reset_context`` in a ``finally``; prefer ``use_context``."""
    return _context.set(context)


def reset_context(token: Token[MessageContext]) -> None:
    """Put back what was current before the ``set_context`` that gave ``token``."""
    _context.reset(token)


@contextmanager
def use_context(**changes: str | None) -> Generator[MessageContext]:
    """Change parts of the context within the block, then put the former context back.

    Takes the names of ``MessageContext``: ``with use_context(tenant_id="acme", user_id="ada"):``.
    """
    try:
        context = _context.get()._replace(**changes)
    except (TypeError, ValueError):
        unknown = sorted(set(changes) - set(MessageContext._fields))
        raise TypeError(f"Unknown context parts {unknown}; known: {list(MessageContext._fields)}.") from None
    token = _context.set(context)
    try:
        yield context
    finally:
        _context.reset(token)


def get_correlation_id() -> str | None:
    return _context.get().correlation_id


def get_causation_id() -> str | None:
    return _context.get().causation_id


def get_current_user() -> str | None:
    return _context.get().user_id


def generate_correlation_id() -> str:
    """A new correlation id. It is not made current; use ``use_context(correlation_id=…)`` for that."""
    return new_id()


def get_current_tenant_or_none() -> str | None:
    return _context.get().tenant_id


def get_current_tenant() -> str:
    """The current tenant. Raises ``TenantNotSetError`` when there is none."""
    tenant_id = _context.get().tenant_id
    if tenant_id is None:
        raise TenantNotSetError
    return tenant_id


def is_system_tenant() -> bool:
    return _context.get().tenant_id == SYSTEM_TENANT


@contextmanager
def with_tenant_context(tenant_id: str) -> Generator[MessageContext]:
    """Let the block belong to ``tenant_id``. Also usable around ``await``: the block is the same task."""
    if not tenant_id:
        raise ValueError("A tenant id is a text that is not empty.")
    with use_context(tenant_id=tenant_id) as context:
        yield context


def system_operation[**P, R](function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Let a coroutine function run as ``SYSTEM_TENANT``."""

    @functools.wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        with use_context(tenant_id=SYSTEM_TENANT):
            return await function(*args, **kwargs)

    return run
