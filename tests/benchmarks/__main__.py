"""`./run bench`: accept and send on this machine with everything on it, and print what came of it."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from mailq.clock import Clock, utc_now
from mailq.core.message import compile_content, date_header
from mailq.local import stack
from mailq.local.stack import Running
from mailq.settings import Settings
from mailq.store import migrate
from mailq.store.database import Database
from tests.benchmarks import end_to_end, recipients, smtp_sinks
from tests.benchmarks.end_to_end import EndToEnd


@click.command()
@click.option("--mails", default=60_000, show_default=True, help="Recipients of the mailing that is sent.")
@click.option(
    "--recipients", "accepted", default=200_000, show_default=True, help="Recipients of the mailing that is only accepted."
)
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here as well.")
def main(mails: int, accepted: int, target: Path | None) -> None:
    """Measure accepting and sending: rates, CPU per mail by process, peak memory."""
    with tempfile.TemporaryDirectory(prefix="mailq-bench-") as directory:
        Path(directory).chmod(0o755)
        settings = Settings(home=Path(directory) / "home", database_url=None, redis_url=None, relay_url=None)
        with stack.running(settings) as running:
            figures = measure(running, Path(directory), mails, accepted)
    if target:
        target.write_text(json.dumps(figures, indent=2) + "\n")


def measure(running: Running, directory: Path, mails: int, accepted: int) -> dict[str, Any]:
    """Run both benchmarks on a stack that is up; the figures as the JSON file has them."""
    database = Database(running.database_url)
    migrate.upgrade(database)
    # The first load of a new cluster makes its files; the second one is like every later one.
    mailing = submit(running, directory / "send.csv", mails)["mailing"]
    load = submit(running, directory / "accept.csv", accepted)
    rate = accepted / load["seconds"]
    click.echo(f"accept      {rate:>9,.0f} recipients/s   {accepted:,} from CSV, submit peaks at {load['rss_mb']:.0f} MB")
    chosen = Settings(home=running.home, database_url=running.database_url, redis_url=running.redis_url)
    with smtp_sinks.discarding(running) as sink:
        sent = end_to_end.run(running, chosen, database, mailing, sink)
    show(sent, sink.name)
    database.close()
    return {
        "end_to_end": {
            "mails_per_s": round(sent.mails_per_s, 1),
            "cpu_us_per_mail": round(sum(sent.cpu_us_per_mail.values()), 1),
            "cpu_us_per_mail_by_process": {name: round(value, 1) for name, value in sent.cpu_us_per_mail.items()},
            "mails": sent.mails,
            "bytes": message_bytes(),
            "sink": sink.name,
        },
        "accept": {"recipients_per_s": round(rate, 1), "recipients": accepted},
        "rss_mb": {"worker": round(sent.worker_rss_mb, 1), "submit": round(load["rss_mb"], 1)},
    }


def submit(running: Running, path: Path, number: int) -> dict[str, Any]:
    """Write a file of recipients and submit it in a process of its own."""
    recipients.write(path, number)
    words = [sys.executable, "-m", "tests.benchmarks.submit_once", str(path)]
    done = subprocess.run(words, env=running.environment(), check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def show(sent: EndToEnd, sink: str) -> None:
    """Print the figures of sending."""
    total = sum(sent.cpu_us_per_mail.values())
    how = f"{end_to_end.PROCESSES} processes, {end_to_end.SESSIONS} sessions each, {sink}"
    click.echo(f"end to end  {sent.mails_per_s:>9,.0f} mails/s        {sent.mails:,} mails of {message_bytes():,} bytes, {how}")
    click.echo(f"CPU         {total:>9,.0f} µs/mail        in all, of which")
    for name, value in sent.cpu_us_per_mail.items():
        click.echo(f"            {value:>9,.1f} µs/mail        {name}")
    click.echo(f"memory      {sent.worker_rss_mb:>9,.0f} MB             peak of a worker process")
    click.echo(f"books       {'balance' if sent.books.balanced else 'DO NOT BALANCE'}: {sent.books}")


def message_bytes() -> int:
    """The size of one of the messages."""
    made = compile_content(recipients.CONTENT, clock=Clock().monotonic)
    variables = {"first_name": "Name1234567", "city": "Köln", "coupon": "SPRING-1234567"}
    return len(made.render("user1@example1.example", variables, message_id="<x@shop.example>", date=date_header(utc_now())))


if __name__ == "__main__":
    main()
