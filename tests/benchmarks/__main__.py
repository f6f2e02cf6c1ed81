"""`./run bench`: every figure that was asked for, measured on this machine with everything on it; or ours beside its peers."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mailq import telemetry
from mailq.errors import MailqError
from tests.benchmarks import (
    accepting,
    calls,
    client_alone,
    doors,
    figures,
    first_mail,
    machine,
    millions,
    progress,
    rendering,
    report,
    sending,
)
from tests.benchmarks import ground as grounds
from tests.benchmarks.ground import QUICK, Ground, Sizes
from tests.benchmarks.peers import PEERS, comparison

Measure = Callable[[Ground], dict[str, Any]]

EXAMPLES = """\b
Examples:
  ./run bench                                 everything, in about a quarter of an hour
  ./run bench --quick                         a smaller run, in a minute or two
  ./run bench --only sending --mails 20000    one part of it
  ./run bench --json bench.json
  ./run bench --from bench.json --markdown docs/performance.md
  ./run bench --against django-post_office,smtplib,smtp-source
\b
Parts: rendering, client, sending, first, accept, doors, calls, largest, scale.
Nothing leaves the machine but the installation of peers and, once, the download of smtp-sink.
"""

# What fills the database with millions comes last.
PARTS: dict[str, tuple[str, Measure]] = {
    "rendering": ("making messages", rendering.measure),
    "client": ("the SMTP client alone", client_alone.measure),
    "sending": ("sending, in turns with smtp-source", sending.measure),
    "first": ("the first mail after a submit", first_mail.measure),
    "accept": ("accepting recipients", accepting.measure),
    "doors": ("the doors of producers", doors.measure),
    "calls": ("calls and conversations", calls.measure),
    "largest": ("the largest submit", accepting.measure_largest),
    "scale": ("millions of deliveries", millions.measure),
}


class Names(click.ParamType):
    """Names separated by commas."""

    name = "name,…"

    def __init__(self, known: Sequence[str]) -> None:
        self.known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split, and refuse what is not known."""
        names = tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else tuple(value)
        for name in names:
            if name not in self.known:
                self.fail(f"{name} is none of {', '.join(self.known)}", param, ctx)
        return names


@click.command(epilog=EXAMPLES)
@click.option("--quick", is_flag=True, help="Smaller numbers: hardly more than a check that it works.")
@click.option("--only", type=Names(tuple(PARTS)), help="Measure these parts alone.")
@click.option("--mails", type=click.IntRange(3), help="Recipients of a mailing that is sent.  [default: 60000]")
@click.option(
    "--recipients", "accepted", type=click.IntRange(1), help="Recipients of one that is only accepted.  [default: 300000]"
)
@click.option("--calls", "called", type=click.IntRange(1), help="Calls that are accepted in each setting.  [default: 3000]")
@click.option("--largest", type=click.IntRange(1), help="Recipients of the largest submit.  [default: 5000000]")
@click.option(
    "--scale", type=click.IntRange(0), help="Deliveries of a crowded ledger, 0 for none.  [default: 10000000; with --quick 0]"
)
@click.option("--against", type=Names(tuple(PEERS)), help="Instead: ours and these peers in turns.")
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True, help="Pairs of runs for each peer.")
@click.option(
    "--peer-mails", type=click.IntRange(1), default=10_000, show_default=True, help="Mails of such a run; smtp-source gets more."
)
@click.option(
    "--from", "former", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Instead: what `--json` wrote before."
)
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here as well.")
@click.option(
    "--markdown", "page", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Put the tables into this page."
)
def main(
    *,
    quick: bool,
    only: tuple[str, ...] | None,
    mails: int | None,
    accepted: int | None,
    called: int | None,
    largest: int | None,
    scale: int | None,
    against: tuple[str, ...] | None,
    runs: int,
    peer_mails: int,
    former: Path | None,
    target: Path | None,
    page: Path | None,
) -> None:
    """Measure mailq on this machine, with database, broker and relay on it: rates, CPU per mail, memory, and what was asked for."""
    telemetry.configure(level="ERROR")
    sizes = _sizes(QUICK if quick else Sizes(), mails=mails, accepted=accepted, calls=called, largest=largest, scale=scale)
    parts = only or tuple(name for name in PARTS if name != "scale" or sizes.scale)
    with in_a_sentence():
        if former:
            document = json.loads(former.read_text(encoding="utf-8"))
        elif against:
            document = beside(against, sizes, runs=runs, mails=peer_mails)
        else:
            document = measured(parts, sizes)
    report.show(document)
    if target:
        target.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if page:
        report.write(page, document)
    if failed := document.get("failed"):
        raise click.ClickException("\n".join(f"{part} failed: {why}" for part, why in failed.items()))


@contextmanager
def in_a_sentence() -> Iterator[None]:
    """What can go wrong on a machine, without a traceback."""
    try:
        yield
    except (MailqError, RuntimeError, TimeoutError) as error:
        raise click.ClickException(str(error)) from error


def _sizes(sizes: Sizes, **given: int | None) -> Sizes:
    return replace(sizes, **{name: value for name, value in given.items() if value is not None})


def beside(names: Sequence[str], sizes: Sizes, *, runs: int, mails: int) -> dict[str, Any]:
    """Measure ours and these peers in turns; the figures as the JSON file has them."""
    with progress.shown(len(names) * (runs + 1)) as say, grounds.prepared(sizes) as ground:
        return {"machine": machine.describe(ground)} | comparison.compare(ground, names, runs=runs, mails=mails, say=say)


def measured(parts: Sequence[str], sizes: Sizes) -> dict[str, Any]:
    """Measure these parts, one after the other; the figures as the JSON file has them."""
    with progress.shown(len(parts)) as say, grounds.prepared(sizes) as ground:
        document: dict[str, Any] = {"machine": machine.describe(ground)}
        for part in parts:
            words, measure = PARTS[part]
            say(words)
            try:
                document = figures.merged(document, measure(ground))
            except Exception as error:  # noqa: BLE001 - the figures of the other parts took minutes and count all the same
                document.setdefault("failed", {})[part] = f"{type(error).__name__}: {error}"
    return document | {"figures": {each.target.name: each.as_mapping() for each in figures.of(document)}}


if __name__ == "__main__":
    main(prog_name="./run bench")
