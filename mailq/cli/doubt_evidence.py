"""`doubt evidence`."""

from pathlib import Path

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, say


@click.command(context_settings=CONTEXT, epilog=examples("doubt evidence --postfix-log /var/log/mail.log --mailing sale-42"))
@click.option(
    "--postfix-log", "log", type=click.Path(path_type=Path), required=True, help="A log of our own Postfix, plain or .gz."
)
@click.option("--mailing", "reference", metavar="MAILING", help="Only what is in doubt of this one.")
@json_option()
def evidence(*, log: Path, reference: str | None, as_json: bool) -> None:
    """Settle as sent what a Postfix log shows as queued; all else stays in doubt.

    Mails are found by their envelope sender, so they must have been sent with MAILQ_BOUNCE_ADDRESS.
    """
    from mailq import bootstrap
    from mailq.store import doubts, mailings
    from mailq.transports.postfix_log import PostfixLog

    chosen = parts.load()
    source = PostfixLog(log)
    source.require_readable()
    with parts.opened(chosen, checked=True) as database:
        with database.begin() as tx:
            mailing_id = None if reference is None else mailings.find(tx, reference).id
        settled = bootstrap.evidence(chosen, database, source).ask(mailing_id)
        with database.begin() as tx:
            left = doubts.count(tx, mailing_id=mailing_id)
    if as_json:
        found = {"num_lines": source.scanned.num_lines, "num_odd_lines": source.scanned.num_odd}
        print_json({"num_settled": settled.num, "num_in_doubt": left, **found})
        return
    say(f"{settled.num:,} deliveries were queued by Postfix and count as sent; {left:,} stay in doubt")
    odd = f", {source.scanned.num_odd:,} of them no log lines" if source.scanned.num_odd else ""
    say(f"{source.scanned.num_lines:,} lines were read{odd}")
