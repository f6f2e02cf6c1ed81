"""Asynchronous producers: recipients that are awaited, and an event loop that goes on meanwhile."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from mailq import AsyncClient, Mailing, Message, Recipient
from tests.integration.client.conftest import Ledger
from tests.support.asynchronous import in_event_loop
from tests.support.waiting import eventually, turn

SALE = Mailing("Sale", "s", "a@shop.example", text="t", key="spring")


async def slowly(number: int) -> AsyncIterator[Recipient]:
    """Recipients that come one by one, with the event loop between them."""
    for each in range(number):
        await turn()
        yield Recipient(f"p{each}@people.example", {"n": each})


@in_event_loop
async def test_recipients_may_be_awaited_over_connections_of_our_own(database_url: str, ledger: Ledger) -> None:
    """They come from the loop, and are stored by a thread."""
    async with AsyncClient(database_url) as client:
        made = await client.submit(SALE, slowly(2500))
        again = await client.submit(SALE, slowly(2500))
        seen = [each.seq async for each in client.deliveries("spring")]

    assert (made.created, again.created) == (True, False)
    assert seen == list(range(1, 2501))
    assert ledger.counts()["delivery"] == 2500


@in_event_loop
async def test_recipients_may_be_awaited_over_the_same_session(database_url: str, ledger: Ledger) -> None:
    """Page by page, in the transaction that they are stored by."""
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with AsyncSession(engine) as session:

        async def pages() -> AsyncIterator[str]:
            for first in range(1, 12_000, 3_000):
                found = await session.execute(text(f"SELECT n FROM generate_series({first}, {first + 2_999}) AS n"))
                for (number,) in found:
                    yield f"p{number}@people.example"

        await AsyncClient(session).submit(SALE, pages())
        await session.commit()
    await engine.dispose()

    assert ledger.counts() == {"mailing": 1, "batch": 12, "delivery": 12_000, "inbox": 0}


@in_event_loop
async def test_the_event_loop_goes_on_while_recipients_are_stored(database_url: str) -> None:
    """Another task gets its turn many times."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await turn()

    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        task = asyncio.create_task(other())
        await AsyncClient(connection).submit(SALE, [f"p{each}@people.example" for each in range(20_000)])
        task.cancel()

    assert turns > 20


@in_event_loop
async def test_an_error_among_awaited_recipients_leaves_nothing(database_url: str, ledger: Ledger) -> None:
    """It is the producer's own that he sees."""

    async def ends_badly() -> AsyncIterator[str]:
        for each in range(3000):
            yield f"p{each}@people.example"
        raise LookupError("the next page is missing")

    async with AsyncClient(database_url) as client:
        with pytest.raises(LookupError, match="next page"):
            await client.submit(SALE, ends_badly())

    assert ledger.counts()["mailing"] == 0


@pytest.mark.parametrize("awaited", [False, True])
@in_event_loop
async def test_a_submit_that_is_cancelled_leaves_nothing(awaited: bool, database_url: str, ledger: Ledger) -> None:
    """Nobody waits for its thread any more, which goes on to the next recipient and no further."""
    reached, goes_on = threading.Event(), threading.Event()

    def people() -> Iterator[str]:
        for each in range(3000):
            if each == 1000:
                reached.set()
                goes_on.wait(20)
            yield f"p{each}@people.example"

    async def awaited_people() -> AsyncIterator[str]:
        for each in range(3000):
            if each == 1000:
                reached.set()
                await asyncio.to_thread(goes_on.wait, 20)
            yield f"p{each}@people.example"

    async with AsyncClient(database_url) as client:
        submitting = asyncio.create_task(client.submit(SALE, awaited_people() if awaited else people()))
        await asyncio.to_thread(reached.wait, 20)
        submitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await submitting
        goes_on.set()
        await asyncio.to_thread(eventually, lambda: not at_work(ledger))

    assert ledger.counts()["mailing"] == 0


@pytest.mark.parametrize(("door", "table"), [("submit", "batch"), ("send", "inbox")])
@in_event_loop
async def test_what_is_cancelled_while_its_rows_are_on_their_way_leaves_nothing(
    door: str, table: str, database_url: str, ledger: Ledger
) -> None:
    """Behind the last recipient too; or a call that was given up in time would mail all the same."""
    calls = {
        "submit": lambda client: client.submit(SALE, ["ann@people.example"]),
        "send": lambda client: client.send(Message("ann@people.example", "s", "a@shop.example", text="t")),
    }
    async with AsyncClient(database_url) as client:
        with psycopg.connect(database_url) as somebody:
            somebody.execute(f"LOCK TABLE {table} IN SHARE MODE")
            calling = asyncio.create_task(calls[door](client))
            await asyncio.to_thread(eventually, lambda: waits(ledger))
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
        await asyncio.to_thread(eventually, lambda: not at_work(ledger))

    assert ledger.counts() == {"mailing": 0, "batch": 0, "delivery": 0, "inbox": 0}


def waits(ledger: Ledger) -> bool:
    """Whether a client waits for a lock."""
    return bool(
        ledger.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'mailq client' AND wait_event_type = 'Lock'")
    )


def at_work(ledger: Ledger) -> bool:
    """Whether a client has a transaction open."""
    return bool(
        ledger.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'mailq client' AND xact_start IS NOT NULL")
    )
