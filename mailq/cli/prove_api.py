"""`prove api`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailq.cli import proofs
from mailq.cli.options import CONTEXT, examples
from mailq.cli.proofs import Report

if TYPE_CHECKING:
    from mailq.local.proof.doors.order import Order
    from mailq.local.proof.doors.proving import Result


@click.command(context_settings=CONTEXT, epilog=examples("prove api", "prove api --faults 200 --json proof.json"))
@proofs.paced(num_producers=6, gap_s=0.3)
@click.option("--recipients", type=click.IntRange(2, 100_000), default=300, show_default=True, help="At most, of a mailing.")
@proofs.options
def api(*, faults: int, producers: int, seed: int, gap: float, recipients: int, keep: bool, json_file: Path | None) -> None:
    """Kill the HTTP API at random while producers hand over mailings and messages, and retry under their keys.

    Afterwards every key was taken exactly once, under the id that its producer was told, and every recipient was mailed exactly
    once. Exit code 0 if all is well.
    """
    from mailq.local.proof.doors.order import Order
    from mailq.local.proof.doors.proving import prove

    order = Order(num_faults=faults, num_producers=producers, seed=seed, mean_gap_s=gap, most_recipients=recipients)
    stack = f"PostgreSQL, Redis, a mail sink, 2 servers, the API and {producers} producers"
    proofs.run(
        "prove-api", order, stack, lambda home, meter: _report(order, prove(order, home, meter)), keep=keep, json_file=json_file
    )


def _report(order: "Order", result: "Result") -> Report:
    found = result.findings
    return Report(
        columns=("kind", "faults"),
        rows=[*result.faults.items()],
        summary=f"{sum(result.faults.values()):,} faults, {found.num_messages:,} messages, {found.num_mailings:,} mailings, "
        f"{found.num_mails:,} mails: each accepted exactly once, though "
        f"{result.num_retries + result.num_repeated:,} were handed over again",
        document=result.document(order),
        violation=result.violation,
        happened={
            "the API ended by itself and was started again, as a service manager would": result.num_ended,
            "the API was killed because its orderly stop took too long": result.num_cut_short,
        },
    )
