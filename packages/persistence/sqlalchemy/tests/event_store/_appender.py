"""A process that appends, for tests that kill it: ``python _appender.py URL STAGE NUMBER``.

It says on its standard output how far it has come, and stands still there until it is killed. With the stage
``on and on`` it appends for ever instead.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cqrs_ddd_core.ports.event_store import ANY_VERSION, NO_STREAM, StoredEvent
from cqrs_ddd_persistence_sqlalchemy import SQLAlchemyEventStore, SQLAlchemyUnitOfWork


def events(stream: str, number: int = 3) -> list[StoredEvent]:
    return [
        StoredEvent(event_type="Placed", aggregate_type="Order", aggregate_id=stream, payload={"n": each})
        for each in range(number)
    ]


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


async def stand_still(where: str) -> None:
    say(where)
    await asyncio.sleep(3600)


async def append_up_to(engine: AsyncEngine, stage: str, stream: str) -> None:
    store = SQLAlchemyEventStore(engine)
    if stage == "before anything":
        await stand_still(stage)
    if stage == "inside the statement":
        say(stage)  # a trigger of the test holds it there
        await store.append(events(stream), expected_version=NO_STREAM)
    async with SQLAlchemyUnitOfWork(engine) as uow:
        await uow.connection()
        await store.stream_version("Order", stream)
        if stage == "in a transaction":
            await stand_still(stage)
        await store.append(events(stream), expected_version=NO_STREAM)
        if stage == "after an append":
            await stand_still(stage)
        await store.append(events(stream), expected_version=ANY_VERSION)
        if stage == "before the commit":
            await stand_still(stage)
    if stage == "after the commit":
        await stand_still(stage)


async def append_on_and_on(engine: AsyncEngine, stream: str) -> None:
    store = SQLAlchemyEventStore(engine)
    say("on and on")
    number = 0
    while True:
        number += 1
        if number % 3:
            await store.append(events(f"{stream}-{number}"), expected_version=NO_STREAM)
        else:
            async with SQLAlchemyUnitOfWork(engine):
                await store.append(events(f"{stream}-{number}"), expected_version=NO_STREAM)
                await asyncio.sleep(0.002)
                await store.append(events(f"{stream}-{number}"), expected_version=ANY_VERSION)


async def main(url: str, stage: str, stream: str) -> None:
    options: dict[str, Any] = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    engine = create_async_engine(url, **options)
    if stage == "on and on":
        await append_on_and_on(engine, stream)
    else:
        await append_up_to(engine, stage, stream)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
