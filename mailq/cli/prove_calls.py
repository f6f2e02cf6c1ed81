"""`prove calls`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailq.cli import proofs
from mailq.cli.options import CONTEXT, examples
from mailq.cli.proofs import Report

if TYPE_CHECKING:
    from mailq.local.proof.calls.order import Order
    from mailq.local.proof.calls.proving import Result


@click.command(context_settings=CONTEXT, epilog=examples("prove calls", "prove calls --faults 200 --json proof.json"))
@proofs.paced(num_producers=4, gap_s=0.7)
@click.option("--parts", type=click.IntRange(2, 1000), default=12, show_default=True, help="At most, of a conversation.")
@click.option(
    "--part-gap",
    type=click.FloatRange(1, 600),
    default=12.0,
    show_default=True,
    help="Seconds after which a conversation that lacks a part is in error; some are left to.",
)
@click.option(
    "--round", "per_round", type=click.IntRange(1, 1000), default=20, show_default=True, help="Faults between two comparisons."
)
@proofs.options
def calls(
    *,
    faults: int,
    producers: int,
    seed: int,
    gap: float,
    parts: int,
    part_gap: float,
    per_round: int,
    keep: bool,
    json_file: Path | None,
) -> None:
    """Kill the API, the worker servers, PostgreSQL and Redis at random while calls and conversations come in, run and are answered.

    Afterwards every call that was accepted has ended exactly once, with its effect, the parts of conversations in sequence and none
    behind one in error; and every answer came, always with the same webhook id and words. Exit code 0 if all is well.
    """
    from mailq.local.proof.calls.order import Order
    from mailq.local.proof.calls.proving import prove

    order = Order(
        num_faults=faults,
        num_producers=producers,
        seed=seed,
        mean_gap_s=gap,
        most_parts=parts,
        part_gap_s=part_gap,
        per_round=per_round,
    )
    stack = f"PostgreSQL, Redis, a mail sink, 2 servers, the API, a receiver of webhooks and {producers} producers"
    proofs.run(
        "prove-calls", order, stack, lambda home, meter: _report(order, prove(order, home, meter)), keep=keep, json_file=json_file
    )


def _report(order: "Order", result: "Result") -> Report:
    found = result.findings
    return Report(
        columns=("kind", "faults"),
        rows=[*result.faults.items()],
        summary=f"{sum(result.faults.values()):,} faults, {found.num_calls:,} calls, {found.num_conversations:,} conversations "
        f"({found.num_failed:,} in error, {found.num_late:,} of them for lack of a part), {found.num_answers:,} answers in "
        f"{found.num_attempts:,} attempts: each ended once, in sequence, and was answered, though "
        f"{result.num_retries + result.num_repeated:,} were sent again",
        document=result.document(order),
        violation=result.violation,
        happened={
            "the API or a server ended by itself and was started again, as a service manager would": result.num_ended,
            "the API or a server was killed because its orderly stop took too long": result.num_cut_short,
        },
    )
