"""`prove api`."""

import json
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailq.cli import parts, progress
from mailq.cli.options import CONTEXT, examples
from mailq.cli.terminal import clean, print_line, print_table, say

if TYPE_CHECKING:
    from mailq.local.proof.doors.order import Order
    from mailq.local.proof.doors.proving import Result


@click.command(context_settings=CONTEXT, epilog=examples("prove api", "prove api --faults 200 --json proof.json"))
@click.option("--faults", type=click.IntRange(1, 100_000), default=40, show_default=True, help="How many faults.")
@click.option("--producers", type=click.IntRange(1, 64), default=6, show_default=True, help="How many work at the same time.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Which schedule; default another one each time.")
@click.option(
    "--gap",
    type=click.FloatRange(0.1, 60),
    default=0.3,
    show_default=True,
    help="Seconds before each fault, on the average.",
)
@click.option("--recipients", type=click.IntRange(2, 100_000), default=300, show_default=True, help="At most, of a mailing.")
@click.option("--keep", is_flag=True, help="Keep the directory with the logs though all is well.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the result as JSON."
)
def api(
    *, faults: int, producers: int, seed: int | None, gap: float, recipients: int, keep: bool, json_file: Path | None
) -> None:
    """Kill the HTTP API at random while producers hand over mailings and messages, and retry under their keys.

    Afterwards every key was taken exactly once, under the id that its producer was told, and every recipient was mailed exactly
    once. Exit code 0 if all is well.
    """
    from mailq.local.proof.doors.order import Order

    order = Order(
        num_faults=faults,
        num_producers=producers,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        mean_gap_s=gap,
        most_recipients=recipients,
    )
    result = _run(order, keep=keep)
    if json_file is not None:
        json_file.write_text(json.dumps(result.document(order), indent=2) + "\n")
    if result.violation:
        raise SystemExit(1)


def _run(order: "Order", *, keep: bool) -> "Result":
    from mailq.local.proof.doors.proving import prove

    home = (parts.load().home / f"prove-api-{order.seed}").absolute()
    shutil.rmtree(home, ignore_errors=True)
    say(
        f"starting PostgreSQL, Redis, a mail sink, 2 servers, the API and {order.num_producers} producers in {home}; seed {order.seed}"
    )
    with progress.shown("proof", "faults") as meter:
        result = prove(order, home, meter)
    print_table(("kind", "faults"), [(kind, number) for kind, number in result.faults.items()], right=["faults"])
    _conclude(order, result, home)
    if not (keep or result.violation):
        shutil.rmtree(home, ignore_errors=True)
    return result


def _conclude(order: "Order", result: "Result", home: Path) -> None:
    if result.num_ended:
        say(f"{result.num_ended} times the API ended by itself and was started again, as a service manager would")
    if result.num_cut_short:
        say(f"{result.num_cut_short} times the API was killed because its orderly stop took too long")
    if result.violation:
        for line in result.violation:
            print_line(clean(line))
        say(f"mailqctl: the proof failed. Repeat it with `{order.command()}`; logs are in {home}")
        return
    found = result.findings
    print_line(
        f"{sum(result.faults.values()):,} faults, {found.num_messages:,} messages, {found.num_mailings:,} mailings, "
        f"{found.num_mails:,} mails: each accepted exactly once, though "
        f"{result.num_retries + result.num_repeated:,} were handed over again"
    )
    say(f"repeat it with `{order.command()}`")
