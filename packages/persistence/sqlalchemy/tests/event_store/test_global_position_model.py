"""The protocol of global positions, in a model small enough to try every interleaving.

``docs/global-position.md`` has the argument in words. Here appenders and a reader are programs of a few steps, and
every order in which their steps can happen is tried. What must hold: nothing is committed at a position that the reader
has left behind. That the model sees what goes wrong is shown by protocols that differ in one detail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import pytest

_NOBODY: Final = 10**6
"""Greater than any floor: nobody holds a lock."""
_AHEAD: Final = 32
"""How far what nextval writes to the log, for a crash, is ahead of what it gives."""


_ONE: Final = ("floor", "lock", "draw", "commit", "release")
"""The transaction of an appender of one event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Who does what in which order."""

    appender: tuple[str, ...] = ("floor", "lock", "draw", "draw", "commit", "release")
    reader: tuple[str, ...] = ("newest", "lowest", "snapshot")
    cache: int = 1
    """How many positions a session takes from the sequence at once."""


@dataclass(frozen=True, slots=True)
class Appender:
    step: int = 0
    floor: int = 0
    locked: bool = False
    positions: tuple[int, ...] = ()
    cached: tuple[int, ...] = ()
    """Positions that were taken from the sequence and not used yet."""


@dataclass(frozen=True, slots=True)
class Reader:
    step: int = 0
    newest: int = 0
    lowest: int = _NOBODY
    snapshot: frozenset[int] = frozenset()
    position: int = 0
    """Up to here it has read everything, as it believes."""


@dataclass(frozen=True, slots=True)
class State:
    appenders: tuple[Appender, ...]
    reader: Reader = Reader()
    last: int = 0
    """The last value of the sequence; 0 before the first draw."""
    shown: int = 0
    """What somebody reads who does not wait for the lock of the sequence's buffer."""
    writing: int | None = None
    """Who holds that lock."""
    committed: frozenset[int] = frozenset()


class Missed(Exception):
    """An event was committed behind the reader's back, or it was there and was passed by."""


def explore(protocol: Protocol, appenders: int) -> int:
    """Try everything that can happen; gives the number of states. Raises ``Missed``."""
    start = State((Appender(),) * appenders)
    known = {start}
    waiting = [start]
    while waiting:
        for state in _next(waiting.pop(), protocol):
            if state not in known:
                known.add(state)
                waiting.append(state)
    return len(known)


def _next(state: State, protocol: Protocol) -> Iterator[State]:
    for number, appender in enumerate(state.appenders):
        if appender.step < len(protocol.appender):
            yield from _appends(state, number, appender, protocol)
    yield _reads(state, protocol)


def _appends(  # noqa: C901 - one branch for each kind of step
    state: State, number: int, appender: Appender, protocol: Protocol
) -> Iterator[State]:
    def becomes(after: Appender, **changes: object) -> State:
        others = (*state.appenders[:number], after, *state.appenders[number + 1 :])
        return replace(state, appenders=others, **changes)  # type: ignore[arg-type]

    what = protocol.appender[appender.step]
    after = replace(appender, step=appender.step + 1)
    if what == "floor":
        yield becomes(replace(after, floor=state.shown))
    elif what == "lock":
        yield becomes(replace(after, locked=True))
    elif what == "lock what was drawn":
        yield becomes(replace(after, floor=appender.positions[0], locked=True))
    elif what == "log":
        if state.writing is None:
            yield becomes(after, writing=number, shown=state.last + _AHEAD)
    elif what == "draw" and appender.cached:
        position, *rest = appender.cached
        yield becomes(replace(after, cached=tuple(rest), positions=(*appender.positions, position)))
    elif what == "draw":
        if state.writing in {None, number}:
            position, *rest = range(state.last + 1, state.last + 1 + protocol.cache)
            last = state.last + protocol.cache
            drawn = replace(after, cached=tuple(rest), positions=(*appender.positions, position))
            yield becomes(drawn, last=last, shown=last, writing=None)
    elif what == "commit":
        if any(position <= state.reader.position for position in appender.positions):
            raise Missed(state)
        yield becomes(replace(after, positions=()), committed=state.committed | set(appender.positions))
    else:
        yield becomes(replace(after, locked=False))
    # Rolled back or killed: the server ends the transaction, and then lets go of its locks.
    if state.writing != number and what not in {"floor", "release"}:
        yield becomes(Appender(step=len(protocol.appender)))


def _reads(state: State, protocol: Protocol) -> State:
    reader = state.reader
    what = protocol.reader[reader.step]
    after = replace(reader, step=reader.step + 1)
    if what == "newest":
        after = replace(after, newest=state.shown)
    elif what == "lowest":
        floors = (appender.floor for appender in state.appenders if appender.locked)
        after = replace(after, lowest=min(floors, default=_NOBODY))
    else:
        after = replace(after, snapshot=state.committed)
    if after.step == len(protocol.reader):
        final = min(after.newest, after.lowest)
        if final > reader.position:
            passed = {position for position in state.committed if reader.position < position <= final}
            if passed - after.snapshot:
                raise Missed(state)
            reader = replace(reader, position=final)
        after = Reader(position=reader.position)
    return replace(state, reader=after)


def test_nothing_is_missed_whatever_the_order_of_steps() -> None:
    assert explore(Protocol(), appenders=2) > 1_000
    assert explore(Protocol(appender=_ONE), appenders=3) > 10_000
    assert explore(Protocol(appender=_ONE * 2), appenders=2) > 1_000


def test_an_appender_may_read_its_floor_long_before_it_locks_it() -> None:
    """Between the two others may draw as much as they like: a floor that is too low holds readers back, no more."""
    assert explore(Protocol(appender=("floor", "lock", "draw", "draw", "draw", "commit", "release")), appenders=2)


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Protocol(reader=("lowest", "newest", "snapshot")), id="the reader looks for locks first"),
        pytest.param(Protocol(reader=("snapshot", "newest", "lowest")), id="the reader opens its snapshot first"),
        pytest.param(Protocol(reader=("newest", "snapshot", "lowest")), id="the reader looks for locks last"),
        pytest.param(Protocol(reader=("newest", "snapshot")), id="the reader does not look for locks"),
        pytest.param(
            Protocol(appender=("floor", "draw", "lock", "commit", "release")), id="the appender locks after drawing"
        ),
        pytest.param(
            Protocol(appender=("draw", "lock what was drawn", "commit", "release")),
            id="the appender locks the position that it drew",
        ),
        pytest.param(
            Protocol(appender=("floor", "lock", "draw", "release", "commit")), id="the lock goes before the commit"
        ),
        pytest.param(Protocol(appender=_ONE * 2, cache=2), id="a session draws several positions at once"),
        pytest.param(
            Protocol(appender=("floor", "lock", "log", "draw", "commit", "release")),
            id="the sequence is read while it is written",
        ),
    ],
)
def test_a_protocol_that_differs_in_one_detail_misses_events(protocol: Protocol) -> None:
    with pytest.raises(Missed):
        explore(protocol, appenders=3)
