"""`suppression add`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.suppression import note_option, organization_option, reason_option
from mailq.cli.terminal import print_json, print_line, say
from mailq.core.suppression import Reason


@click.command(context_settings=CONTEXT, epilog=examples("suppression add ann@x.example --reason complained --note 'ticket 17'"))
@click.argument("address")
@reason_option
@note_option
@organization_option
@json_option()
def add(*, address: str, reason: str, note: str | None, organization: str, as_json: bool) -> None:
    """Mail an address no more. One that is suppressed already keeps its reason."""
    from mailq.core.address import normalise
    from mailq.store import organizations, suppressions

    key = normalise(address).key
    with parts.opened(parts.load(), checked=True) as database, database.begin() as tx:
        added = suppressions.add(tx, organizations.id_of(tx, organization), key, Reason(reason), note)
    if as_json:
        print_json({"address": key, "added": added})
        return
    if not added:
        say(f"{key} was suppressed before; nothing was changed")
    print_line(f"{key} is suppressed")
