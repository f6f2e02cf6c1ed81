"""`prove`: faults on a real stack, and two ledgers compared."""

import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailq.cli import parts, progress
from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.options import CONTEXT, Words, examples
from mailq.cli.terminal import clean, print_line, print_table, say
from mailq.core.mailing import DoubtPolicy
from mailq.errors import BadInput

if TYPE_CHECKING:
    from mailq.local.proof.kinds import Kind
    from mailq.local.proof.order import Order
    from mailq.local.proof.proving import Result

_EXAMPLES = examples(
    "prove", "prove --faults 1000 --json proof.json", "prove --kinds child-killed,redis-killed", "prove api --faults 100"
)
_POLICIES = (DoubtPolicy.HOLD, DoubtPolicy.RESEND)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    entries={"api": Entry("mailq.cli.prove_api:api", "Kill the HTTP API while producers retry under their keys.")},
    context_settings=CONTEXT,
    epilog=_EXAMPLES,
)
@click.option("--faults", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many faults.")
@click.option("--servers", type=click.IntRange(2, 12), default=3, show_default=True, help="How many worker servers.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Which schedule; default another one each time.")
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
@click.option("--keep", is_flag=True, help="Keep the directory with the logs though all is well.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the result as JSON."
)
@click.pass_context
def prove(
    context: click.Context,
    *,
    faults: int,
    servers: int,
    seed: int | None,
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
        return
    from mailq.local.proof import order as orders

    missing = orders.not_at_hand()
    if kinds == "list":
        _list_kinds(missing)
        return
    order = orders.Order(
        num_faults=faults,
        num_servers=servers,
        seed=secrets.randbelow(1_000_000) if seed is None else seed,
        kinds=_chosen(kinds, missing),
        policy=DoubtPolicy(policy),
        per_round=per_round,
        mean_gap_s=gap,
        num_recipients=recipients,
    )
    result = _run(order, missing, keep=keep)
    if json_file is not None:
        json_file.write_text(json.dumps(result.tally.document(), indent=2) + "\n")
    if result.violation:
        raise SystemExit(1)


def _run(order: "Order", missing: "Mapping[Kind, str]", *, keep: bool) -> "Result":
    from mailq.local.proof import tally
    from mailq.local.proof.kinds import Kind
    from mailq.local.proof.proving import prove as run_proof

    home = (parts.load().home / f"prove-{order.seed}").absolute()
    at_hand = [kind for kind in order.kinds or Kind if kind not in missing]
    for kind in order.kinds or Kind:
        if kind in missing:
            say(f"without {kind}: {missing[kind]}")
    shutil.rmtree(home, ignore_errors=True)
    say(f"starting PostgreSQL, Redis, a mail sink and {order.num_servers} servers in {home}; seed {order.seed}")
    with progress.shown("proof", "faults") as meter:
        result = run_proof(order, at_hand, home, meter)
    print_table(tally.COLUMNS, result.tally.rows(), right=tally.COLUMNS[1:])
    _conclude(order, result, home)
    if not (keep or result.violation):
        shutil.rmtree(home, ignore_errors=True)
    return result


def _conclude(order: "Order", result: "Result", home: Path) -> None:
    if result.num_ended:
        say(f"{result.num_ended} times a server ended by itself and was started again, as a service manager would")
    if result.num_kept_out:
        say(f"{result.num_kept_out} times a server could not start because a service was away, and was started again")
    if result.num_cut_short:
        say(f"{result.num_cut_short} times a server was killed because its orderly stop took too long")
    if result.violation:
        for line in result.violation:
            print_line(clean(line))
        say(f"mailqctl: the proof failed. Repeat it with `{order.command()}`; logs and both ledgers are in {home}")
        return
    tally = result.tally
    print_line(
        f"{tally.num_faults:,} faults, {tally.num_mails:,} mails: nobody lost, nobody mailed twice, every doubt within its bound"
    )
    say(f"repeat it with `{order.command()}`")


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
