"""Hooks: one pipeline for the process, which watches and does not decide."""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from cqrs_ddd_core.instrumentation import (
    HookRegistry,
    InstrumentationHook,
    get_hook_registry,
    notify,
    set_hook_registry,
)

type Next = Callable[[], Awaitable[Any]]


@pytest.fixture
def registry() -> Iterator[HookRegistry]:
    """A registry of its own for the process, as long as the test lasts."""
    registry = HookRegistry()
    former = set_hook_registry(registry)
    yield registry
    set_hook_registry(former)


class Recorder:
    def __init__(self, name: str = "", log: list[str] | None = None) -> None:
        self.name, self.log = name, [] if log is None else log

    async def __call__(self, operation: str, attributes: Any, next_handler: Next, /) -> Any:
        self.log.append(f"{self.name}>{operation}")
        try:
            return await next_handler()
        finally:
            self.log.append(f"{self.name}<{operation}")


class Operation:
    """Something that counts how often it was run."""

    def __init__(self, result: Any = "result", error: BaseException | None = None) -> None:
        self.runs, self.result, self.error = 0, result, error

    async def __call__(self) -> Any:
        self.runs += 1
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return self.result


async def test_without_hooks_the_registry_is_falsy_and_operations_run(registry: HookRegistry) -> None:
    operation = Operation()
    assert not registry
    assert not registry.active
    assert await registry.execute_all("uow.commit", {}, operation) == "result"
    assert operation.runs == 1


async def test_hooks_stand_around_each_other_by_priority_then_registration(registry: HookRegistry) -> None:
    log: list[str] = []
    for name, priority in (("late", 10), ("first", -5), ("second", 0), ("third", 0)):
        registry.register(Recorder(name, log), priority=priority)
    await registry.execute_all("op", {}, Operation())
    assert log == ["first>op", "second>op", "third>op", "late>op", "late<op", "third<op", "second<op", "first<op"]


async def test_a_hook_that_is_registered_twice_runs_once_as_registered_last(registry: HookRegistry) -> None:
    recorder = Recorder()
    registry.register(recorder, operations=["a.*"])
    registry.register(recorder, operations=["b.*"])
    assert len(registry) == 1
    await registry.execute_all("a.x", {}, Operation())
    await registry.execute_all("b.x", {}, Operation())
    assert recorder.log == [">b.x", "<b.x"]


async def test_patterns_choose_operations(registry: HookRegistry) -> None:
    recorder = Recorder()
    registry.register(recorder, operations=["uow.*", "event.dispatch.Order*"])
    for operation in ("uow.commit", "uow", "event.dispatch.OrderCreated", "event.dispatch.Paid", "UOW.commit"):
        await registry.execute_all(operation, {}, Operation())
    assert [line for line in recorder.log if line.startswith(">")] == [">uow.commit", ">event.dispatch.OrderCreated"]


async def test_message_types_choose_messages_and_their_subclasses(registry: HookRegistry) -> None:
    class Base: ...

    class Sub(Base): ...

    class Other: ...

    recorder = Recorder()
    registry.register(recorder, message_types=[Base])
    for attributes in ({"message_type": Base}, {"message_type": Sub}, {"message_type": Other}, {}):
        await registry.execute_all(str(attributes), attributes, Operation())
    assert len(recorder.log) == 6
    assert not any("Other" in line for line in recorder.log)


