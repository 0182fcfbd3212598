"""Whether a message is sent by the handler of another one."""

from __future__ import annotations

from cqrs_ddd_core.ports.unit_of_work import UnitOfWork, current_uow_or_none

__all__ = ["enclosing_unit_of_work"]


def enclosing_unit_of_work() -> UnitOfWork | None:
    """The unit of work that the present message joins: that of the handler that sends it.

    None for a message that opens one of its own. For middlewares around the transaction.
    """
    uow = current_uow_or_none()
    return uow if uow is not None and uow.owner is not None else None
