"""Postfix's programs are taken only where both of them run."""

from pathlib import Path

import pytest

from tests.benchmarks import postfix_tools


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing unpacked, nothing on the path, nothing to fetch with; a directory in which programs can be put."""
    monkeypatch.setattr(postfix_tools, "_UNPACKED", tmp_path / "unpacked")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postfix_tools, "_SYSTEM", tmp_path / "system")
    return tmp_path


def put(directory: Path, name: str, says: str) -> None:
    """A program that says this."""
    directory.mkdir(exist_ok=True)
    program = directory / name
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    program.chmod(0o755)


def test_programs_that_somebody_names_are_taken(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the path of the sink; its sister lies beside it."""
    for name in ("smtp-sink", "smtp-source"):
        put(alone / "mine", name, f"fatal: usage: {name}")
    monkeypatch.setenv("MAILQ_SMTP_SINK", str(alone / "mine" / "smtp-sink"))
    found = postfix_tools.find.__wrapped__()

    assert found is not None
    assert found.sink == alone / "mine" / "smtp-sink"
    assert found.source == alone / "mine" / "smtp-source"


def test_a_program_that_cannot_run_here_is_not_taken(alone: Path) -> None:
    """As one whose libraries are missing; without others the benchmark takes mailq's own sink."""
    put(alone, "smtp-sink", "fatal: usage: smtp-sink")
    put(alone, "smtp-source", "error while loading shared libraries")

    assert postfix_tools.find.__wrapped__() is None