async def test_a_predicate_chooses_by_attributes_and_a_failing_one_only_costs_its_hook(
    registry: HookRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, broken = Recorder("ok"), Recorder("broken")
    registry.register(recorder, predicate=lambda operation, attributes: attributes.get("size", 0) > 1)
    registry.register(broken, predicate=lambda operation, attributes: attributes["absent"])
    operation = Operation()
    await registry.execute_all("small", {"size": 1}, operation)
    await registry.execute_all("large", {"size": 2}, operation)
    assert recorder.log == ["ok>large", "ok<large"]
    assert broken.log == []
    assert operation.runs == 2
    assert "predicate" in caplog.text


async def test_a_registration_can_be_switched_off_and_on(registry: HookRegistry) -> None:
    recorder = Recorder()
    registration = registry.register(recorder)
    registration.enabled = False
    await registry.execute_all("one", {}, Operation())
    registration.enabled = True
    await registry.execute_all("two", {}, Operation())
    assert recorder.log == [">two", "<two"]


async def test_unregistered_hooks_see_nothing(registry: HookRegistry) -> None:
    one, two = Recorder(), Recorder()
    registry.register(one)
    registry.register(two)
    registry.unregister(one)
    registry.unregister(one)
    assert registry.active
    await registry.execute_all("op", {}, Operation())
    registry.clear()
    assert not registry.active
    assert (one.log, two.log) == ([], [">op", "<op"])


class TestOutcome:
    """The operation runs once, and what comes of it is its own."""

    async def test_a_hook_that_fails_before_the_operation_does_not_stop_it(
        self, registry: HookRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def failing(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            raise LookupError("metrics are down")

        outer, inner, operation = Recorder("outer"), Recorder("inner"), Operation()
        registry.register(outer, priority=-1)
        registry.register(failing)
        registry.register(inner, priority=1)
        assert await registry.execute_all("op", {}, operation) == "result"
        assert operation.runs == 1
        assert (outer.log, inner.log) == (["outer>op", "outer<op"], ["inner>op", "inner<op"])
        assert "metrics are down" in caplog.text

    async def test_a_hook_that_fails_after_the_operation_does_not_fail_it(
        self, registry: HookRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def failing(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            await next_handler()
            raise LookupError("metrics are down")

        operation = Operation()
        registry.register(failing)
        assert await registry.execute_all("op", {}, operation) == "result"
        assert operation.runs == 1
        assert "metrics are down" in caplog.text

    async def test_a_hook_that_forgets_to_go_on_is_passed_over(
        self, registry: HookRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def forgetful(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            return None

        operation = Operation()
        registry.register(forgetful)
        assert await registry.execute_all("uow.commit", {}, operation) == "result"
        assert operation.runs == 1
        assert "did not go on with uow.commit" in caplog.text

    async def test_a_hook_cannot_run_an_operation_twice(
        self, registry: HookRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def eager(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            await next_handler()
            return await next_handler()

        operation = Operation()
        registry.register(eager)
        assert await registry.execute_all("op", {}, operation) == "result"
        assert operation.runs == 1
        assert "is not run again" in caplog.text

    async def test_a_hook_cannot_change_the_result(self, registry: HookRegistry) -> None:
        async def liar(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            await next_handler()
            return "something else"

        registry.register(liar)
        assert await registry.execute_all("op", {}, Operation()) == "result"

    async def test_the_error_of_the_operation_passes_every_hook_unlogged(
        self, registry: HookRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        recorder = Recorder()
        error = ValueError("no")
        registry.register(recorder)
        registry.register(Recorder())
        with pytest.raises(ValueError, match="no") as caught:
            await registry.execute_all("op", {}, Operation(error=error))
        assert caught.value is error
        assert recorder.log == [">op", "<op"]
        assert caplog.text == ""

    async def test_a_hook_cannot_swallow_the_error_of_the_operation(self, registry: HookRegistry) -> None:
        async def optimist(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            try:
                return await next_handler()
            except ValueError:
                return "all is well"

        registry.register(optimist)
        with pytest.raises(ValueError, match="no"):
            await registry.execute_all("op", {}, Operation(error=ValueError("no")))

    async def test_an_error_that_a_hook_raises_instead_is_logged_and_the_true_one_goes_on(
        self, registry: HookRegistry, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def translator(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            try:
                return await next_handler()
            except ValueError as error:
                raise LookupError("translated") from error

        registry.register(translator)
        with pytest.raises(ValueError, match="no"):
            await registry.execute_all("op", {}, Operation(error=ValueError("no")))
        assert "translated" in caplog.text

    async def test_cancellation_passes_every_hook(self, registry: HookRegistry) -> None:
        recorder = Recorder()
        registry.register(recorder)
        started = asyncio.Event()

        async def endless() -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(registry.execute_all("op", {}, endless))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert recorder.log == [">op", "<op"]

    async def test_a_hook_that_leaves_the_operation_behind_is_an_error(self, registry: HookRegistry) -> None:
        release = asyncio.Event()
        tasks: list[asyncio.Task[Any]] = []

        async def impatient(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            tasks.append(asyncio.ensure_future(next_handler()))
            await asyncio.sleep(0)

        registry.register(impatient)
        with pytest.raises(RuntimeError, match="returned before op had ended"):
            await registry.execute_all("op", {}, release.wait)
        release.set()
        await asyncio.gather(*tasks)


class TestProcess:
    async def test_a_hook_from_start_up_sees_tasks_and_contexts_that_were_there_before(
        self, registry: HookRegistry
    ) -> None:
        go, recorder = asyncio.Event(), Recorder()

        async def request() -> None:
            await go.wait()
            await get_hook_registry().execute_all("request", {}, Operation())

        early = asyncio.create_task(request(), context=contextvars.Context())

        async def start_up() -> None:
            registry.register(recorder)

        await asyncio.create_task(start_up(), context=contextvars.Context())
        go.set()
        await early
        await asyncio.create_task(request(), context=contextvars.Context())
        assert recorder.log == [">request", "<request"] * 2

    async def test_a_hook_that_comes_or_goes_meanwhile_does_not_disturb_an_operation_on_its_way(
        self, registry: HookRegistry
    ) -> None:
        inner = Recorder("inner")

        async def changing(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            registry.clear()
            return await next_handler()

        registry.register(changing)
        registry.register(inner)
        assert await registry.execute_all("op", {}, Operation()) == "result"
        assert inner.log == ["inner>op", "inner<op"]

    def test_the_protocol_is_recognised(self) -> None:
        assert isinstance(Recorder(), InstrumentationHook)


class TestNotify:
    async def test_hooks_are_told_later_and_nobody_waits(
        self, registry: HookRegistry, until: Callable[[Callable[[], Any]], Awaitable[None]]
    ) -> None:
        recorder = Recorder()
        registry.register(recorder)
        notify("cache.hit", {"key": "x"})
        assert recorder.log == []
        await until(lambda: len(recorder.log) == 2)
        assert recorder.log == [">cache.hit", "<cache.hit"]

    async def test_a_failing_hook_is_logged(
        self,
        registry: HookRegistry,
        caplog: pytest.LogCaptureFixture,
        until: Callable[[Callable[[], Any]], Awaitable[None]],
    ) -> None:
        async def failing(operation: str, attributes: Any, next_handler: Next, /) -> Any:
            raise LookupError("metrics are down")

        registry.register(failing)
        with caplog.at_level(logging.ERROR):
            notify("cache.hit", {})
            await until(lambda: "metrics are down" in caplog.text)

    def test_outside_of_an_event_loop_it_does_nothing(self, registry: HookRegistry) -> None:
        recorder = Recorder()
        registry.register(recorder)
        notify("cache.hit", {})
        assert recorder.log == []
