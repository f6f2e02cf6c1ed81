"""`key create`."""

from datetime import datetime

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, Moment, Words, examples, json_option
from mailq.cli.suppression import organization_option
from mailq.cli.terminal import print_json, print_line, say
from mailq.core.api_key import Scope

_EXAMPLES = examples(
    "key create --name shop --scope send --scope read",
    "key create --name autoscaler --scope read --expires 2027-12-31T00:00Z --json",
)


@click.command(context_settings=CONTEXT, epilog=_EXAMPLES)
@click.option("--name", required=True, help="What people call it: who uses it, and where.")
@click.option(
    "--scope", "scopes", type=Words([*Scope]), multiple=True, required=True, help="What it allows; may be repeated, admin is all."
)
@organization_option
@click.option("--rate", type=click.IntRange(min=1), help="Requests a second; without it what the settings say.")
@click.option("--expires", "expires_at", type=Moment(), help="Good for nothing from this moment on.")
@json_option()
def create(
    *, name: str, scopes: tuple[str, ...], organization: str, rate: int | None, expires_at: datetime | None, as_json: bool
) -> None:
    """Make a key. It is printed once, on standard output, and kept nowhere."""
    from mailq.admin import keys

    with parts.opened(parts.load(), checked=True) as database:
        made = keys.create(database, organization, name, scopes, rate_per_s=rate, expires_at=expires_at)
    if as_json:
        print_json({"id": made.public_id, "key": made.key})
        return
    print_line(made.key)
    say("this is shown once: keep it where secrets are kept")
    say(f"`mailqctl key revoke {made.public_id}` ends it")
