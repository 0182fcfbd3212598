"""The upcasters of one event type, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cqrs_ddd_advanced_core.upcasting.upcaster import EventUpcaster
from cqrs_ddd_core.primitives.exceptions import UpcasterConfigurationError

__all__ = ["UpcastStep", "UpcasterChain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpcastStep:
    """One upcaster and where it leads. ``to_type`` and ``to_version`` are settled."""

    upcaster: EventUpcaster
    from_type: str
    from_version: int
    to_type: str
    to_version: int

    @classmethod
    def of(cls, upcaster: EventUpcaster) -> UpcastStep:
        """Raises ``UpcasterConfigurationError`` for an upcaster that leads nowhere."""
        name = type(upcaster).__name__
        from_type = upcaster.supported_type
        if not from_type:
            raise UpcasterConfigurationError(name, "supported_type is not set. Set it to the name of the event type.")
        to_type = upcaster.to_type or from_type
        from_version = upcaster.from_version
        to_version = upcaster.to_version or (1 if to_type != from_type else from_version + 1)
        if from_version < 1 or to_version < 1:
            raise UpcasterConfigurationError(
                from_type,
                f"{name} goes from version {from_version} to {to_version}, but versions start at 1. Set from_version.",
            )
        if to_type == from_type and to_version <= from_version:
            raise UpcasterConfigurationError(
                from_type, f"{name} goes from version {from_version} back to {to_version}. Versions only rise."
            )
        return cls(
            upcaster=upcaster, from_type=from_type, from_version=from_version, to_type=to_type, to_version=to_version
        )


class UpcasterChain:
    """The way of one event type from version to version. Made by ``UpcasterRegistry.chain_for``."""

    def __init__(self, event_type: str, steps: Iterable[UpcastStep]) -> None:
        """Raises ``UpcasterConfigurationError`` for a gap: a version that one step leads to and none leads on from."""
        self.event_type = event_type
        self._steps = {step.from_version: step for step in steps}
        reached = [step.to_version for step in self._steps.values() if step.to_type == event_type]
        self.latest_version = max([*reached, *self._steps])
        """The version that events of this type have in the end, or last had before the type was renamed."""
        for version in reached:
            if version not in self._steps and version < self.latest_version:
                later = min((each for each in self._steps if each > version), default=self.latest_version)
                raise UpcasterConfigurationError(
                    event_type,
                    f"there is a gap: something leads to version {version}, and nothing leads on from there, although "
                    f"there is a version {later}. Register an upcaster from version {version}.",
                )

    @property
    def steps(self) -> Sequence[UpcastStep]:
        """In order of version."""
        return tuple(self._steps[version] for version in sorted(self._steps))

    def step_from(self, version: int) -> UpcastStep | None:
        """The step that leads on from this version; None when it is the newest, or unknown here."""
        return self._steps.get(version)
