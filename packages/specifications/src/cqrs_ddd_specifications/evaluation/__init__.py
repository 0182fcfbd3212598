"""How conditions are asked of candidates in memory: compiled once, then asked as often as wanted."""

from cqrs_ddd_specifications.evaluation.condition import compile_condition

__all__ = ["compile_condition"]
