"""One word, one file name: the port, its in-memory adapter and its contract suite."""

import ast
import importlib
import inspect
from pathlib import Path
from typing import Protocol

import pytest

from scripts.workspace import packages

CORE = packages()[0]
# What stands among the ports but needs no adapter in memory, and why.
WITHOUT_MEMORY_ADAPTER = {
    "bus": "the Mediator is the one implementation",
    "clock": "the protocol and the system's clock are in primitives; the virtual clock is in the testing kit",
    "event_dispatcher": "the EventDispatcher is the one implementation",
    "id_generator": "the protocol and its generators are in primitives",
    "message": "a record that crosses other ports",
    "middleware": "the middleware room is full of them",
    "query_options": "a record that crosses other ports",
    "search_result": "what a repository's search gives; its contract is part of the repository's",
    "upcaster": "a registry of the user's own functions",
    "validator": "the validation room has them",
    "worker": "the lifecycle that long-running services share",
}
# The same for contract suites.
WITHOUT_CONTRACT = {
    "aggregate_store": "the contracts of the repository, the search and the unit of work",
    "bus": "the Mediator's own tests",
    "clock": "nothing to promise but the time",
    "event_dispatcher": "the EventDispatcher's own tests",
    "id_generator": "nothing to promise but that ids differ",
    "message": "a record that crosses other ports",
    "middleware": "each middleware has tests of its own",
    "query_options": "a record that crosses other ports",
    "upcaster": "a registry of the user's own functions",
    "validator": "each validator has tests of its own",
    "worker": "each long-running service has tests of its own",
}
# Parts that several in-memory adapters share.
PARTS_OF_MEMORY_ADAPTERS = {
    "message_bus": "what publisher and consumer meet on",
    "search": "how a repository finds what a specification describes",
    "store": "what outlives the units of work",
}
# Contract suites of something that is no port, and the package whose tests run them.
CONTRACTS_BEYOND_PORTS = {
    "specification": "cqrs-ddd-specifications",  # the vocabulary of conditions, which that package evaluates in memory
}


def _modules(*room: str) -> set[str]:
    folder = CORE.source.joinpath(*room)
    return {file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")}


def _contract_names(folder: Path) -> set[str]:
    """The contract classes that a folder defines."""
    return {
        node.name
        for file in folder.glob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Contract")
    }


PORTS = sorted(_modules("ports"))


@pytest.mark.parametrize("port", PORTS)
def test_a_port_has_an_in_memory_adapter_of_the_same_name(port: str) -> None:
    assert (port in _modules("adapters", "memory")) != (port in WITHOUT_MEMORY_ADAPTER)


@pytest.mark.parametrize("port", PORTS)
def test_a_port_has_a_contract_suite_of_the_same_name(port: str) -> None:
    assert (port in _modules("testing", "contracts")) != (port in WITHOUT_CONTRACT)


def test_adapters_and_contracts_are_for_ports() -> None:
    assert _modules("adapters", "memory") - set(PARTS_OF_MEMORY_ADAPTERS) <= set(PORTS)
    assert _modules("testing", "contracts") - set(CONTRACTS_BEYOND_PORTS) <= set(PORTS)
    assert set(WITHOUT_MEMORY_ADAPTER) | set(WITHOUT_CONTRACT) <= set(PORTS), "an exemption for a port that is gone"


@pytest.mark.parametrize("port", PORTS)
def test_a_port_is_a_protocol_that_can_be_checked_at_run_time_and_says_what_it_promises(port: str) -> None:
    module = importlib.import_module(f"{CORE.module}.ports.{port}")
    protocols = [
        each
        for _name, each in inspect.getmembers(module, inspect.isclass)
        if each.__module__ == module.__name__ and getattr(each, "_is_protocol", False)
    ]
    for protocol in protocols:
        assert getattr(protocol, "_is_runtime_protocol", False), f"{protocol.__name__} lacks @runtime_checkable"
        assert inspect.getdoc(protocol) not in {None, inspect.getdoc(Protocol)}, f"{protocol.__name__} promises nothing"


def test_every_in_memory_adapter_is_importable_from_one_place() -> None:
    room = importlib.import_module(f"{CORE.module}.adapters.memory")
    for name in sorted(_modules("adapters", "memory") - set(PARTS_OF_MEMORY_ADAPTERS)):
        module = importlib.import_module(f"{room.__name__}.{name}")
        adapters = {
            each
            for each in vars(module)
            if each.startswith("InMemory") and vars(module)[each].__module__ == module.__name__
        }
        assert adapters, f"{module.__name__} has no class named InMemory…"
        assert adapters <= set(room.__all__)


def test_the_in_memory_adapters_pass_every_contract() -> None:
    wanted = _contract_names(CORE.source / "testing" / "contracts")
    used: set[str] = set()
    provers = [CORE, *(each for each in packages() if each.distribution in CONTRACTS_BEYOND_PORTS.values())]
    for file in (file for package in provers for file in (package.folder / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                used |= {base.id for base in node.bases if isinstance(base, ast.Name)}
                used |= {
                    base.value.id
                    for base in node.bases
                    if isinstance(base, ast.Subscript) and isinstance(base.value, ast.Name)
                }
    assert wanted <= used, f"no test of core runs {', '.join(sorted(wanted - used))}"
