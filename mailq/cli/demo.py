"""`demo`: from a bare machine to balanced books in one command."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.demo_ground import Ground, grounded, with_two_servers
from mailq.cli.demo_kill import agree, checks, counted, doubts_of, kill_document, print_kill, verdict
from mailq.cli.mailing_submit import load_order
from mailq.cli.mailing_watch import follow
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.rendering import books_lines
from mailq.cli.terminal import clean, print_json, print_line, say
from mailq.core.mailing import State

if TYPE_CHECKING:
    from mailq.local.ledgers import Comparison
    from mailq.store.mailings import Summary

_BATCHES = 20


@click.command(context_settings=CONTEXT, epilog=examples("demo", "demo --kill", "demo --recipients 200000 --keep"))
@click.option(
    "--recipients", type=click.IntRange(1, 50_000_000), metavar="N", help="Make up so many instead of examples/spring-sale.csv."
)
@click.option("--keep", is_flag=True, help="Leave everything running; `mailqctl down` stops it.")
@click.option("--kill", is_flag=True, help="Two servers, one of which is killed with -9 in the middle of the mailing.")
@json_option("Print the result as JSON.")
def demo(*, recipients: int | None, keep: bool, kill: bool, as_json: bool) -> None:
    """Send a mailing through a local stack and a mail sink, and count it twice. Exit code 0 only if both ledgers agree.

    Everything is real but the recipients: PostgreSQL, Redis, Celery workers, SMTP. Nothing leaves this machine.

    With --kill the second server takes over by its migration list, and what was on the wire at that moment is in doubt: named, and
    not sent again. Then the ledgers agree when all that was sent was accepted, and all that was accepted was sent or is in doubt.
    """
    if kill and keep:
        raise click.UsageError("--kill takes its stack down when it is over; leave out --keep")
    chosen = parts.load()
    with with_two_servers(chosen) if kill else grounded(chosen, keep=keep) as ground:
        summary, comparison, seconds = _run(ground, recipients)
        balanced = summary.mailing.state is State.FINISHED and summary.books.complete and agree(ground, comparison)
        doubts = doubts_of(ground, summary)
        if as_json:
            print_json(_document(summary, comparison, seconds, balanced=balanced) | kill_document(ground, doubts))
        else:
            _print(ground, summary, comparison, seconds)
            print_kill(ground, doubts)
        if ground.lasting:
            _say_how_it_goes_on(ground, summary)
    if not balanced:
        say("mailqctl: the two ledgers do not agree")
        raise SystemExit(1)


def _run(ground: Ground, recipients: int | None) -> "tuple[Summary, Comparison, float]":
    from mailq.engine.intake import open_source

    with _file(recipients) as file, parts.opened(ground.settings) as database:
        began = time.monotonic()
        with open_source(file) as source:
            order = _order(recipients)
            say(f"submitting {file.name}")
            submitted = load_order(database, order, source)
        parts.ring(ground.settings, database, order.lane)
        say(f"mailing {submitted.public_id}: {submitted.books.num_profiles:,} recipients; Flower: {ground.flower or 'none'}")
        try:
            summary = follow(database, submitted.public_id, lambda _: None, check=checks(ground, database, submitted.public_id))
        except KeyboardInterrupt:
            say(f"\n{_left_behind(ground, submitted.public_id)}")
            raise
        seconds = time.monotonic() - began
        say("counting again at the sink")
        return summary, counted(ground, database, summary), seconds


@contextmanager
def _file(recipients: int | None) -> Iterator[Path]:
    from mailq.local import demo as demo_parts

    if recipients is None:
        yield demo_parts.recipients_file()
        return
    # It stays in the home: a load that is interrupted is continued from it.
    file = parts.load().home / f"recipients-{recipients}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    say(f"making {recipients:,} recipients")
    demo_parts.write_recipients(file, recipients)
    yield file


def _order(recipients: int | None) -> Any:
    from mailq.cli.content_file import read_content
    from mailq.engine.producer import MailingOrder
    from mailq.local import demo as demo_parts

    size = 1000 if recipients and recipients > 1000 * _BATCHES else max(1, (recipients or 5000) // _BATCHES)
    return MailingOrder("spring sale", read_content(demo_parts.content_file(), {}), batch_size=size)


def _document(summary: "Summary", comparison: "Comparison", seconds: float, *, balanced: bool) -> dict[str, Any]:
    books = summary.books
    return {
        "mailing": summary.mailing.public_id,
        "num_profiles": books.num_profiles,
        "num_sent": books.num_sent,
        "num_errors": books.num_errors,
        "num_skipped": books.num_skipped,
        "num_in_doubt": books.num_in_doubt,
        "accepted_by_sink": comparison.num_accepted,
        "balanced": balanced,
        "seconds": round(seconds, 3),
    }


def _print(ground: Ground, summary: "Summary", comparison: "Comparison", seconds: float) -> None:
    print_line(f"\nmailing {summary.mailing.public_id} is {summary.mailing.state} after {seconds:.1f} s\n")
    print_line("our books")
    for line in books_lines(summary.books):
        print_line(line)
    print_line("\nthe sink's own list")
    print_line(f"  accepted      {comparison.num_accepted:,} mails, {comparison.num_doubled:,} addresses twice")
    print_line(f"  missing       {comparison.num_missing:,} that we count as sent")
    print_line(f"  surplus       {comparison.num_surplus:,} that we do not")
    print_line(f"  {verdict(ground, comparison)}")
    for line in comparison.examples:
        print_line(f"    {clean(line)}")
    print_line("")
    print_line(f"the mails     {ground.about.files.get('maildir', '-')}/new")
    print_line(f"the list      {ground.about.files['accepted']}")
    if ground.flower and ground.lasting:
        print_line(f"Flower        {ground.flower}/tasks")


def _left_behind(ground: Ground, reference: str) -> str:
    if ground.lasting:
        return f"the mailing goes on; come back with `mailqctl mailing watch {reference}`, or end all with `mailqctl down`"
    return (
        f"mailing {reference} is not finished: it goes on as soon as a stack with a worker runs in {ground.settings.home} again"
    )


def _say_how_it_goes_on(ground: Ground, summary: "Summary") -> None:
    from mailq.local import state

    # Asked again: the worker of the beginning may have ended, or another one have come.
    about = state.facts(ground.settings.home)
    pid = about.pids.get("worker") if about else None
    reference = summary.mailing.public_id
    say(f"\nthe stack is still up: `mailqctl mailing show {reference}`, `mailqctl mailing export {reference}`")
    if pid:
        say(f"stop its worker server with `kill -TERM -{pid}` (its process group), start one with `mailqctl worker`")
    say("`mailqctl down` stops everything")
