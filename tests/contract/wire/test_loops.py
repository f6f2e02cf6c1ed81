"""Which event loop a worker process runs its sessions on."""

import asyncio
import sys

import pytest
import uvloop

from mailq import bootstrap


def test_uvloop_is_taken_where_it_is_installed() -> None:
    with asyncio.Runner(loop_factory=bootstrap.loop_factory()) as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)


def test_asyncio_s_own_is_taken_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    with asyncio.Runner(loop_factory=bootstrap.loop_factory()) as runner:
        assert isinstance(runner.get_loop(), asyncio.SelectorEventLoop)
