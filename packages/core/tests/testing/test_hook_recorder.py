import pytest

from cqrs_ddd_core.instrumentation import InstrumentationHook, get_hook_registry
from cqrs_ddd_core.testing import HookRecorder, record_operations


async def operate(name: str, error: Exception | None = None) -> str:
    async def work() -> str:
        if error is not None:
            raise error
        return "done"

    return await get_hook_registry().execute_all(name, {"size": 3}, work)


async def test_operations_are_recorded_with_attributes_and_errors() -> None:
    error = KeyError("x")
    with record_operations() as recorder:
        assert await operate("box.open") == "done"
        with pytest.raises(KeyError):
            await operate("box.close", error)
    assert recorder.names == ["box.open", "box.close"]
    assert recorder.operations[0].attributes == {"size": 3}
    assert recorder.operations[0].error is None
    assert recorder.operations[1].error is error


async def test_only_operations_that_fit_a_pattern_are_recorded() -> None:
    with record_operations("box.*", "lid.*") as recorder:
        for name in ("box.open", "lid.lift", "room.enter"):
            await operate(name)
    assert recorder.names == ["box.open", "lid.lift"]
    assert [operation.name for operation in recorder.matching("lid.*")] == ["lid.lift"]


async def test_the_recorder_is_gone_after_the_block() -> None:
    with record_operations() as recorder:
        pass
    assert not get_hook_registry()
    await operate("box.open")
    assert recorder.operations == []


def test_the_recorder_is_a_hook() -> None:
    assert isinstance(HookRecorder(), InstrumentationHook)
