"""The lifecycle of everything long-running."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, override

import pytest

from cqrs_ddd_core.ports.worker import IBackgroundWorker
from cqrs_ddd_core.primitives.exceptions import ConfigurationError
from cqrs_ddd_core.testing import VirtualClock, record_operations, run_in_virtual_time
from cqrs_ddd_core.worker import Worker

type Until = Callable[[Callable[[], Any]], Awaitable[None]]


class Counting(Worker):
    """Counts its rounds; ``answers`` are what they give, then False."""

    def __init__(self, *answers: bool | Exception, **settings: Any) -> None:
        super().__init__("counting", **settings)
        self.answers = list(answers)
        self.rounds = 0

    @override
    async def work(self) -> bool:
        self.rounds += 1
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer


class Slow(Worker):
    """A round that lasts until it is told to end."""

    def __init__(self) -> None:
        super().__init__("slow")
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.settled = 0
        self.let_go = 0

    @override
    async def work(self) -> bool:
        self.began.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.let_go += 1
            raise
        self.settled += 1
        return False


def test_it_is_a_background_worker() -> None:
    assert isinstance(Counting(), IBackgroundWorker)


async def test_it_works_while_its_block_lasts(until: Until) -> None:
    worker = Counting()
    assert not worker.is_running
    assert worker.last_heartbeat is None
    async with worker:
        assert worker.is_running
        await until(lambda: worker.rounds)
        assert worker.last_heartbeat is not None
    assert not worker.is_running


async def test_rounds_follow_at_once_while_there_is_more(until: Until) -> None:
    worker = Counting(True, True, True, poll_interval=3600)
    async with worker:
        await until(lambda: worker.rounds == 4)
        for _ in range(10):
            await asyncio.sleep(0)
        assert worker.rounds == 4


async def test_starting_twice_runs_one_loop() -> None:
    worker = Slow()
    await worker.start()
    await worker.start()
    await worker.began.wait()
    assert sum(task.get_name() == "slow" for task in asyncio.all_tasks()) == 1
    worker.go_on.set()
    await worker.stop()


async def test_its_tasks_have_names() -> None:
    worker = Slow()
    async with worker:
        await worker.began.wait()
        assert {"slow", "slow: round"} <= {task.get_name() for task in asyncio.all_tasks()}
        worker.go_on.set()


async def test_stopping_twice_or_without_a_start_does_nothing() -> None:
    worker = Counting()
    await worker.stop()
    await worker.start()
    await worker.stop()
    await worker.stop()
    assert not worker.is_running


async def test_it_can_be_started_again(until: Until) -> None:
    worker = Counting()
    for _ in range(3):
        before = worker.rounds
        async with worker:
            await until(lambda before=before: worker.rounds > before)


def test_it_can_be_started_again_in_another_event_loop(until: Until) -> None:
    worker = Counting()

    async def run() -> None:
        before = worker.rounds
        async with worker:
            await until(lambda: worker.rounds > before)
            worker.trigger()
            await until(lambda: worker.rounds > before + 1)

    asyncio.run(run())
    asyncio.run(run())


async def test_stop_before_the_first_round_runs_no_round() -> None:
    worker = Counting()
    await worker.start()
    await worker.stop()
    assert worker.rounds == 0


async def test_stop_lets_the_round_in_hand_finish() -> None:
    worker = Slow()
    await worker.start()
    await worker.began.wait()
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    assert worker.stopping
    assert not stopping.done()
    worker.go_on.set()
    await stopping
    assert (worker.settled, worker.let_go) == (1, 0)


async def test_a_stop_that_is_cancelled_cancels_the_round(until: Until) -> None:
    worker = Slow()
    await worker.start()
    await worker.began.wait()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await worker.stop()
    await until(lambda: not worker.is_running)
    assert (worker.settled, worker.let_go) == (0, 1)


async def test_a_round_may_stop_its_own_worker(until: Until) -> None:
    class Once(Worker):
        @override
        async def work(self) -> bool:
            await self.stop()
            return True

    worker = Once("once")
    await worker.start()
    await until(lambda: not worker.is_running)


async def test_run_works_in_the_callers_task_until_stop(until: Until) -> None:
    worker = Counting()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(worker.run())
        await until(lambda: worker.rounds)
        assert worker.is_running
        await worker.stop()
    assert running.done()
    assert not worker.is_running


async def test_run_refuses_a_second_loop() -> None:
    worker = Slow()
    await worker.start()
    with pytest.raises(ConfigurationError, match="slow runs already"):
        await worker.run()
    running = asyncio.create_task(asyncio.sleep(0))
    await running
    worker.go_on.set()
    await worker.stop()


async def test_the_first_cancel_settles_the_round_in_hand_and_is_not_swallowed() -> None:
    worker = Slow()
    running = asyncio.create_task(worker.run())
    await worker.began.wait()
    running.cancel()
    await asyncio.sleep(0.01)
    assert not running.done()
    worker.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (worker.settled, worker.let_go) == (1, 0)
    assert not worker.is_running


async def test_the_second_cancel_lets_go_of_the_round_in_hand() -> None:
    worker = Slow()
    running = asyncio.create_task(worker.run())
    await worker.began.wait()
    running.cancel()
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (worker.settled, worker.let_go) == (0, 1)


async def test_a_cancel_while_waiting_ends_it_at_once(until: Until) -> None:
    worker = Counting(poll_interval=3600)
    running = asyncio.create_task(worker.run())
    await until(lambda: worker.rounds)
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(not task.get_name().startswith("counting") for task in asyncio.all_tasks())


async def test_a_trigger_wakes_it_at_once(until: Until) -> None:
    worker = Counting(poll_interval=3600)
    async with worker:
        for round_number in range(1, 4):
            await until(lambda expected=round_number: worker.rounds == expected)
            await asyncio.sleep(0)
            worker.trigger()
        await until(lambda: worker.rounds == 4)


async def test_a_trigger_during_a_round_leads_to_another_round() -> None:
    worker = Slow()
    async with worker:
        await worker.began.wait()
        worker.trigger()
        worker.began.clear()
        worker.go_on.set()
        await asyncio.wait_for(worker.began.wait(), 10)


def test_it_polls_when_nobody_wakes_it() -> None:
    async def scenario() -> int:
        worker = Counting(poll_interval=10.0)
        async with worker:
            await asyncio.sleep(35)
        return worker.rounds

    assert run_in_virtual_time(scenario()) == 4


def test_a_wait_that_returns_at_once_makes_no_hot_loop() -> None:
    class Eager(Counting):
        @override
        async def wait(self) -> None:
            pass

    async def scenario() -> int:
        worker = Eager()
        async with worker:
            await asyncio.sleep(1.0)
        return worker.rounds

    assert run_in_virtual_time(scenario()) <= 21


def test_a_failing_round_is_repeated_with_a_growing_delay_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    times: list[float] = []

    class Failing(Worker):
        @override
        async def work(self) -> bool:
            times.append(asyncio.get_running_loop().time())
            if len(times) <= 10:
                raise ValueError("the database is away")
            return False

    async def scenario() -> Failing:
        worker = Failing("failing", error_delay=0.1, max_error_delay=5.0)
        async with worker:
            await until_time(30.0)
            assert worker.consecutive_failures == 0
            assert worker.last_error is None
        return worker

    caplog.set_level(logging.INFO, logger="cqrs_ddd_core.worker")
    run_in_virtual_time(scenario())
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    for attempt, gap in enumerate(gaps[:10]):
        delay = min(5.0, 0.1 * 2**attempt)
        assert delay * 0.5 <= gap <= delay * 1.01
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert caplog.records[0].exc_info is not None
    assert "10 times" in caplog.records[1].getMessage()


async def until_time(seconds: float) -> None:
    await asyncio.sleep(seconds - asyncio.get_running_loop().time())


def test_a_trigger_does_not_shorten_the_delay_after_a_failure() -> None:
    async def scenario() -> int:
        worker = Counting(*[ValueError("no")] * 100, error_delay=10.0)
        async with worker:
            await asyncio.sleep(1.0)
            for _ in range(20):
                worker.trigger()
                await asyncio.sleep(0.1)
        return worker.rounds

    assert run_in_virtual_time(scenario()) == 1


def test_stop_ends_the_delay_after_a_failure() -> None:
    async def scenario() -> float:
        worker = Counting(ValueError("no"), error_delay=1000.0, max_error_delay=1000.0)
        await worker.start()
        await asyncio.sleep(1.0)
        await worker.stop()
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(scenario()) < 2.0


def test_a_wait_that_fails_is_a_failure_with_a_growing_delay(caplog: pytest.LogCaptureFixture) -> None:
    class Deaf(Counting):
        @override
        async def wait(self) -> None:
            raise ConnectionError("LISTEN failed")

    async def scenario() -> int:
        worker = Deaf(error_delay=1.0, max_error_delay=8.0)
        async with worker:
            await asyncio.sleep(60.0)
            assert isinstance(worker.last_error, ConnectionError)
        return worker.rounds

    # 60 s hold at most 16 delays of 0.5, 1, 2, 4, 4, 4 … s.
    assert 8 <= run_in_virtual_time(scenario()) <= 17
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_round_that_is_cancelled_from_within_does_not_end_the_worker(until: Until) -> None:
    class Confused(Counting):
        @override
        async def work(self) -> bool:
            await super().work()
            if self.rounds == 1:
                raise asyncio.CancelledError
            return False

    worker = Confused(error_delay=0.001)
    async with worker:
        await until(lambda: worker.rounds >= 2)
        assert worker.is_running


async def test_a_worker_that_dies_says_so(until: Until, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Counting):
        @override
        async def run(self) -> None:
            raise ConnectionError("no route")

    worker = Broken()
    await worker.start()
    await until(lambda: not worker.is_running)
    await asyncio.sleep(0)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("CRITICAL", "counting has died")]
    await worker.stop()


async def test_the_heartbeat_follows_the_clock_of_the_process(until: Until) -> None:
    with VirtualClock() as clock:
        worker = Counting(poll_interval=3600)
        async with worker:
            await until(lambda: worker.rounds == 1)
            clock.advance(60)
            worker.trigger()
            await until(lambda: worker.rounds == 2)
            await asyncio.sleep(0)
            assert worker.last_heartbeat == clock.now()


async def test_hooks_see_every_round(until: Until) -> None:
    worker = Counting()
    with record_operations("worker.*") as recorder:
        async with worker:
            await until(lambda: recorder.operations)
    assert recorder.operations[0].name == "worker.round.counting"
    assert recorder.operations[0].attributes == {"worker.name": "counting"}


@pytest.mark.parametrize("setting", ["poll_interval", "error_delay", "max_error_delay"])
def test_times_are_above_zero(setting: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting} is a number of seconds above 0, found 0"):
        Counting(**{setting: 0})


async def test_no_task_is_left_when_it_is_cancelled_at_any_moment() -> None:
    """Cancelled after n steps of the loop, for every n of its first rounds, it ends and leaves nothing."""
    for steps in range(40):
        worker = Counting(True, False, ValueError("no"), True, poll_interval=0.001, error_delay=0.001)
        running = asyncio.create_task(worker.run())
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not worker.is_running
        left = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("counting")]
        assert not left, f"after {steps} steps"
