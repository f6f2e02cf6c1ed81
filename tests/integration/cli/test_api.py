"""`mailqctl api`: as a process of its own, as a supervisor starts and stops it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.integration.cli.conftest import Command
from tests.support.waiting import eventually


@contextmanager
def serving(database_url: str, *words: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The API's address and its process, which is ended if it still runs."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_")}
    command = [sys.executable, "-m", "mailq", "api", "--port", "0", *words]
    env |= {"MAILQ_DATABASE_URL": database_url, "MAILQ_HOME": os.devnull}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found, said
            eventually(lambda: answers(found[0]), within=30)
            yield found[0], process
        finally:
            process.kill()


def answers(url: str) -> bool:
    """Whether somebody serves there."""
    try:
        return httpx2.get(f"{url}/readyz", timeout=20).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_it_serves_until_it_is_told_to_stop(database_url: str, workers: str) -> None:
    """It says where; SIGTERM is no failure."""
    with serving(database_url, "--workers", workers) as (url, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert not answers(url)


def test_its_processes_end_with_it(database_url: str) -> None:
    """A kill -9 of the first leaves none that goes on serving."""
    with serving(database_url, "--workers", "2") as (url, process):
        process.kill()
        eventually(lambda: not answers(url), within=20)


def test_it_refuses_a_database_that_is_not_migrated(bare: Command, empty_database_url: str) -> None:
    """Before it listens."""
    refused = bare("api", "--port", "0", env={"MAILQ_DATABASE_URL": empty_database_url})

    assert (refused.code, refused.err.count("\n")) == (78, 1)
    assert "mailqctl db upgrade" in refused.err


def test_it_says_that_somebody_else_listens_there(mailqctl: Command, database_url: str) -> None:
    """And that an address is none of this machine's."""
    with serving(database_url) as (url, _):
        refused = mailqctl("api", "--port", url.rpartition(":")[2])
    assert (refused.code, "Address already in use" in refused.err) == (69, True)
    assert mailqctl("api", "--host", "no such host", "--port", "0").code == 78


def test_it_says_what_is_not_installed(mailqctl: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The web is an extra."""
    for name in [name for name in sys.modules if name.startswith("mailq.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)

    refused = mailqctl("api")

    assert refused.code == 78
    assert "pip install 'mailq[api]'" in refused.err
