"""`./run prove`, short: eight faults on a real stack, twenty in the slow run; and a proof that finds what must not be."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mailq.cli import main
from tests.support.servers import temporary_home
from tests.support.waiting import eventually

KEYS = ["faults", "mails", "lost", "doubled", "in_doubt", "doubt_over_bound", "unbalanced", "seed", "by_kind"]
SEED = "20260504"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as made:
        yield made


@pytest.fixture
def prove(home: Path) -> Iterator[Start]:
    """Start a proof in this home; one that is still up is interrupted at the end, as by Ctrl-C."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILQ_") or name == "MAILQ_FAKETIME"}
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "mailq", "prove", "--seed", SEED, *words],
            env=kept | {"MAILQ_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def left_behind(home: Path) -> list[str]:
    """Processes that still work in a home."""
    found = []
    for directory in Path("/proc").iterdir():
        with suppress(OSError):
            if directory.name.isdigit() and str(home) in (directory / "environ").read_bytes().decode(errors="replace"):
                found.append((directory / "cmdline").read_bytes().decode(errors="replace").replace("\0", " "))
    return [words for words in found if "mailq prove" not in words]


@pytest.mark.timeout(420)
@pytest.mark.parametrize("faults", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_faults_lose_nobody_and_double_nobody(prove: Start, home: Path, tmp_path: Path, faults: int) -> None:
    """The longer one has every kind that this machine can do at least once."""
    document = tmp_path / "proof.json"

    process = prove("--faults", str(faults), "--gap", "1.2", "--json", str(document))
    out, err = process.communicate(timeout=400)

    shown: dict[str, Any] = json.loads(document.read_text())
    assert process.returncode == 0, out + err
    assert list(shown) == KEYS
    assert (shown["faults"], shown["seed"]) == (faults, int(SEED))
    assert (shown["lost"], shown["doubled"], shown["unbalanced"], shown["doubt_over_bound"]) == (0, 0, 0, 0)
    assert shown["mails"] > 25 * faults
    assert sum(kind["faults"] for kind in shown["by_kind"].values()) == faults
    done = {*shown["by_kind"]} | {*re.findall(r"^without (\S+):", err, re.MULTILINE)}
    assert done == known_kinds() if faults >= len(known_kinds()) else done < known_kinds()
    assert left_behind(home) == []
    assert not list(home.glob("prove-*")), "what was good is not kept"


@pytest.mark.slow  # test_faults_lose_nobody_… counts the same; what it makes of a difference stands in tests/unit/local/test_proof.py
@pytest.mark.timeout(240)
def test_a_doubled_mail_is_found_and_the_run_can_be_repeated(prove: Start, home: Path) -> None:
    """A mail that reached somebody twice, without our books knowing: a line of the sink's list once more."""
    process = prove("--faults", "2", "--kinds", "redis-flushed")
    accepted = home / f"prove-{SEED}" / "sink" / "accepted.tsv"
    eventually(lambda: accepted.exists() and accepted.read_text().count("\n") > 20, within=90)
    with accepted.open("a") as file:
        file.write(accepted.read_text().splitlines()[3] + "\n")

    out, err = process.communicate(timeout=200)

    assert process.returncode == 1, out + err
    assert "1 doubled" in out
    assert "accepted 2 times, and no resends are on record" in out
    assert f"./run prove --faults 2 --servers 3 --seed {SEED} --kinds redis-flushed" in err
    assert accepted.exists(), "both ledgers are kept for a look"
    assert (home / f"prove-{SEED}" / "ledger.tsv").read_text().startswith("mailing_id\t")
    assert left_behind(home) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ctrl_c_ends_the_proof_and_everything_it_started(prove: Start, home: Path) -> None:
    process = prove("--faults", "1000")
    eventually(lambda: len(list((home / f"prove-{SEED}" / "servers").glob("*/run/*.board"))) >= 3, within=60)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert left_behind(home) == []
    assert not list(Path("/run/netns").glob(f"mailq-prove-{process.pid}-*"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--kinds", "child-killed,earthquake"], "there is no kind of fault `earthquake`; there are: child-killed, "),
        (["--faults", "0"], "--faults"),
        (["--servers", "1"], "--servers"),
        (["--policy", "assume_sent"], "--policy"),
    ],
)
def test_what_cannot_be_proved_is_refused(home: Path, words: list[str], sentence: str) -> None:
    done = CliRunner(env={"MAILQ_HOME": str(home)}).invoke(main, ["prove", "--seed", SEED, *words])

    assert isinstance(done.exception, SystemExit)
    assert done.exit_code != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.output
    assert not list(home.glob("prove-*"))


def known_kinds() -> set[str]:
    from mailq.local.proof.kinds import Kind

    return {*Kind}
