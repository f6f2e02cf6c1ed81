"""`db accept-restore`: going on with a database that has forgotten what was sent."""

import getpass
import socket
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line, print_table, say
from mailq.errors import BadInput, Conflict

if TYPE_CHECKING:
    from mailq.core.forgetting import Behind
    from mailq.engine.guard import Guard
    from mailq.store.database import Database
    from mailq.store.installation import Forgotten
    from mailq.store.mailings import Summary

_COLUMNS = ("mailing", "name", "state", "sent", "may_be_mailed_twice")


@click.command(
    "accept-restore", context_settings=CONTEXT, epilog=examples("db accept-restore", "db accept-restore --pause --yes")
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--pause", is_flag=True, help="Pause the running mailings first, to look at each before it goes on.")
@json_option("Print what is known as JSON, and change nothing unless --yes is said, too.")
def accept_restore(*, yes: bool, pause: bool, as_json: bool) -> None:
    """Go on with a database that was restored from a backup, and has forgotten what was sent since.

    Shows what may be mailed twice, and asks. Exit code 5 if there is nothing to accept.
    """
    from mailq import bootstrap
    from mailq.engine import acceptance

    chosen = parts.load()
    with parts.opened(chosen, checked=True) as database:
        found, behind = _look(bootstrap.guard(chosen, database))
        going_on = _going_on(database)
        if as_json:
            print_json(_document(found, behind, going_on))
            if not yes:
                return
        else:
            _show(found, behind, going_on)
        _confirm(yes=yes)
        accepted = acceptance.accept(database, actor=f"{getpass.getuser()}@{socket.gethostname()}", pause=pause)
    for mailing in accepted.paused:
        say(f"mailing {mailing.public_id} is paused; `mailqctl mailing resume {mailing.public_id}` goes on")
    say("the restore is accepted: servers go on within a few heartbeats")


def _look(guard: "Guard") -> "tuple[Forgotten, list[Behind]]":
    """Since when nothing is sent, and the marks that are ahead. Before the first server has started nobody may have looked."""
    guard.check()
    found = guard.standing()
    if found is None:
        raise Conflict(
            "this database has forgotten nothing, as far as Redis and the marks in this home know: there is no restore to accept"
        )
    return found, guard.compared()


def _going_on(database: "Database") -> "list[Summary]":
    from mailq.engine import acceptance

    with database.begin() as tx:
        return list(acceptance.unfinished(tx))


def _show(found: "Forgotten", behind: "list[Behind]", going_on: "list[Summary]") -> None:
    print_line(f"nothing is sent since {found.since:%Y-%m-%d %H:%M:%S} UTC, because this database has forgotten what was sent:")
    print_line(f"  {found.why}")
    if behind:
        print_line("\nmarks outside the database that are ahead of it:")
        ahead = [(each.server, each.mark.beat, "unknown" if each.beat is None else each.beat, each.mark.at) for each in behind]
        print_table(("server", "acknowledged", "known", "until"), ahead, right=("acknowledged", "known"))
    if going_on:
        print_line("\nmailings that go on; what they have still to send by these books may have been sent already:")
        rows = [
            (each.mailing.public_id, each.mailing.name, each.mailing.state, each.books.num_sent, _left(each)) for each in going_on
        ]
        print_table(_COLUMNS, rows, right=_COLUMNS[3:])
    print_line(f"\nat most {sum(map(_left, going_on)):,} recipients may be mailed twice")
    print_line("mailings submitted in the time that is forgotten are unknown here: do not submit them again")


def _document(found: "Forgotten", behind: "list[Behind]", going_on: "list[Summary]") -> dict[str, Any]:
    listed = [
        {
            "mailing": each.mailing.public_id,
            "name": each.mailing.name,
            "state": each.mailing.state,
            "may_be_mailed_twice": _left(each),
        }
        for each in going_on
    ]
    marks = [
        {"server": each.server, "acknowledged": each.mark.beat, "known": each.beat, "until": each.mark.at} for each in behind
    ]
    return {**asdict(found), "marks_ahead": marks, "mailings": listed, "may_be_mailed_twice": sum(map(_left, going_on))}


def _left(summary: "Summary") -> int:
    return summary.books.num_pending + summary.books.num_deferred


def _confirm(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("this may mail people twice, and cannot be undone: say --yes")
    click.confirm("go on with this database?", abort=True, err=True)
