import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cqrs_ddd_core.primitives import IClock, SystemClock, get_clock, use_clock, utc_now
from cqrs_ddd_core.testing import VirtualClock, run_in_virtual_time

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_the_clock_stands_still_until_it_is_moved() -> None:
    with VirtualClock(START) as clock:
        assert utc_now() == utc_now() == START
        assert clock.advance(timedelta(minutes=2)) == START + timedelta(minutes=2)
        assert clock.advance(0.5) == utc_now() == START + timedelta(minutes=2, seconds=0.5)
    assert isinstance(get_clock(), SystemClock)


def test_the_clock_is_put_back_after_an_error_and_when_nested() -> None:
    with VirtualClock(START) as outer:
        with pytest.raises(KeyError), VirtualClock():
            raise KeyError
        assert get_clock() is outer
        with outer:
            assert get_clock() is outer
        assert get_clock() is outer


def test_the_clock_is_a_clock_port() -> None:
    clock = VirtualClock(START)
    assert isinstance(clock, IClock)
    with use_clock(clock):
        assert utc_now() == START


def test_the_clock_speaks_utc_and_wants_a_time_zone() -> None:
    assert VirtualClock(START.astimezone(timezone(timedelta(hours=5)))).now().tzinfo is UTC
    with pytest.raises(ValueError, match="needs a time zone"):
        VirtualClock(datetime(2026, 3, 1))  # noqa: DTZ001 - the mistake


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="does not run backwards"):
        VirtualClock().advance(-1)


async def test_sleeping_lets_time_pass_and_others_run() -> None:
    seen: list[datetime] = []

    async def note_the_time() -> None:
        await asyncio.sleep(0)
        seen.append(utc_now())

    with VirtualClock(START) as clock:
        task = asyncio.create_task(note_the_time())
        await clock.sleep(timedelta(hours=1))
        assert seen == [START + timedelta(hours=1)]
        await task


def test_in_virtual_time_nobody_waits() -> None:
    order: list[str] = []

    async def after(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        order.append(name)

    async def main() -> timedelta:
        began = utc_now()
        await asyncio.gather(after(3600, "an hour"), after(86400, "a day"), after(1, "a second"))
        return utc_now() - began

    began = time.monotonic()
    passed = run_in_virtual_time(main())
    assert time.monotonic() - began < 3600
    assert order == ["a second", "an hour", "a day"]
    assert timedelta(days=1) <= passed < timedelta(days=1, seconds=1)


def test_in_virtual_time_timeouts_end_when_they_should() -> None:
    async def main() -> datetime:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        async with asyncio.timeout(60):
            await asyncio.sleep(59)
        return utc_now()

    clock = VirtualClock(START)
    assert timedelta(seconds=119) <= run_in_virtual_time(main(), clock=clock) - START < timedelta(seconds=120)
    assert clock.now() > START
    assert isinstance(get_clock(), SystemClock)


def test_in_virtual_time_threads_are_waited_for() -> None:
    async def main() -> str:
        return await asyncio.to_thread(lambda: "from a thread")

    assert run_in_virtual_time(main()) == "from a thread"


def test_an_error_comes_out_of_virtual_time() -> None:
    async def main() -> None:
        await asyncio.sleep(10)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        run_in_virtual_time(main())


def test_waiting_for_what_never_happens_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cqrs_ddd_core.testing.clock._STUCK_AFTER", 0.01)

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="something that will never happen"):
        run_in_virtual_time(main())
