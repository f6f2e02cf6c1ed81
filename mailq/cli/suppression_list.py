"""`suppression list`."""

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, Words, examples, json_option
from mailq.cli.suppression import organization_option
from mailq.cli.terminal import print_json, print_table, say
from mailq.core.suppression import Reason

_EXAMPLES = examples("suppression list --prefix ann", "suppression list --limit 1000 --after bob@x.example --json")


@click.command("list", context_settings=CONTEXT, epilog=_EXAMPLES)
@click.option("--prefix", default="", help="Only addresses that begin so.")
@click.option("--reason", type=Words([*Reason]), help="Only these.")
@click.option("--after", default="", metavar="ADDRESS", help="Go on behind the last address of the page before.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@organization_option
@json_option("Print a JSON array.")
def list_suppressions(*, prefix: str, reason: str | None, after: str, limit: int, organization: str, as_json: bool) -> None:
    """List suppressed addresses in the order of the alphabet, a page at a time."""
    from mailq.store import organizations, suppressions

    chosen = Reason(reason) if reason else None
    with parts.opened(parts.load()) as database, database.begin() as tx:
        owner = organizations.id_of(tx, organization)
        found = suppressions.listed(tx, owner, limit=limit + 1, after=after.lower(), prefix=prefix.lower(), reason=chosen)
    page = found[:limit]
    if as_json:
        print_json([each._asdict() for each in page])
    elif not page:
        say("no address like that is suppressed" if prefix or reason or after else "no address is suppressed")
    else:
        print_table(("address", "reason", "note", "since"), page, optional=("note",))
    if len(found) > limit:
        say(f"there are more: go on with --after {page[-1].address}")
