"""The demo, as a newcomer runs it: one command, everything real, and two ledgers that agree."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mailq.local import state
from mailq.local.sink.books import read_accepted
from tests.support.servers import temporary_home
from tests.support.waiting import eventually

KEYS = [
    "mailing", "num_profiles", "num_sent", "num_errors", "num_skipped", "num_in_doubt", "accepted_by_sink", "balanced", "seconds",
]  # fmt: skip
SESSIONS = 20

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as made:
        yield made


@pytest.fixture
def mailqctl(home: Path) -> Iterator[Start]:
    """Start mailqctl in this home; whatever is still up is taken down at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_")}
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "mailq", *words],
            env=environment | {"MAILQ_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    start("down").communicate(timeout=120)
    for process in started:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(process: "subprocess.Popen[str]", within: float = 240) -> str:
    out, err = process.communicate(timeout=within)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    return out


def accepted(home: Path, mailing: str) -> list[str]:
    return [entry.recipient for entry in read_accepted(home / "sink" / "accepted.tsv")]


def exported(start: Start, mailing: str, wanted: str) -> list[str]:
    rows = csv.DictReader(finished(start("mailing", "export", mailing)).splitlines())
    return [row["address"] for row in rows if row["state"] == wanted]


@pytest.mark.timeout(300)
def test_the_demo_ends_with_two_ledgers_that_agree_and_leaves_nothing_running(mailqctl: Start, home: Path) -> None:
    shown: dict[str, Any] = json.loads(finished(mailqctl("demo", "--json")))

    assert list(shown) == KEYS
    assert shown["balanced"] is True
    assert (shown["num_profiles"], shown["num_sent"], shown["num_errors"], shown["num_skipped"]) == (5000, 4888, 12, 100)
    # Counted once more, by nothing of what the demo counts with.
    lines = (home / "sink" / "accepted.tsv").read_text(encoding="utf-8").splitlines()
    addresses = [line.split("\t")[1] for line in lines]
    assert len(addresses) == len(set(addresses)) == shown["accepted_by_sink"] == 4888
    assert len(list((home / "sink" / "Maildir" / "new").iterdir())) == 4888
    assert not state.is_running(home)
    assert state.facts(home) is None


@pytest.mark.slow  # test_worker_killed_mid_batch.py has the kill, the demo before this one the rest
@pytest.mark.timeout(300)
def test_a_demo_with_a_kill_ends_with_balanced_books_and_names_who_is_in_doubt(mailqctl: Start, home: Path) -> None:
    """One of two servers is killed in the middle; the other takes over by its migration list, and nobody gets two mails."""
    shown: dict[str, Any] = json.loads(finished(mailqctl("demo", "--kill", "--json")))

    assert list(shown)[: len(KEYS)] == KEYS
    assert shown["balanced"] is True
    assert (shown["num_profiles"], shown["num_errors"], shown["num_skipped"]) == (5000, 12, 100)
    assert shown["num_sent"] + shown["num_in_doubt"] == 4888
    assert shown["killed_after"] >= 5000 // 3
    assert shown["batches_taken_over"] in {1, 2}
    assert shown["taken_over_after_seconds"] < 30
    # The journals tell what never left: at most what was in flight stays in doubt.
    doubtful = {one["address"]: one["accepted_by_sink"] for one in shown["in_doubt"]}
    assert 0 < len(doubtful) == shown["num_in_doubt"] <= 2 * SESSIONS
    addresses = accepted(home, shown["mailing"])
    assert len(addresses) == len(set(addresses)) == shown["num_sent"] + sum(doubtful.values())
    assert not state.is_running(home)


def test_a_kill_is_not_for_a_demo_that_stays(mailqctl: Start, home: Path) -> None:
    process = mailqctl("demo", "--kill", "--keep")
    _, err = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "leave out --keep" in err
    assert not state.is_running(home)


@pytest.mark.slow  # the other demos show the stack, test_sigterm_mid_batch.py the stop
@pytest.mark.timeout(400)
def test_a_kept_demo_survives_sigterm_of_its_worker_and_a_worker_started_by_hand_finishes(mailqctl: Start, home: Path) -> None:
    """SIGTERM goes to the whole process group, as service managers do it."""
    demo = mailqctl("demo", "--recipients", "4000", "--keep", "--json")
    about = eventually(lambda: _served(home), within=90)
    eventually(lambda: (home / "sink" / "accepted.tsv").read_bytes().count(b"\n") > 200, within=90)

    os.killpg(about.pids["worker"], signal.SIGTERM)
    eventually(lambda: "worker" not in _facts(home).pids, within=60)
    assert demo.poll() is None, "the mailing was over before its worker was stopped"
    assert state.is_running(home), "the end of a worker is not the end of the stack"
    worker = mailqctl("worker")
    shown = json.loads(finished(demo))

    assert (shown["balanced"], shown["num_in_doubt"]) == (True, 0)
    assert sorted(exported(mailqctl, shown["mailing"], "sent")) == sorted(accepted(home, shown["mailing"]))
    _refuses_a_second_stack(mailqctl)
    os.killpg(worker.pid, signal.SIGTERM)
    worker.communicate(timeout=60)
    finished(mailqctl("down"))
    assert not state.is_running(home)
    assert not [pid for pid in about.pids.values() if _runs(pid)]


def _facts(home: Path) -> state.Facts:
    about = state.facts(home)
    assert about is not None
    return about


def _served(home: Path) -> state.Facts | None:
    about = state.facts(home)
    return about if about is not None and "worker" in about.pids else None


def _refuses_a_second_stack(mailqctl: Start) -> None:
    second = mailqctl("up")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 5
    assert "already" in err
    assert "smtp://127.0.0.1:" in err


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
