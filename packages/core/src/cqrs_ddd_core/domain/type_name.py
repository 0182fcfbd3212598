"""Stable names of classes: what is stored and sent names its type by these, never by a module path."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator

__all__ = ["ClassCatalogue", "plural", "snake_case"]


def snake_case(name: str) -> str:
    """``OrderLine`` → ``order_line``, ``HTTPCall`` → ``http_call``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def plural(noun: str) -> str:
    """The regular English plural: ``order`` → ``orders``, ``category`` → ``categories``, ``box`` → ``boxes``."""
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


class ClassCatalogue[T]:
    """Classes by name. Several classes may share a name; whoever asks decides whether that is an error.

    A class that is defined again under the same module and qualified name replaces the former one, as in a notebook
    or a reloaded module. Of the classes that were defined inside functions only the newest of a name counts: the
    others belong to calls that are over, and when they really disappear is up to the garbage collector. Classes are
    held weakly: a class that a test defined and dropped does not stay.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, dict[tuple[str, str], weakref.ref[type[T]]]] = {}

    def add(self, name: str, cls: type[T]) -> None:
        classes = self._by_name.setdefault(name, {})
        if "<locals>" in cls.__qualname__:
            for place in [place for place in classes if "<locals>" in place[1]]:
                del classes[place]
        classes[cls.__module__, cls.__qualname__] = weakref.ref(cls)

    def find(self, name: str) -> tuple[type[T], ...]:
        """Every class of that name, in the order of definition; empty when there is none."""
        return tuple(cls for ref in self._by_name.get(name, {}).values() if (cls := ref()) is not None)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._by_name if self.find(name)))

    def __iter__(self) -> Iterator[type[T]]:
        for name in self.names():
            yield from self.find(name)
