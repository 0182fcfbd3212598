"""The same command twice: executed once, answered twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from cqrs_ddd_core.cqrs.event_serializer import EventSerializer
from cqrs_ddd_core.cqrs.mediator import has_committed
from cqrs_ddd_core.cqrs.message import Command
from cqrs_ddd_core.cqrs.response import CommandResponse
from cqrs_ddd_core.middleware.nesting import enclosing_unit_of_work
from cqrs_ddd_core.middleware.stored_response import StoredResponseFormat, fingerprint, with_list_of_events
from cqrs_ddd_core.ports.idempotency import IIdempotencyStore
from cqrs_ddd_core.ports.middleware import NextHandler, Stage
from cqrs_ddd_core.ports.unit_of_work import ensure_joined, get_current_uow
from cqrs_ddd_core.primitives.exceptions import (
    IdempotencyConflictError,
    IdempotencyKeyReusedError,
)

__all__ = ["IdempotencyMiddleware"]

logger = logging.getLogger(__name__)

_MOST_RACES = 3
"""How often a command starts again because a command nested in it was answered by somebody else at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sending:
    """One command on its way: what its answer will be stored under."""

    key: str
    fingerprint: str
    format: StoredResponseFormat


_sendings: ContextVar[Mapping[IdempotencyMiddleware, _Sending | None]] = ContextVar("cqrs_ddd_idempotent_sendings")
"""What the present command is protected by; None says that it is not."""


class IdempotencyMiddleware:
    """Executes a command once, however often it is sent, and gives every sender the same response.

    The answer is stored under a key in the commit of the command: either both exist or neither does. A command with
    a key that has an answer runs nothing, no handler and no lock. Of two senders at the same time one executes; the
    other gets that answer. A command that failed has no answer and may be sent again. Tenants have keys of their own.

    ``key`` gives the key of a command, by default its ``command_id``; None means that the command is not protected::

        IdempotencyMiddleware(store, key=lambda command: getattr(command, "idempotency_key", None))

    A key that comes again with another command, or with other content, is a mistake of the sender
    (``IdempotencyKeyReusedError``). A result that cannot be stored, and a store that would not take part in the unit
    of work of the command, are refused with ``PipelineError``.
    """

    stage: Final = Stage.AROUND
    priority: Final = 40

    def __init__(
        self,
        store: IIdempotencyStore,
        *,
        key: Callable[[Any], str | None] | None = None,
        serializer: EventSerializer | None = None,
    ) -> None:
        self.store = store
        self.companions = (_AnswerRecorder(self),)
        self._key = key
        self._serializer = EventSerializer() if serializer is None else serializer
        self._formats: dict[type[Any], StoredResponseFormat] = {}

    def describe(self) -> str:
        key = "command_id" if self._key is None else getattr(self._key, "__qualname__", "key")
        return f"runs nothing if {type(self.store).__name__} has the answer; by {key}"

    def applies_to(self, message_type: type[Any]) -> bool:
        if not _is_command(message_type):
            return False
        if self._key is None:
            self._format(message_type)  # a result that cannot be stored is refused now, and not by the first sender
        return True

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        sending = self._sending(message)
        answer = None if sending is None else await self.find_answer(sending, message)
        if answer is not None:
            return answer
        token = _sendings.set({**_sendings.get({}), self: sending})
        try:
            if sending is None:
                return await next_handler(message)
            return await self._execute(sending, message, next_handler)
        finally:
            _sendings.reset(token)

    def _sending(self, message: Any) -> _Sending | None:
        key: str | None = message.command_id if self._key is None else self._key(message)
        if key is None:
            return None
        return _Sending(key=key, fingerprint=fingerprint(message), format=self._format(message.__class__))

    async def find_answer(self, sending: _Sending, message: Any) -> CommandResponse[Any] | None:
        """The response that was given before. Raises ``IdempotencyKeyReusedError`` when it was to something else."""
        record = await self.store.find(sending.key)
        if record is None:
            return None
        if record.message_type != message.message_type:
            raise IdempotencyKeyReusedError(
                sending.key,
                f"it was used for {record.message_type}, and now for {message.message_type}. Use a new key.",
            )
        if record.fingerprint != sending.fingerprint:
            raise IdempotencyKeyReusedError(
                sending.key,
                f"it was used for a {record.message_type} with other content. Use a new key for a new command.",
            )
        return sending.format.load(record)

    async def _execute(self, sending: _Sending, message: Any, next_handler: NextHandler) -> Any:
        nested = enclosing_unit_of_work() is not None
        races = 0
        while True:
            try:
                return await next_handler(message)
            except Exception as error:
                if has_committed():
                    raise  # it has its answer, and what failed came after
                # Whatever failed here: if the same command was answered meanwhile, that is the answer to it.
                answer = await self._answer_after(error, sending, message)
                if answer is not None:
                    return answer
                races += 1
                lost_race = isinstance(error, IdempotencyConflictError) and not isinstance(
                    error, IdempotencyKeyReusedError
                )
                if nested or not lost_race or races >= _MOST_RACES:
                    raise

    async def _answer_after(self, error: Exception, sending: _Sending, message: Any) -> CommandResponse[Any] | None:
        try:
            return await self.find_answer(sending, message)
        except IdempotencyKeyReusedError:
            raise
        except Exception:
            # The failure of the command is what the sender must see, not that of looking.
            logger.warning("No answer could be looked up after %s failed", message.message_type, exc_info=True)
            raise error from None

    def _format(self, message_type: type[Any]) -> StoredResponseFormat:
        found = self._formats.get(message_type)
        if found is None:
            found = self._formats[message_type] = StoredResponseFormat(message_type, self._serializer)
        return found


class _AnswerRecorder:
    """The part of ``IdempotencyMiddleware`` inside the transaction: what it writes is committed with the command."""

    stage: Final = Stage.INSIDE
    priority: Final = 10

    def __init__(self, middleware: IdempotencyMiddleware) -> None:
        self._middleware = middleware

    def describe(self) -> str:
        return f"stores the response in {type(self._middleware.store).__name__}"

    def applies_to(self, message_type: type[Any]) -> bool:
        return _is_command(message_type)

    async def __call__(self, message: Any, next_handler: NextHandler, /) -> Any:
        sending = _sendings.get({}).get(self._middleware)
        if sending is None:
            return await next_handler(message)
        store = self._middleware.store
        ensure_joined(store, get_current_uow(), "an answer must be stored if, and only if, the command is committed")
        # Again, because the same command may have been handled while this one waited for its locks.
        answer = await self._middleware.find_answer(sending, message)
        if answer is not None:
            return answer
        response = with_list_of_events(await next_handler(message))
        await store.save(sending.format.store(sending.key, sending.fingerprint, response))
        return response


def _is_command(message_type: type[Any]) -> bool:
    return issubclass(message_type, Command)
