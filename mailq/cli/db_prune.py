"""`db prune`: old mailings leave the database."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.actor import actor
from mailq.cli.confirming import confirm
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line, print_table, say
from mailq.errors import BadInput

if TYPE_CHECKING:
    from mailq.settings import Settings
    from mailq.store.database import Database
    from mailq.store.pruning import Month

_COLUMNS = ("month", "mailings", "recipients", "mb", "prune")
_WAYS = ("db prune --dry-run", "db prune --older-than 13", "db prune --older-than 2026-01 --yes", "db prune --mailing spring")


@click.command("prune", context_settings=CONTEXT, epilog=examples(*_WAYS))
@click.option(
    "--older-than",
    metavar="MONTHS",
    help="So many whole months are kept beside the present one; or the first month to keep, as 2026-01. Default: the setting.",
)
@click.option("--mailing", "reference", help="Delete this one mailing instead, which has ended.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted and what would be kept, and why.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option("Print the months as JSON; without --yes nothing is deleted.")
def prune(*, older_than: str | None, reference: str | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete old mailings with their recipients, replies and keys, whole months at a time.

    A month in which something is unfinished or in doubt is kept. A key that is pruned is unknown: the same submit would be sent again.
    Exit code 5 if the one mailing cannot be pruned.
    """
    chosen = parts.load()
    with parts.opened(chosen, checked=True) as database:
        if reference is not None:
            _require_alone(older_than, dry_run=dry_run, as_json=as_json)
            _forget(database, reference, yes=yes)
            return
        before = _first_kept(database, chosen, older_than)
        found = _look(database, before)
        going = [month for month in found if month.kept_because is None]
        if dry_run or not going or (as_json and not yes):
            _show(found, as_json=as_json)
            return
        if not as_json:
            _show(found, as_json=False)
        confirm(f"delete {len(going)} months for good?", yes=yes)
        dropped = _prune(database, before)
        if as_json:
            print_json([_document(month, pruned=True) for month in dropped])
        say(f"{len(dropped)} months pruned")


def _first_kept(database: "Database", chosen: "Settings", older_than: str | None) -> int:
    from mailq.engine import pruning

    if older_than is None:
        if chosen.retention.months is None:
            raise BadInput("everything is kept for ever: say --older-than, or set MAILQ_RETENTION__MONTHS")
        return pruning.older_than(database, chosen.retention.months)
    named = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", older_than)
    if named:
        return int(named[1]) * 12 + int(named[2]) - 1
    if not re.fullmatch(r"[1-9]\d{0,3}", older_than):
        raise BadInput(f"--older-than `{older_than}` is neither a number of months nor a month such as 2026-01")
    return pruning.older_than(database, int(older_than))


def _require_alone(older_than: str | None, *, dry_run: bool, as_json: bool) -> None:
    if older_than is not None or dry_run or as_json:
        raise BadInput("--mailing goes with --yes only")


def _forget(database: "Database", reference: str, *, yes: bool) -> None:
    from mailq.engine import pruning

    confirm(f"delete mailing `{reference}` with all its recipients for good?", yes=yes)
    forgotten = pruning.forget(database, reference, actor=actor())
    say(f"mailing {forgotten.public_id} is pruned")


def _look(database: "Database", before: int) -> "Sequence[Month]":
    from mailq.engine import pruning

    return pruning.look(database, before=before)


def _prune(database: "Database", before: int) -> "Sequence[Month]":
    from mailq.engine import pruning

    return pruning.prune(database, before=before, actor=actor())


def _show(months: "Sequence[Month]", *, as_json: bool) -> None:
    if as_json:
        print_json([_document(month, pruned=False) for month in months])
        return
    if not months:
        print_line("no month is old enough; the present one is never pruned")
        return
    rows = [
        (each.name, each.num_mailings, each.num_profiles, round(each.size_bytes / 1e6), _answer(each.kept_because))
        for each in months
    ]
    print_table(_COLUMNS, rows, right=_COLUMNS[1:4])


def _answer(kept_because: str | None) -> str:
    return "yes" if kept_because is None else f"no: {kept_because}"


def _document(month: "Month", *, pruned: bool) -> dict[str, Any]:
    return {
        "month": month.name,
        "num_mailings": month.num_mailings,
        "num_profiles": month.num_profiles,
        "num_unfinished": month.num_unfinished,
        "num_in_doubt": month.num_in_doubt,
        "size_bytes": month.size_bytes,
        "kept_because": month.kept_because,
        "pruned": pruned,
    }
