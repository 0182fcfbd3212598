"""Errors: one tree, drawn as it is, and every one survives the way between processes."""

import copy
import pickle
import re
from typing import Any

import pytest

from cqrs_ddd_core import primitives
from cqrs_ddd_core.primitives import exceptions
from cqrs_ddd_core.primitives.exceptions import CQRSDDDError, ValidationError, close_matches
from cqrs_ddd_core.primitives.locking import ResourceIdentifier

ERRORS: list[type[CQRSDDDError]] = [
    value for value in vars(exceptions).values() if isinstance(value, type) and issubclass(value, CQRSDDDError)
]
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "AmbiguousAggregateError": ("o-1", ("Order", "Invoice")),
    "BlobNotFoundError": ("invoice.pdf",),
    "ConflictNotResolvedError": ("ChangeProfile", 3),
    "EntityNotFoundError": ("Order", "o-1"),
    "FieldNotFoundError": ("customer.nmae", "nmae", "Customer", ("name", "age")),
    "FieldNotQueryableError": ("lines", "it is a list"),
    "FieldPathError": ("a..b", "a name is missing"),
    "HandlerNotRegisteredError": ("operation", "Order", ("Invoice",)),
    "HandlerTimeoutError": ("PlaceOrder", 1.5),
    "IdempotencyConflictError": ("key-1", "used for another command"),
    "IllegalTransitionError": ("job", "j-1", "done", "start", ("archive",)),
    "InvalidEventHandlerError": ("Order", "apply_OrderPlaced", "it is a coroutine function"),
    "InvalidPayloadError": ("event", "OrderPlaced", "total: missing", "position 7"),
    "LeaseLostError": ("outbox message", "m-1"),
    "LockAcquisitionError": (ResourceIdentifier("Order", "1"), 2.0, "held elsewhere"),
    "LockLostError": (ResourceIdentifier("Order", "1"),),
    "MissingEventHandlerError": ("Order", "OrderPlaced", "stream o-1, version 3"),
    "MissingExtraError": ("The Redis cache", "cqrs-ddd-redis", "hiredis"),
    "OptimisticConcurrencyError": ("Order", "o-1", 2, 3),
    "ReadOnlyUnitOfWorkError": ("add Order 'o-1'",),
    "ReplayError": ("Order", "o-1", 3, "OrderPlaced", "the total is missing"),
    "SpecificationNotSupportedError": ("MongoDB", "crosses", "it has no such operator"),
    "SpecificationValueError": ("total", ">", "a number is wanted"),
    "StrictValidationViolationError": ("Order", "OrderPlaced"),
    "UndoPolicyMissingError": ("OrderPlaced", "undo", "Order"),
    "UndoRefusedError": ("t-1", "undo", ("OrderPaid at version 3",)),
    "UndoTokenExpiredError": ("t-1", "2026-01-01T00:00:00+00:00"),
    "UnknownTypeError": ("event", "OrderPlcaed", ("OrderPlaced",), "position 7"),
    "UnknownVersionError": ("event", "OrderPlaced", 3, (1, 2), "position 7"),
    "UnrecordedChangeError": ("Order", "o-1", "status was set without an event"),
    "UnstorableStateError": ("Order", "items[0].price", "declared as Money, found dict"),
    "UpcastError": ("OrderPlaced", 1, "KeyError", "position 7"),
    "UpcasterConfigurationError": ("OrderPlaced", "version 2 leads nowhere"),
    "ValidationError": ({"total": ["is negative"], "__root__": ["is too late"]},),
}


def an(error: type[CQRSDDDError]) -> CQRSDDDError:
    for cls in error.__mro__:
        if cls.__name__ in ARGUMENTS:
            return error(*ARGUMENTS[cls.__name__])
    return error("what went wrong")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_survives_pickling_and_copying_with_its_facts(error: type[CQRSDDDError]) -> None:
    raised = an(error)
    for again in (pickle.loads(pickle.dumps(raised)), copy.copy(raised), copy.deepcopy(raised)):
        assert type(again) is error
        assert str(again) == str(raised)
        assert vars(again) == vars(raised)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_text_of_an_error_is_a_sentence_with_its_facts(error: type[CQRSDDDError]) -> None:
    raised = an(error)
    text = str(raised)
    assert len(text) > 10
    for name, value in vars(raised).items():
        if isinstance(value, str) and name != "kind":
            assert value in text, f"{name} is not in {text!r}"
    assert not re.search(r"\bNone\b|<object", text)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_exported(error: type[CQRSDDDError]) -> None:
    assert error.__name__ in exceptions.__all__


def test_the_drawing_is_the_tree() -> None:
    assert exceptions.__doc__ is not None
    drawn: dict[str, str] = {}
    branch: list[str] = []
    for line in exceptions.__doc__.splitlines():
        found = re.match(r"^    ([│ ]*)(├── |└── )?(\w+Error)\b", line)
        if found is None:
            continue
        depth = 0 if found[2] is None else len(found[1]) // 4 + 1
        del branch[depth:]
        if branch:
            drawn[found[3]] = branch[-1]
        branch.append(found[3])
    actual = {error.__name__: error.__bases__[0].__name__ for error in ERRORS if error is not CQRSDDDError}
    assert drawn == actual


def test_errors_that_python_has_a_word_for_are_caught_by_it() -> None:
    for name, base in {
        "CollectionError": AttributeError,
        "HandlerTimeoutError": TimeoutError,
        "MissingExtraError": ImportError,
    }.items():
        assert issubclass(getattr(exceptions, name), base)


def test_a_validation_error_of_the_whole_message_has_no_field_in_its_text() -> None:
    assert str(ValidationError("too late")) == "too late"
    assert ValidationError("too late").errors == {"__root__": ["too late"]}
    assert str(ValidationError()) == "The message is not valid."
    assert str(ValidationError({"a": ["x", "y"]})) == "a: x; a: y"


def test_names_that_are_near_are_suggested_and_else_the_known_ones_are_listed() -> None:
    assert close_matches("ordres", ["orders", "payments"]) == " Did you mean 'orders'?"
    assert close_matches("xyz", ["orders", "payments"]) == " Known: orders, payments."
    assert close_matches("xyz", []) == ""
    assert close_matches("zzz", [f"name{number:02}" for number in range(20)]).endswith("name09, ….")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_importable_from_the_room(error: type[CQRSDDDError]) -> None:
    assert error.__name__ in primitives.__all__
    assert getattr(primitives, error.__name__) is error
