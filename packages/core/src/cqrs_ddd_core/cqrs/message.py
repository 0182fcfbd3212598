"""Commands and queries: what is asked of the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from cqrs_ddd_core.context import get_correlation_id
from cqrs_ddd_core.domain.type_name import ClassCatalogue
from cqrs_ddd_core.primitives.id_generator import new_id
from cqrs_ddd_core.primitives.locking import ResourceIdentifier

__all__ = ["Command", "Query", "known_message_types", "result_type"]

known_message_types: ClassCatalogue[Command[Any] | Query[Any]]
"""Every command and query class that has been defined in this process, by its stable name."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    message_type: ClassVar[str] = "Message"
    """The stable name under which messages of this class are stored: the class name, unless a subclass sets it."""

    correlation_id: str | None = Field(default_factory=get_correlation_id)
    """The same for everything that follows from one request; that of the work in which the message was made."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__pydantic_generic_metadata__["origin"] is not None:
            return  # Command[str] itself: a parametrisation, not a message
        if "message_type" not in cls.__dict__:
            cls.message_type = cls.__name__
        known_message_types.add(cls.message_type, cls)  # type: ignore[arg-type]  # only the two classes below are bases

    def get_critical_resources(self) -> Sequence[ResourceIdentifier]:
        """What must be locked while the message is handled. Used by ``ConcurrencyGuardMiddleware``."""
        return ()


known_message_types = ClassCatalogue["Command[Any] | Query[Any]"]()


class Command[R](_Message):
    """A wish to change something, named as an imperative. ``R`` is what a success gives back.

    ``class CreateOrder(Command[str])`` makes ``await mediator.send(CreateOrder(…))`` a ``CommandResponse[str]``.
    """

    command_id: str = Field(default_factory=new_id)

    @property
    def message_id(self) -> str:
        return self.command_id


class Query[R](_Message):
    """A question. ``R`` is the type of the answer. Answering it changes nothing."""

    query_id: str = Field(default_factory=new_id)

    @property
    def message_id(self) -> str:
        return self.query_id


def result_type(message_type: type[Command[Any] | Query[Any]]) -> Any:
    """The ``R`` that the class declares; ``typing.Any`` when it declares none."""
    for cls in message_type.__mro__:
        metadata: Any = getattr(cls, "__pydantic_generic_metadata__", None)
        if metadata and metadata["origin"] in (Command, Query):
            return metadata["args"][0]
    return Any
