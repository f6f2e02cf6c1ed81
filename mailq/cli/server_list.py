"""`server list`."""

from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailq.store.fleet import Listed

_COLUMNS = ("server", "state", "host", "pid", "version", "slots", "leased", "since", "renewed")


@click.command("list", context_settings=CONTEXT, epilog=examples("server list", "server list --json"))
@json_option("Print a JSON array.")
def list_servers(*, as_json: bool) -> None:
    """List every server that ever started: how it stands, where it is, and how many batches it holds.

    A server whose lease has run out is `silent`: its batches go to others.
    """
    from mailq.store import fleet, maintenance

    with parts.opened(parts.load()) as database, database.begin() as tx:
        found, standing = fleet.listed(tx), maintenance.standing(tx)
    if standing is not None:
        say(f"no server takes anything up in {standing}")
    if as_json:
        print_json([as_document(each) for each in found])
        return
    if not found:
        say("no server has ever started; `mailqctl worker` starts one")
        return
    print_table(_COLUMNS, [_row(each) for each in found], right=("leased",), optional=("version", "since", "slots", "pid"))


def as_document(listed: "Listed") -> "dict[str, Any]":
    """A server as JSON has it."""
    standing, place = listed.standing, listed.standing.place
    return {
        "server": standing.name,
        "state": listed.state,
        "incarnation": standing.incarnation,
        "host": place.host,
        "addresses": list(place.addresses),
        "port": place.port,
        "pid": place.pid,
        "version": listed.version,
        "slots": dict(listed.slots),
        "num_leased": listed.num_leased,
        "started_at": standing.started_at,
        "renewed_at": standing.renewed_at,
    }


def _row(listed: "Listed") -> tuple[object, ...]:
    standing, place = listed.standing, listed.standing.place
    who = (standing.name, listed.state, place.host, str(place.pid), listed.version)
    return (*who, _in_words(listed.slots), listed.num_leased, standing.started_at, standing.renewed_at)


def _in_words(slots: "Mapping[str, int]") -> str:
    return ", ".join(f"{lane} {number}" for lane, number in sorted(slots.items()))
