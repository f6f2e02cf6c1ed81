"""The examples of the HTTP API run as they stand on their page, against a real API; what they made is counted where the mail arrived."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mailq.admin import keys, organizations
from mailq.settings import Settings
from mailq.store.database import Database
from tests.support import examples
from tests.support.api import serving_api
from tests.support.nodes.server import WorkerServer
from tests.support.sink import SinkThread
from tests.support.waiting import eventually

PAGE = "docs/doors/http-examples.md"
RUNS = {"sh": ("curl", "sh"), "py": (sys.executable,), "mjs": ("node",), "go": ("go", "go run"), "php": ("php",)}
"""By the ending of an example: the program it needs, and the words that run it where those are others."""

MAILS = [("ada@customer.example", 2), ("grace@customer.example", 1)]


def test_every_example_is_there_in_every_language() -> None:
    """And each of them is run below."""
    wanted = {f"http-{what}.{language}" for what in ("mailing", "message", "progress") for language in RUNS}

    assert set(examples.of_page(PAGE)) == wanted


def test_the_examples_of_a_language_are_done_once_however_often_they_are_run(
    database: Database,
    database_url: str,
    start_server: Callable[..., WorkerServer],
    sink: SinkThread,
    tmp_path: Path,
) -> None:
    """A mailing of two, watched to its end, and a message; all of it twice, and three mails. Each language is an organization."""
    languages = [language for language in RUNS if shutil.which(RUNS[language][0]) is not None]
    start_server(queues="mailq.bulk,mailq.transactional", wait=False)
    with serving_api(Settings(database_url=database_url)) as api:
        for number, language in enumerate(languages, 1):
            organizations.create(database, language)
            key = keys.create(database, language, "examples", ["send", "read"]).key
            run = partial(_run, language, tmp_path, {"API_URL": api.url, "API_KEY": key})
            run("mailing")
            watched = run("progress")
            answers = [run("message"), run("message")]
            eventually(lambda: len(sink.accepted) == 3 * number, within=30)  # noqa: B023 # asked before the next language
            run("mailing")
            finished = run("progress")

            assert "finished" in watched, language
            assert "finished" in finished, language
            assert all("msg_" in answer for answer in answers), language
            counted = [(address, sink.accepted_recipients.count(address)) for address, _ in MAILS]
            assert counted == [(address, number * mails) for address, mails in MAILS], language
            assert len(sink.accepted) == 3 * number, language
    if missing := [language for language in RUNS if language not in languages]:
        pytest.skip(f"the others were run; there is nothing on this machine for {', '.join(missing)}")


def _run(language: str, directory: Path, variables: dict[str, str], what: str) -> str:
    path = examples.write(PAGE, f"http-{what}.{language}", directory)
    argv = [*RUNS[language][-1].split(), str(path)]
    environment = {**os.environ, **variables}
    done = subprocess.run(argv, cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
