"""Which method applies which event, and what is refused."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pydantic import Field

from cqrs_ddd_advanced_core.event_sourcing import EventSourcedAggregate, applies, event_handlers_of
from cqrs_ddd_core import AggregateRoot, DomainEvent
from cqrs_ddd_core.primitives.exceptions import (
    EventHandlerError,
    InvalidEventHandlerError,
    MissingEventHandlerError,
    StrictValidationViolationError,
)


class LampMoved(DomainEvent):
    pass


class LampLit(DomainEvent):
    pass


class LampLitBrightly(LampLit):
    pass


class LampSold(DomainEvent):
    pass


class Lamp(EventSourcedAggregate[str]):
    seen: list[str] = Field(default_factory=list[str])


def _apply(lamp: Any, *events: DomainEvent) -> list[str]:
    for event in events:
        event_handlers_of(type(lamp)).find(type(event))(lamp, event)
    return lamp.seen  # type: ignore[no-any-return]


def test_methods_are_found_by_class_name_snake_case_and_mark() -> None:
    class ByName(Lamp):
        def apply_LampMoved(self, event: LampMoved) -> None:
            self.seen.append("camel")

        def apply_lamp_lit(self, event: LampLit) -> None:
            self.seen.append("snake")

        @applies(LampSold)
        def _end(self, event: LampSold) -> None:
            self.seen.append("mark")

    assert _apply(ByName.begin("1"), LampMoved(), LampLit(), LampSold()) == ["camel", "snake", "mark"]


def test_the_nearest_class_of_the_event_counts() -> None:
    class Near(Lamp):
        def apply_LampLit(self, event: LampLit) -> None:
            self.seen.append("lit")

        def apply_event(self, event: DomainEvent) -> None:
            self.seen.append("any")

    class Nearer(Near):
        def apply_LampLitBrightly(self, event: LampLitBrightly) -> None:
            self.seen.append("brightly")

    assert _apply(Near.begin("1"), LampLitBrightly(), LampSold()) == ["lit", "any"]
    assert _apply(Nearer.begin("1"), LampLitBrightly(), LampLit()) == ["brightly", "lit"]


def test_one_method_may_apply_several_events() -> None:
    class Several(Lamp):
        @applies(LampMoved, LampSold)
        @applies(LampLit)
        def changed(self, event: DomainEvent) -> None:
            self.seen.append(event.event_type)

    assert _apply(Several.begin("1"), LampMoved(), LampLit(), LampSold()) == ["LampMoved", "LampLit", "LampSold"]


def test_a_subclass_overrides_what_its_base_marked() -> None:
    class Base(Lamp):
        @applies(LampLit)
        def light(self, event: LampLit) -> None:
            self.seen.append("base")

    class Overriding(Base):
        def light(self, event: LampLit) -> None:
            self.seen.append("same name")

    class Marking(Base):
        @applies(LampLit)
        def other(self, event: LampLit) -> None:
            self.seen.append("other name")

    assert _apply(Overriding.begin("1"), LampLit()) == ["same name"]
    assert _apply(Marking.begin("1"), LampLit()) == ["other name"]


def test_two_methods_for_one_event_are_refused() -> None:
    class Twice(Lamp):
        def apply_LampLit(self, event: LampLit) -> None: ...
        def apply_lamp_lit(self, event: LampLit) -> None: ...

    with pytest.raises(InvalidEventHandlerError, match="apply_lamp_lit applies LampLit too"):
        event_handlers_of(Twice).find(LampLit)

    class Marked(Lamp):
        @applies(LampLit)
        def first(self, event: LampLit) -> None: ...

        @applies(LampLit)
        def second(self, event: LampLit) -> None: ...

    with pytest.raises(InvalidEventHandlerError, match="first applies LampLit too"):
        event_handlers_of(Marked)


def test_a_coroutine_cannot_apply_events() -> None:
    class Waiting(Lamp):
        async def apply_LampLit(self, event: LampLit) -> None: ...

    with pytest.raises(InvalidEventHandlerError, match=r"Waiting.apply_LampLit: it is a coroutine"):
        event_handlers_of(Waiting)


def test_a_method_takes_the_event_and_nothing_else() -> None:
    class Greedy(Lamp):
        def apply_LampLit(self, event: LampLit, more: int) -> None: ...

    with pytest.raises(InvalidEventHandlerError, match="write it as \\(self, event\\)"):
        event_handlers_of(Greedy)


def test_a_result_that_would_be_lost_is_refused() -> None:
    class Copying(Lamp):
        def apply_LampLit(self, event: LampLit) -> Any:
            return self.model_copy(update={"seen": ["lit"]})

        def apply_LampMoved(self, event: LampMoved) -> Any:
            return self

    with pytest.raises(InvalidEventHandlerError, match="it returned a Copying"):
        _apply(Copying.begin("1"), LampLit())
    _apply(Copying.begin("1"), LampMoved())


def test_a_class_that_applies_nothing_is_refused() -> None:
    class Silent(Lamp):
        def apply_discount(self, percent: int, reason: str) -> None: ...

    with pytest.raises(EventHandlerError, match="Silent cannot be event-sourced"):
        event_handlers_of(Silent).check()
    with pytest.raises(EventHandlerError, match="cannot be event-sourced"):
        event_handlers_of(AggregateRoot[str]).check()


def test_a_method_for_an_event_that_does_not_exist_is_refused() -> None:
    class Misspelt(Lamp):
        def apply_LampLitt(self, event: LampLit) -> None: ...

    with pytest.raises(InvalidEventHandlerError, match=r"there is no event LampLitt\. Did you mean 'LampLit'"):
        event_handlers_of(Misspelt).check()


def test_declared_events_need_methods() -> None:
    class Declaring(Lamp):
        event_types: ClassVar = (LampLit, LampSold)

        def apply_LampLit(self, event: LampLit) -> None: ...

    with pytest.raises(MissingEventHandlerError, match="LampSold"):
        event_handlers_of(Declaring).check()

    class Falling(Declaring):
        def apply_event(self, event: DomainEvent) -> None: ...

    event_handlers_of(Falling).check()

    class Strict(Falling):
        strict_event_handlers: ClassVar = True

    with pytest.raises(StrictValidationViolationError, match="apply_LampSold"):
        event_handlers_of(Strict).check()

    class Wrong(Lamp):
        event_types: ClassVar[Any] = [LampLit]

    with pytest.raises(EventHandlerError, match="event_types is a tuple of event classes"):
        event_handlers_of(Wrong).check()


def test_the_mark_takes_event_classes() -> None:
    with pytest.raises(TypeError, match="@applies takes event classes"):
        applies()
    with pytest.raises(TypeError, match="@applies takes event classes"):
        applies(Lamp)  # type: ignore[arg-type]
