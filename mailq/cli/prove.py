"""`prove`: faults on a real stack, and two ledgers compared."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from mailq.cli import proofs
from mailq.cli.lazy import Entry
from mailq.cli.options import CONTEXT, Words, examples
from mailq.cli.proofs import Report
from mailq.cli.terminal import print_table, say
from mailq.core.mailing import DoubtPolicy
from mailq.errors import BadInput

if TYPE_CHECKING:
    from mailq.local.proof.kinds import Kind
    from mailq.local.proof.proving import Result

_EXAMPLES = examples(
    "prove", "prove --faults 1000 --json proof.json", "prove --kinds child-killed,redis-killed", "prove api --faults 100"
)
_POLICIES = (DoubtPolicy.HOLD, DoubtPolicy.RESEND)


@click.group(
    cls=proofs.Group,
    invoke_without_command=True,
    entries={
        "api": Entry("mailq.cli.prove_api:api", "Kill the HTTP API while producers retry under their keys."),
        "calls": Entry("mailq.cli.prove_calls:calls", "Kill everything while calls and conversations run."),
    },
    context_settings=CONTEXT,
    epilog=_EXAMPLES,
)
@click.option("--faults", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many faults.")
@click.option("--servers", type=click.IntRange(2, 12), default=3, show_default=True, help="How many worker servers.")
@click.option("--kinds", metavar="KIND,…", help="Only these kinds of faults; `--kinds list` shows them.")
@click.option(
    "--policy", type=Words([*_POLICIES]), default=DoubtPolicy.HOLD.value, show_default=True, help="What becomes of doubts."
)
@click.option(
    "--round", "per_round", type=click.IntRange(1, 1000), default=20, show_default=True, help="Faults between two comparisons."
)
@click.option(
    "--gap", type=click.FloatRange(0.1, 60), default=1.7, show_default=True, help="Seconds between two faults, on the average."
)
@click.option("--recipients", type=click.IntRange(100, 1_000_000), default=600, show_default=True, help="Of each mailing.")
@proofs.options
@click.pass_context
def prove(
    context: click.Context,
    *,
    faults: int,
    servers: int,
    seed: int,
    kinds: str | None,
    policy: str,
    per_round: int,
    gap: float,
    recipients: int,
    keep: bool,
    json_file: Path | None,
) -> None:
    """Kill, stop, cut off and confuse a real stack while it sends, and compare its books with the relay's. Exit code 0 if all is well.

    PostgreSQL, Redis, a mail sink and the servers are started for it in a directory of their own below MAILQ_HOME; nothing that
    the settings name is touched. Afterwards: nobody lost, nobody mailed twice, every doubt named and within its bound.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from mailq.local.proof import order as orders
    from mailq.local.proof.kinds import Kind
    from mailq.local.proof.proving import prove as run

    missing = orders.not_at_hand()
    if kinds == "list":
        _list_kinds(missing)
        return
    order = orders.Order(
        num_faults=faults,
        num_servers=servers,
        seed=seed,
        kinds=_chosen(kinds, missing),
        policy=DoubtPolicy(policy),
        per_round=per_round,
        mean_gap_s=gap,
        num_recipients=recipients,
    )
    if not order.kinds:
        for kind, why in missing.items():
            say(f"without {kind}: {why}")
    at_hand = order.kinds or [kind for kind in Kind if kind not in missing]
    stack = f"PostgreSQL, Redis, a mail sink and {servers} servers"
    proofs.run(
        "prove", order, stack, lambda home, meter: _report(run(order, at_hand, home, meter)), keep=keep, json_file=json_file
    )


def _refuse_options(context: click.Context) -> None:
    """Refuse what was meant for the proof that follows, and would be lost.

    Raises:
        UsageError: there is some.
    """
    given = [name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        name = context.invoked_subcommand
        raise click.UsageError(f"options of `{name}` stand behind its name: mailqctl prove {name} …", context)


def _report(result: "Result") -> Report:
    from mailq.local.proof.tally import COLUMNS

    tally = result.tally
    return Report(
        columns=COLUMNS,
        rows=tally.rows(),
        summary=f"{tally.num_faults:,} faults, {tally.num_mails:,} mails: "
        "nobody lost, nobody mailed twice, every doubt within its bound",
        document=tally.document(),
        violation=result.violation,
        happened={
            "a server ended by itself and was started again, as a service manager would": result.num_ended,
            "a server could not start because a service was away, and was started again": result.num_kept_out,
            "a server was killed because its orderly stop took too long": result.num_cut_short,
        },
        evidence="logs and both ledgers are",
    )


def _chosen(words: str | None, missing: "Mapping[Kind, str]") -> "tuple[Kind, ...]":
    """The kinds that were asked for.

    Raises:
        BadInput: one is unknown, or cannot be done here.
    """
    from mailq.local.proof.kinds import Kind

    chosen = []
    for word in [word.strip() for word in words.split(",")] if words else []:
        if word not in [*Kind]:
            raise BadInput(f"there is no kind of fault `{word}`; there are: {', '.join(Kind)}")
        if Kind(word) in missing:
            raise BadInput(f"{word} cannot be done here: {missing[Kind(word)]}")
        chosen.append(Kind(word))
    return tuple(dict.fromkeys(chosen))


def _list_kinds(missing: "Mapping[Kind, str]") -> None:
    from mailq.local.proof.kinds import MEANINGS

    print_table(("kind", "what is done", "here"), [(kind, what, missing.get(kind, "yes")) for kind, what in MEANINGS.items()])
