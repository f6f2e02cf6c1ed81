"""`mailing submit`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailq.cli import parts, progress
from mailq.cli.content_file import body, read_content
from mailq.cli.dry_run import asking, print_preview
from mailq.cli.options import CONTEXT, Moment, Words, examples, json_option
from mailq.cli.rendering import books_lines
from mailq.cli.terminal import print_json, print_line, say
from mailq.core.mailing import DoubtPolicy, Lane

if TYPE_CHECKING:
    from mailq.engine.intake import Source
    from mailq.engine.producer import MailingOrder, Report, Submitted
    from mailq.store.database import Database

_EXAMPLES = examples(
    "mailing submit people.csv --content sale.toml --key sale-42",
    "mailing submit people.csv --subject 'Hi {{ name }}' --from shop@x.example --text hello.txt",
    "mailing submit people.csv --content sale.toml --dry-run",
    "mailing submit people.csv --resume mlg_4fq0c8zj",
)


@click.command(context_settings=CONTEXT, epilog=_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--content", "content_file", type=click.Path(path_type=Path), help="TOML file: subject, sender, text or text_file, html…"
)
@click.option("--subject", metavar="TEMPLATE")
@click.option("--from", "sender", metavar="TEMPLATE", help="`address` or `Name <address>`.")
@click.option("--text", metavar="FILE|TEMPLATE", help="The plain body: a file, or the text itself.")
@click.option("--html", metavar="FILE|TEMPLATE", help="The HTML body.")
@click.option("--reply-to", metavar="TEMPLATE")
@click.option("--to-name", metavar="TEMPLATE", help="The recipient's display name.")
@click.option("--header", "headers", metavar="NAME=VALUE", multiple=True, help="A further header; may be repeated.")
@click.option("--name", help="What people call this mailing; default the file's name.")
@click.option("--key", help="Your own name for it: the same key and content again is the same mailing.")
@click.option("--lane", type=Words([*Lane]), default=Lane.BULK.value, show_default=True)
@click.option(
    "--doubt-policy",
    type=Words([*DoubtPolicy]),
    help="What becomes of mails nobody can know about, after a crash; default MAILQ_DOUBT__POLICY.",
)
@click.option("--batch-size", type=click.IntRange(1, 10_000), help="Recipients worked under one claim.")
@click.option("--at", "scheduled_at", type=Moment(), help="Do not send before.")
@click.option("--expires", "expires_at", type=Moment(), help="Do not send after.")
@click.option("--address-column", metavar="NAME", help="The column with the address, if it has an unusual name.")
@click.option("--resume", "resumed", metavar="MAILING", help="Finish the load of a mailing that was interrupted.")
@click.option("--dry-run", is_flag=True, help="Check everything, show the first mail, store nothing.")
@json_option()
def submit(
    *,
    file: Path,
    content_file: Path | None,
    subject: str | None,
    sender: str | None,
    text: str | None,
    html: str | None,
    reply_to: str | None,
    to_name: str | None,
    headers: tuple[str, ...],
    name: str | None,
    key: str | None,
    lane: str,
    doubt_policy: str | None,
    batch_size: int | None,
    scheduled_at: datetime | None,
    expires_at: datetime | None,
    address_column: str | None,
    resumed: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Load recipients from FILE (CSV or JSON Lines, `-` is stdin) and send them a mailing.

    Subject, sender, headers and bodies are Jinja2 templates over the file's columns and `address`.
    """
    from mailq.engine.intake import open_source
    from mailq.engine.producer import MailingOrder, preview

    chosen = parts.load()
    if resumed is not None:
        with open_source(file, address_column=address_column) as source, parts.opened(chosen, checked=True) as database:
            _print(load_order(database, None, source, resumed=resumed), as_json=as_json)
        return
    given = {"subject": subject, "sender": sender, "reply_to": reply_to, "to_name": to_name}
    bodies = {"text": body(text) if text is not None else None, "html": body(html) if html is not None else None}
    order = MailingOrder(
        name=name or ("stdin" if str(file) == "-" else file.name.split(".")[0] or file.name),
        content=read_content(content_file, given | bodies, headers),
        key=key,
        lane=Lane(lane),
        doubt_policy=DoubtPolicy(doubt_policy or chosen.doubt.policy),
        batch_size=batch_size or chosen.batch.size,
        scheduled_at=scheduled_at,
        expires_at=expires_at,
    )
    with open_source(file, address_column=address_column) as source:
        if dry_run:
            with asking(chosen, order) as suppressed:
                print_preview(preview(order, source, suppressed=suppressed), as_json=as_json)
            return
        with parts.opened(chosen, checked=True) as database:
            submitted = load_order(database, order, source)
            parts.ring(chosen, database, order.lane)
    _print(submitted, as_json=as_json)


def load_order(database: "Database", order: "MailingOrder | None", source: "Source", *, resumed: str = "") -> "Submitted":
    """Submit an order, or finish the load of the mailing `resumed`, with a progress bar; says how to go on if it ends early."""
    from mailq.engine import producer

    with _resumable(database, source), _reported() as report:
        if order is None:
            return producer.load_on(database, resumed, source, progress=report)
        return producer.submit(database, order, source, progress=report)


@contextmanager
def _reported() -> "Iterator[Report]":
    with progress.shown("loading", "bytes") as meter:
        yield lambda now: meter.at(now.bytes_read, now.total_bytes, f"{now.num_loaded:,} recipients")


@contextmanager
def _resumable(database: "Database", source: "Source") -> Iterator[None]:
    """When a load ends early, say how to go on with what was loaded."""
    try:
        yield
    except BaseException:
        reference = _left_loading(database, source)
        if reference is not None:
            say(
                f"mailing {reference} is loaded in part and is not sent; go on with `mailqctl mailing submit {source.where} "
                f"--resume {reference}`, or `mailqctl mailing drop {reference}`"
            )
        raise


def _left_loading(database: "Database", source: "Source") -> str | None:
    from mailq.core.mailing import State
    from mailq.errors import MailqError
    from mailq.store import mailings

    try:
        with database.begin() as tx:
            newest = mailings.summaries(tx, limit=20, states=[State.LOADING])
    except MailqError:
        return None
    return next((each.mailing.public_id for each in newest if each.mailing.source_digest == source.digest), None)


def _print(submitted: "Submitted", *, as_json: bool) -> None:
    if as_json:
        document = {"mailing": submitted.public_id, "created": submitted.created, "state": submitted.state}
        print_json(document | asdict(submitted.books))
        return
    if not submitted.created:
        say("this mailing was made before; nothing was made twice")
    print_line(f"mailing {submitted.public_id} is {submitted.state}")
    for line in books_lines(submitted.books):
        print_line(line)
    say(f"follow it with `mailqctl mailing watch {submitted.public_id}`")
