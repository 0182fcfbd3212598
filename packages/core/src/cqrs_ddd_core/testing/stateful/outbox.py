"""An outbox against a model of it: keys, leases, failures, dead letters, and time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, override

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from cqrs_ddd_core.ports.message import MessageEnvelope
from cqrs_ddd_core.ports.outbox import IOutboxStorage, OutboxMessage, OutboxStatus
from cqrs_ddd_core.ports.unit_of_work import UnitOfWork
from cqrs_ddd_core.primitives.clock import utc_now
from cqrs_ddd_core.primitives.exceptions import OutboxError
from cqrs_ddd_core.testing.adapter_contract import undone, undone_savepoint
from cqrs_ddd_core.testing.stateful.async_machine import AsyncStateMachine

__all__ = ["OutboxMachine"]

_KEYS = st.tuples(st.sampled_from([None, "acme"]), st.sampled_from([None, "a", "a", "b"]))
"""Tenant and key."""
_SHORT, _LONG = timedelta(seconds=10), timedelta(days=1)
_MESSAGES = st.lists(st.tuples(_KEYS, st.booleans()), min_size=1, max_size=4)
"""Of each message: tenant and key, and whether it is for later."""


@dataclass
class _Modelled:
    """What the model knows of one message."""

    message_id: str
    key: tuple[str | None, str | None]
    available_at: datetime
    status: OutboxStatus = OutboxStatus.PENDING
    attempts: int = 0
    lease: str | None = None
    leased_until: datetime | None = None

    def is_leased(self, now: datetime) -> bool:
        return self.leased_until is not None and self.leased_until > now

    def settle(self, status: OutboxStatus = OutboxStatus.PENDING, attempts: int | None = None) -> None:
        self.status, self.lease, self.leased_until = status, None, None
        if attempts is not None:
            self.attempts = attempts


class OutboxMachine(AsyncStateMachine):
    """Derive from it, give ``open_outbox``, and let pytest find ``YourMachine.TestCase``."""

    moves_time: ClassVar[bool] = False
    """``pass_time`` moves the store's clock, and nothing else does. Then leases run out and retries become due."""

    outbox: IOutboxStorage
    uow_factory: Callable[[], UnitOfWork]

    async def open_outbox(self) -> tuple[IOutboxStorage, Callable[[], UnitOfWork]]:
        """An empty outbox, and what makes units of work on its database."""
        raise NotImplementedError("open_outbox() gives the outbox and a factory of units of work")

    async def pass_time(self, duration: timedelta) -> None:
        """Move the store's clock, where ``moves_time`` says so."""
        raise NotImplementedError("a machine that moves time says how")

    @override
    async def open(self) -> None:
        self.outbox, self.uow_factory = await self.open_outbox()
        self.messages: dict[str, _Modelled] = {}
        """In the order in which they were added."""
        self.given: list[OutboxMessage] = []
        """Everything that was ever leased, as it was given."""
        self.made = 0

    # ------------------------------------------------------------------ the model

    def _free(self, now: datetime) -> Iterator[_Modelled]:
        held_back: set[tuple[str | None, str | None]] = set()
        for message in self.messages.values():
            if message.status is not OutboxStatus.PENDING or message.key in held_back:
                continue
            if message.is_leased(now) or message.available_at > now:
                if message.key[1] is not None:
                    held_back.add(message.key)
                continue
            yield message

    def _later(self) -> datetime:
        """A time that comes when the machine says so, or not at all."""
        return utc_now() + (_SHORT if self.moves_time else _LONG)

    def _make(self, drawn: Sequence[tuple[tuple[str | None, str | None], bool]]) -> list[OutboxMessage]:
        messages: list[OutboxMessage] = []
        for (tenant_id, key), is_for_later in drawn:
            self.made += 1
            envelope = MessageEnvelope(
                message_type="Happened",
                payload={"number": self.made},
                message_id=f"message-{self.made}",
                key=key,
                tenant_id=tenant_id,
            )
            available_at = self._later() if is_for_later else utc_now() - _SHORT
            messages.append(OutboxMessage(topic="things", envelope=envelope, available_at=available_at))
        return messages

    def _added(self, messages: Sequence[OutboxMessage]) -> None:
        for message in messages:
            key = (message.tenant_id, message.key)
            self.messages[message.message_id] = _Modelled(message.message_id, key, message.available_at)

    def _holds(self, message: OutboxMessage) -> bool | None:
        """Whether this lease can be settled; None where it has run out and nobody has taken the message since."""
        known = self.messages.get(message.message_id)
        if known is None or known.lease is None or known.lease != message.lease:
            return False
        return True if known.is_leased(utc_now()) else None

    def _pick(self, numbers: Sequence[int]) -> list[OutboxMessage]:
        """Leased messages, lately leased ones first; each once."""
        picked = [self.given[-1 - number % len(self.given)] for number in numbers]
        return list({message.message_id: message for message in picked}.values())

    # ------------------------------------------------------------------ rules

    @rule(drawn=_MESSAGES)
    def add(self, drawn: list[tuple[tuple[str | None, str | None], bool]]) -> None:
        """Without a unit of work."""
        messages = self._make(drawn)
        self.run(self.outbox.add(messages))
        self._added(messages)

    @rule(first=_MESSAGES, undone_part=_MESSAGES, last=_MESSAGES, commits=st.booleans())
    def add_in_a_unit_of_work(
        self,
        first: list[tuple[tuple[str | None, str | None], bool]],
        undone_part: list[tuple[tuple[str | None, str | None], bool]],
        last: list[tuple[tuple[str | None, str | None], bool]],
        commits: bool,  # noqa: FBT001 - drawn
    ) -> None:
        """With a savepoint that is taken back; committed or rolled back."""
        kept, gone, more = self._make(first), self._make(undone_part), self._make(last)

        async def add() -> None:
            async with self.uow_factory() if commits else undone(self.uow_factory()) as uow:
                await self.outbox.add(kept)
                async with undone_savepoint(uow):
                    await self.outbox.add(gone)
                await self.outbox.add(more)

        self.run(add())
        if commits:
            self._added([*kept, *more])

    @precondition(lambda self: self.messages)
    @rule(drawn=_MESSAGES, number=st.integers(0, 1000))
    def add_a_message_again(self, drawn: list[tuple[tuple[str | None, str | None], bool]], number: int) -> None:
        """Nothing is added then."""
        known = list(self.messages)[number % len(self.messages)]
        again = OutboxMessage(
            topic="things", envelope=MessageEnvelope(message_type="Happened", payload={}, message_id=known)
        )

        async def add() -> bool:
            try:
                await self.outbox.add([*self._make(drawn), again])
            except OutboxError:
                return False
            return True

        assert self.run(add()) is False

    @rule(limit=st.integers(1, 6), is_short=st.booleans())
    def lease(self, limit: int, is_short: bool) -> None:  # noqa: FBT001 - drawn
        """Exactly the oldest ones that are free."""
        hold = _SHORT if is_short and self.moves_time else _LONG
        now = utc_now()
        expected = [message for message, _ in zip(self._free(now), range(limit), strict=False)]
        leased = self.run(self.outbox.lease(limit, hold=hold))
        assert [message.message_id for message in leased] == [message.message_id for message in expected]
        for message, known in zip(leased, expected, strict=True):
            assert message.attempts == known.attempts
            assert message.lease is not None
            known.lease, known.leased_until = message.lease, now + hold
        self.given += leased

    @precondition(lambda self: self.given)
    @rule(numbers=st.lists(st.integers(0, 8), min_size=1, max_size=4))
    def publish(self, numbers: list[int]) -> None:
        """Those whose lease was lost stay as they are."""
        messages = self._pick(numbers)
        settled = set(self.run(self.outbox.mark_published(messages)))
        for message in messages:
            holds = self._holds(message)
            assert holds is None or (message.message_id in settled) is holds
            if message.message_id in settled:
                self.messages[message.message_id].settle(OutboxStatus.PUBLISHED)

    @precondition(lambda self: self.given)
    @rule(number=st.integers(0, 8), then=st.sampled_from(["at once", "later", "never"]))
    def fail(self, number: int, then: str) -> None:
        """Again at once, again later, or dead."""
        (message,) = self._pick([number])
        holds = self._holds(message)
        retry_at = {"at once": utc_now() - _SHORT, "later": self._later(), "never": None}[then]
        settled = self.run(self.outbox.mark_failed(message, "no", retry_at=retry_at))
        assert holds is None or settled is holds
        if settled:
            known = self.messages[message.message_id]
            known.settle(OutboxStatus.DEAD if retry_at is None else OutboxStatus.PENDING, known.attempts + 1)
            known.available_at = retry_at or known.available_at

    @precondition(lambda self: self.given)
    @rule(numbers=st.lists(st.integers(0, 8), min_size=1, max_size=4))
    def release(self, numbers: list[int]) -> None:
        """Lost leases are ignored."""
        messages = self._pick(numbers)
        held = [message for message in messages if self._holds(message) is not False]
        self.run(self.outbox.release(messages))
        for message in held:
            self.messages[message.message_id].settle()

    @precondition(lambda self: self.messages)
    @rule(numbers=st.lists(st.integers(0, 1000), max_size=3), discards=st.booleans())
    def operate(self, numbers: list[int], discards: bool) -> None:  # noqa: FBT001 - drawn
        """Replay or discard: dead messages only."""
        ids = [list(self.messages)[number % len(self.messages)] for number in numbers]
        dead = {message_id for message_id in ids if self.messages[message_id].status is OutboxStatus.DEAD}
        changed = self.run(self.outbox.discard(ids) if discards else self.outbox.replay(ids))
        assert changed == len(dead)
        for message_id in dead:
            if discards:
                del self.messages[message_id]
            else:
                self.messages[message_id].settle(attempts=0)
                self.messages[message_id].available_at = utc_now()

    @rule(limit=st.integers(1, 4))
    def purge(self, limit: int) -> None:
        """Published messages only; all of them are from before tomorrow."""
        published = [message for message in self.messages.values() if message.status is OutboxStatus.PUBLISHED]
        gone = self.run(self.outbox.purge(published_before=utc_now() + _LONG, limit=limit))
        assert gone == min(limit, len(published))
        if gone < len(published):
            # Which ones it took first is the store's affair; the model goes on without any of them.
            self.run(self.outbox.purge(published_before=utc_now() + _LONG, limit=len(published)))
        for message in published:
            del self.messages[message.message_id]

    @precondition(lambda self: self.moves_time)
    @rule(seconds=st.sampled_from([1, 5, 11]))
    def let_time_pass(self, seconds: int) -> None:
        """Leases run out, and what waits becomes due."""
        self.run(self.pass_time(timedelta(seconds=seconds)))

    @invariant()
    def the_states_agree(self) -> None:
        """Everything is in the state in which the model has it."""
        statistics = self.run(self.outbox.statistics())
        now = utc_now()
        pending = [message for message in self.messages.values() if message.status is OutboxStatus.PENDING]
        dead = [message for message in self.messages.values() if message.status is OutboxStatus.DEAD]
        assert statistics.pending == len(pending)
        assert statistics.leased == sum(message.is_leased(now) for message in pending)
        assert statistics.dead == len(dead)
        assert statistics.published == len(self.messages) - len(pending) - len(dead)
        letters = self.run(self.outbox.dead_letters(limit=1000))
        assert [letter.message_id for letter in letters] == [message.message_id for message in dead]
        assert [letter.attempts for letter in letters] == [message.attempts for message in dead]

    @override
    async def close(self) -> None:
        """Whatever was done: what is not leased and is due can still leave, each key in order."""
        if self.moves_time:
            await self.pass_time(_LONG * 2)
        expected = [message.message_id for message in self._free(utc_now())]
        left: list[str] = []
        while batch := await self.outbox.lease(3, hold=_LONG):
            left += await self.outbox.mark_published(batch)
        assert sorted(left) == sorted(expected)
        for key in {message.key for message in self.messages.values() if message.key[1] is not None}:
            assert [each for each in left if self.messages[each].key == key] == [
                each for each in expected if self.messages[each].key == key
            ]
