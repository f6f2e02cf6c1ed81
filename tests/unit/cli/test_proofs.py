"""What proofs have in common: how they are called, and what is left of one that has ended."""

import json
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mailq.cli import main, proofs
from mailq.cli.proofs import Report
from mailq.local.proof.doors.order import Order


def called(home: Path, *words: str) -> Result:
    return CliRunner(env={"MAILQ_HOME": str(home)}).invoke(main, words)


def proved(home: Path, *words: str, violation: Sequence[str] | None = None) -> Result:
    """A proof that leaves a log and finds this."""

    def prove(place: Path, _: object) -> Report:
        place.mkdir(parents=True)
        (place / "log").touch()
        return Report(
            ("kind", "faults"), [("flood", 3)], "all is well", {"faults": 3}, violation, {"it rained": 2, "it snowed": 0}
        )

    @click.command()
    @proofs.options
    def trial(*, seed: int, keep: bool, json_file: Path | None) -> None:
        proofs.run("trial", Order(seed=seed), "nothing", prove, keep=keep, json_file=json_file)

    return CliRunner(env={"MAILQ_HOME": str(home)}).invoke(trial, ["--seed", "7", *words])


def test_a_good_proof_leaves_its_result_and_nothing_else(tmp_path: Path) -> None:
    """What an earlier one with the same seed left there is gone, too."""
    (tmp_path / "home" / "trial-7" / "old").mkdir(parents=True)

    done = proved(tmp_path / "home", "--json", str(tmp_path / "proof.json"))

    assert done.exit_code == 0, done.output
    assert "flood" in done.stdout
    assert "all is well" in done.stdout
    assert "2 times it rained" in done.stderr
    assert "snowed" not in done.stderr
    assert "repeat it with `./run prove api --faults 40 --seed 7`" in done.stderr
    assert json.loads((tmp_path / "proof.json").read_text()) == {"faults": 3}
    assert not list((tmp_path / "home").iterdir())


def test_a_good_proof_is_kept_on_request(tmp_path: Path) -> None:
    assert proved(tmp_path, "--keep").exit_code == 0
    assert (tmp_path / "trial-7" / "log").exists()


def test_a_proof_that_failed_says_why_and_leaves_everything(tmp_path: Path) -> None:
    done = proved(tmp_path, "--json", str(tmp_path / "proof.json"), violation=["1 doubled", "ann\x1b[2J twice"])

    assert done.exit_code == 1
    assert "1 doubled\nann" in done.stdout
    assert "\x1b" not in done.stdout
    assert "all is well" not in done.stdout
    assert f"logs are in {tmp_path / 'trial-7'}" in done.stderr
    assert (tmp_path / "trial-7" / "log").exists()
    assert (tmp_path / "proof.json").exists()


def test_another_schedule_each_time() -> None:
    """Unless it is asked for."""
    seeds = []

    @click.command()
    @proofs.options
    def trial(*, seed: int, keep: bool, json_file: Path | None) -> None:
        seeds.append(seed)

    for _ in range(5):
        CliRunner().invoke(trial)
    assert len(set(seeds)) > 1


@pytest.mark.parametrize("words", [["--api", "--help"], ["--help", "--api"], ["--api", "--faults", "0"]])
def test_a_proof_is_named_by_an_option_too(tmp_path: Path, words: list[str]) -> None:
    """`prove --api` is `prove api`, wherever it stands."""
    named = called(tmp_path, "prove", *words)
    usual = called(tmp_path, "prove", "api", *(word for word in words if word != "--api"))

    assert "prove api" in usual.output
    assert (named.exit_code, named.output) == (usual.exit_code, usual.output)


def test_options_before_the_name_of_a_proof_are_refused(tmp_path: Path) -> None:
    """They would be lost: the other proof would run with its own."""
    done = called(tmp_path, "prove", "--faults", "7", "api")

    assert done.exit_code == 2
    assert "options of `api` stand behind its name" in done.stderr
    assert not list(tmp_path.iterdir())
