"""How often and after which delays something is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

from cqrs_ddd_core.primitives.exceptions import ConfigurationError

__all__ = ["ExponentialBackoffPolicy", "FixedRetryPolicy", "RetryPolicy", "Retryable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Up to ``max_retries`` more attempts, without waiting."""

    max_retries: int = 3
    """How many attempts follow the first one."""
    jitter: bool = True
    """Whether delays are multiplied by a random number from 0.5 to 1.5."""

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise ConfigurationError(f"max_retries is a number from 0, found {self.max_retries!r}.")

    def delay_ms(self, attempt: int) -> float:
        """Milliseconds to wait after the attempt with this number (the first is 1), without jitter."""
        return 0.0

    def delay_seconds(self, attempt: int) -> float:
        """Seconds to wait after the attempt with this number (the first is 1)."""
        return self.delay_ms(attempt) / 1000 * (random.uniform(0.5, 1.5) if self.jitter else 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedRetryPolicy(RetryPolicy):
    """The same delay every time."""

    fixed_delay_ms: float = 100.0

    def delay_ms(self, attempt: int) -> float:
        return self.fixed_delay_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialBackoffPolicy(RetryPolicy):
    """Delays that grow from attempt to attempt, up to a limit."""

    initial_delay_ms: float = 100.0
    """Milliseconds after the first attempt."""
    multiplier: float = 2.0
    max_delay_ms: float = 5000.0

    def delay_ms(self, attempt: int) -> float:
        try:
            delay = self.initial_delay_ms * self.multiplier ** (attempt - 1)
        except OverflowError:
            return self.max_delay_ms
        return min(delay, self.max_delay_ms)


class Retryable:
    """For commands that are tried again after errors: ``class Import(Retryable, Command[None])``.

    Set ``retry_policy`` on the class.
    """

    retry_policy: ClassVar[RetryPolicy] = ExponentialBackoffPolicy()
