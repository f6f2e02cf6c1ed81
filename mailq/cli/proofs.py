"""What the proofs have in common: how one is called, where it works, how it runs, and how its end is told."""

import json
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import click

from mailq.cli import parts, progress
from mailq.cli.lazy import LazyGroup
from mailq.cli.options import Function
from mailq.cli.progress import Meter
from mailq.cli.terminal import clean, print_line, print_table, say


class Order(Protocol):
    """A proof as it was asked for."""

    @property
    def seed(self) -> int:
        """Which schedule."""

    def command(self) -> str:
        """How to repeat it."""


@dataclass(frozen=True)
class Report:
    """What is told of a proof that has ended.

    Attributes:
        columns: of the table of faults; all but the first are numbers.
        summary: what was proved, in one sentence, if all is well.
        document: the result for machines.
        violation: what must not be, in words; None if all is well.
        happened: what else a person should know, by how often it happened.
        evidence: what the directory of a proof that failed holds.
    """

    columns: Sequence[str]
    rows: Iterable[Sequence[object]]
    summary: str
    document: Mapping[str, object]
    violation: Sequence[str] | None
    happened: Mapping[str, int] = field(default_factory=dict)
    evidence: str = "logs are"


class Group(LazyGroup):
    """The proofs below one command: `prove --api` is `prove api`, too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the option that names a proof for its name."""
        named = next((name for name in self.entries if f"--{name}" in args), None)
        if named is not None:
            args = [named, *(each for each in args if each != f"--{named}")]
        return super().parse_args(ctx, args)


def options(function: Function) -> Function:
    """`--seed`, `--keep` and `--json`, as every proof has them."""
    for option in (
        click.option(
            "--json",
            "json_file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write the result as JSON.",
        ),
        click.option("--keep", is_flag=True, help="Keep the directory with the logs though all is well."),
        click.option(
            "--seed",
            type=click.IntRange(0, 2**63 - 1),
            default=lambda: secrets.randbelow(1_000_000),
            help="Which schedule; default another one each time.",
        ),
    ):
        function = option(function)
    return function


def paced(*, num_producers: int, gap_s: float) -> Callable[[Function], Function]:
    """The options of a proof whose faults come while producers work.

    Args:
        num_producers: how many work unless it is said.
        gap_s: seconds before each fault unless it is said.
    """
    faults = click.option("--faults", type=click.IntRange(1, 100_000), default=40, show_default=True, help="How many faults.")
    producers = click.option(
        "--producers",
        type=click.IntRange(1, 64),
        default=num_producers,
        show_default=True,
        help="How many work at the same time.",
    )
    gap = click.option(
        "--gap",
        type=click.FloatRange(0.1, 60),
        default=gap_s,
        show_default=True,
        help="Seconds before each fault, on the average.",
    )
    return lambda function: faults(producers(gap(function)))


def run(
    name: str, order: Order, stack: str, prove: Callable[[Path, Meter], Report], *, keep: bool, json_file: Path | None
) -> None:
    """Run a proof in a fresh directory below MAILQ_HOME, and tell how it ended. Exits with 1 if it failed; then the directory stays.

    Args:
        name: the beginning of the directory's name.
        stack: what is started for it, in words.
    """
    home = (parts.load().home / f"{name}-{order.seed}").absolute()
    shutil.rmtree(home, ignore_errors=True)
    say(f"starting {stack} in {home}; seed {order.seed}")
    with progress.shown("proof", "faults") as meter:
        report = prove(home, meter)
    _tell(report, order, home)
    if not (keep or report.violation):
        shutil.rmtree(home, ignore_errors=True)
    if json_file is not None:
        json_file.write_text(json.dumps(report.document, indent=2) + "\n")
    if report.violation:
        raise SystemExit(1)


def _tell(report: Report, order: Order, home: Path) -> None:
    print_table(report.columns, report.rows, right=report.columns[1:])
    for what, number in report.happened.items():
        if number:
            say(f"{number} times {what}")
    if report.violation:
        for line in report.violation:
            print_line(clean(line))
        say(f"mailqctl: the proof failed. Repeat it with `{order.command()}`; {report.evidence} in {home}")
        return
    print_line(report.summary)
    say(f"repeat it with `{order.command()}`")
