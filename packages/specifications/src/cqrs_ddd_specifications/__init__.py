"""Specifications: rules as objects that are built, combined, evaluated in memory and compiled by databases."""

__all__: list[str] = []
