"""Exports that clients hold open: how many, and what is left of them."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
from anyio import CancelScope, CapacityLimiter

from mailq.store.database import Database
from mailq.web.api.exporting import Spool
from tests.support.api import ApiThread, Caller
from tests.support.doubts import doubtful_mailing
from tests.support.waiting import eventually, turn


def ask(api: ApiThread, caller: Caller, path: str) -> socket.socket:
    """Ask for an export, and read no more than its first bytes."""
    connection = api.connect()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {caller.key}\r\n\r\n".encode())
    assert b"HTTP/1.1 200" in connection.recv(100)
    return connection


def num_spools() -> int:
    """Files of this process that have no name any more, where temporary files are made."""
    links = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            links.append(str(each.readlink()))
    return sum(each.startswith(tempfile.gettempdir()) and each.endswith("(deleted)") for each in links)


def num_reading(database: Database) -> int:
    """Transactions of the API."""
    query = """SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'mailq api' AND datname = current_database() AND xact_start IS NOT NULL"""
    with database.begin() as tx:
        return int(tx.exec_driver_sql(query).scalar_one())


def test_a_client_that_leaves_leaves_nothing(api: ApiThread, caller: Caller, database: Database) -> None:
    """No file, no transaction; and a key holds no more than so many exports open."""
    path = f"/v1/mailings/{doubtful_mailing(database, (20_000,), {}).public_id}/export"
    before = num_spools()

    reading = [ask(api, caller, path) for _ in range(4)]
    refused = caller.get(path)
    for each in reading:
        each.close()

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    eventually(lambda: num_spools() == before and num_reading(database) == 0)
    with httpx2.Client(base_url=api.url, timeout=60) as client:
        assert eventually(lambda: client.get(path, headers={"Authorization": f"Bearer {caller.key}"}).status_code == 200)


def test_a_client_that_leaves_is_let_go_when_nothing_is_read_for_it_any_more() -> None:
    """Until then the file and the transaction are another thread's, which does not go on to the end."""
    begun, go_on = Event(), Event()
    ended: list[str] = []

    def rows() -> Iterator[Any]:
        begun.set()
        assert go_on.wait(10)
        for _ in range(5000):
            yield ()
        ended.append("all rows")

    async def listen(scope: CancelScope) -> None:
        with scope:
            async for _ in Spool(b"").pieces(rows(), lambda _: b"a row", CapacityLimiter(1)):
                pass
        ended.append("client")

    async def leave() -> None:
        scope = CancelScope()
        listening = asyncio.create_task(listen(scope))
        await asyncio.to_thread(begun.wait, 10)
        scope.cancel()
        for _ in range(10):  # as often as it takes to hear of it
            await turn()
        assert ended == []
        go_on.set()
        await listening

    asyncio.run(leave())
    assert ended == ["client"]
