"""`backlog`."""

from dataclasses import asdict
from datetime import timedelta

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_table, say, span

_COLUMNS = ("lane", "ready", "leased", "waiting", "pending", "deferred", "late by", "inbox", "slots")


@click.command(context_settings=CONTEXT, epilog=examples("backlog", "backlog --json"))
@json_option("Print a JSON array; ages in seconds.")
def backlog(*, as_json: bool) -> None:
    """Show what waits to be sent, lane by lane, and how many worker processes serve it: for whoever adds or drains servers.

    Ready, leased and waiting are batches; pending and deferred are deliveries; in the inbox are single messages.
    """
    from mailq.admin import backlog as admin
    from mailq.admin import maintenance

    with parts.opened(parts.load()) as database:
        found, standing = admin.of(database), maintenance.status(database)
    if standing is not None:
        say(f"nothing is sent in {standing}")
    if as_json:
        print_json([{name.replace("_age", "_age_s"): _plain(value) for name, value in asdict(each).items()} for each in found])
        return
    rows = [
        (
            each.lane,
            each.num_ready,
            each.num_leased,
            each.num_waiting,
            each.num_pending,
            each.num_deferred,
            span(max((age.total_seconds() for age in (each.oldest_ready_age, each.oldest_inbox_age) if age), default=0.0)),
            each.num_inbox,
            each.num_slots,
        )
        for each in found
    ]
    print_table(_COLUMNS, rows, right=_COLUMNS[1:])


def _plain(value: object) -> object:
    return round(value.total_seconds(), 3) if isinstance(value, timedelta) else value
