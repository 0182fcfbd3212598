"""What ``Mediator.explain`` says."""

from __future__ import annotations

from dataclasses import dataclass

from cqrs_ddd_core.ports.middleware import Stage

__all__ = ["ExplainedStep", "Explanation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedStep:
    """One middleware in the chain of a message."""

    name: str
    stage: Stage
    priority: int
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The way of one message type, from the outside in. ``print`` it."""

    message_type: str
    kind: str
    """"command" or "query"."""
    result: str
    steps: tuple[ExplainedStep, ...]
    unit_of_work: str
    handler: str
    before_commit: tuple[str, ...]
    """Event handlers inside the transaction, as ``Event → Handler``."""
    after_commit: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.message_type} ({self.kind}) → {self.result}"]
        number = 0

        def step(depth: int, text: str) -> None:
            nonlocal number
            number += 1
            lines.append(f"{number:3}. {'   ' * depth}{text}")

        for part in self.steps:
            if part.stage is Stage.AROUND:
                step(0, _described(part))
        step(0, f"unit of work: {self.unit_of_work}")
        for part in self.steps:
            if part.stage is Stage.INSIDE:
                step(1, _described(part))
        step(1, f"handler: {self.handler}")
        if self.kind == "query":
            step(0, "nothing is committed: a query is read-only")
            return "\n".join(lines)
        for handler in self.before_commit:
            step(1, f"before the commit: {handler}")
        step(0, "commit: state, and all that is written inside, together or not at all")
        for handler in self.after_commit:
            step(0, f"after the commit: {handler}")
        step(0, "after the commit: on_commit callbacks")
        return "\n".join(lines)


def _described(part: ExplainedStep) -> str:
    description = f": {part.description}" if part.description else ""
    return f"{part.name} [{part.stage.name.lower()}, priority {part.priority}]{description}"
