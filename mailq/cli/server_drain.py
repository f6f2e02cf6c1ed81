"""`server drain`."""

import time
from typing import TYPE_CHECKING

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.server_list import as_document
from mailq.cli.terminal import print_json, print_line, say, span
from mailq.core.server import State
from mailq.errors import Conflict, NotFound

if TYPE_CHECKING:
    from mailq.store.database import Database
    from mailq.store.fleet import Listed

LOOK_EVERY_S = 0.2
SAY_EVERY_S = 5.0


@click.command(context_settings=CONTEXT, epilog=examples("server drain web1:8851", "server drain web1:8851 --no-wait"))
@click.argument("name", metavar="SERVER")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it has stopped.")
@json_option()
def drain(*, name: str, wait: bool, as_json: bool) -> None:
    """Stop a server from afar, as SIGTERM does: it begins nothing new, settles what is under way, hands its batches back and ends.

    It hears of it at its next renewal. Ctrl-C stops the waiting, not the draining.
    """
    with parts.opened(parts.load(), checked=True) as database:
        found = _told(database, name)
        if wait and found.state is State.DRAINING:
            found = _until_stopped(database, name)
    if as_json:
        print_json(as_document(found))
    elif found.state is State.STOPPED:
        print_line(f"server {name} has stopped")
    elif found.state is State.ALIVE:
        print_line(f"server {name} has stopped, and was started again")
    else:
        print_line(f"server {name} drains; it will have stopped when `mailqctl server list` says so")


def find(database: "Database", name: str) -> "Listed":
    """A server by its id.

    Raises:
        NotFound: no server of this id has ever started; the text names those that have.
    """
    from mailq.store import fleet

    with database.begin() as tx:
        known = {each.standing.name: each for each in fleet.listed(tx)}
    if name not in known:
        those = f"known are {', '.join(known)}" if known else "none has ever started"
        raise NotFound(f"no server `{name}`; {those}")
    return known[name]


def _told(database: "Database", name: str) -> "Listed":
    """Tell it, and see how it stands then."""
    from mailq.store import fleet

    found = find(database, name)
    if found.state is State.STOPPED:
        since = found.standing.renewed_at
        say(f"server {name} is stopped already, since {since:%Y-%m-%d %H:%M:%S %Z}; nothing was changed")
    elif found.state is State.ALIVE:
        with database.begin() as tx:
            fleet.drain(tx, found.standing.server_id)
        found = find(database, name)
    return _not_silent(found)


def _until_stopped(database: "Database", name: str) -> "Listed":
    began_s = said_s = time.monotonic()
    say(f"server {name} drains")
    while True:
        found = _not_silent(find(database, name))
        if found.state is not State.DRAINING:
            return found
        if time.monotonic() - said_s >= SAY_EVERY_S:
            said_s = time.monotonic()
            say(f"server {name} has been draining for {span(said_s - began_s)}; it still holds {_batches(found)}")
        time.sleep(LOOK_EVERY_S)


def _not_silent(found: "Listed") -> "Listed":
    """A silent server hears nothing.

    Raises:
        Conflict: its lease has run out.
    """
    if found.state is State.SILENT:
        standing = found.standing
        raise Conflict(
            f"server {standing.name} is silent since {standing.renewed_at:%Y-%m-%d %H:%M:%S %Z} and hears nothing; {_going(found)}"
        )
    return found


def _going(found: "Listed") -> str:
    if not found.num_leased:
        return "it holds no batch"
    return f"it holds {_batches(found)}, which {'goes' if found.num_leased == 1 else 'go'} to other servers"


def _batches(found: "Listed") -> str:
    return f"{found.num_leased:,} {'batch' if found.num_leased == 1 else 'batches'}"
