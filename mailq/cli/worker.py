"""`worker`: becomes `celery worker`, with the options a server of ours should have."""

import os
import re
import sys
from typing import TYPE_CHECKING

import click

from mailq import settings
from mailq.broker import names
from mailq.cli import parts
from mailq.cli.options import CONTEXT, Words, examples
from mailq.cli.terminal import say
from mailq.core.mailing import Lane
from mailq.settings import Settings

if TYPE_CHECKING:
    from mailq.store.database import Database

_QUIET = ("--without-mingle", "--without-gossip")


@click.command(
    context_settings={**CONTEXT, "ignore_unknown_options": False},
    epilog=examples("worker", "worker --lane bulk -c 4", "worker -- --loglevel WARNING"),
)
@click.option("--lane", "lanes", type=Words([*Lane]), multiple=True, help="Serve only these lanes; may be repeated.")
@click.option("-c", "--concurrency", type=click.IntRange(1, 256), default=2, show_default=True, help="Worker processes.")
@click.option("-n", "--name", help="Celery's node name; default by MAILQ_SERVER_ID or MAILQ_SERVER_PORT.")
@click.option("--unchecked", is_flag=True, hidden=True, help="The database is known to fit.")
@click.argument("celery_arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- CELERY ARGUMENTS]...")
def worker(
    *, lanes: tuple[str, ...], concurrency: int, name: str | None, unchecked: bool, celery_arguments: tuple[str, ...]
) -> None:
    """Start a worker server: it stays in the foreground, and SIGTERM or Ctrl-C stops it without losing or doubling a mail.

    What stands behind `--` goes to `celery worker`.
    """
    chosen = parts.load()
    check(chosen, ask_services=not unchecked)
    words = command(chosen, [Lane(lane) for lane in lanes] or [*Lane], concurrency, name)
    say(f"starting server {chosen.server_name} with {concurrency} worker processes")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *words, *celery_arguments])  # noqa: S606 - no shell is what we want


def command(chosen: Settings, lanes: list[Lane], concurrency: int, name: str | None = None) -> list[str]:
    """The words that start a server, behind the name of the interpreter."""
    # The last one so that `mailq.restart`, called by an operator, is done by somebody.
    queues = ",".join([*(names.QUEUES[lane] for lane in lanes), names.UPKEEP])
    options = ["-Q", queues, "-c", str(concurrency), "-n", name or _node_name(chosen), *_QUIET, "-E"]
    return ["-m", "celery", "-A", "workers", "worker", *options]


def check(chosen: Settings, *, ask_services: bool = True) -> None:
    """Refuse to start a server that could not work.

    Raises:
        Misconfigured: an address is missing or is none, the database is not migrated, Redis evicts.
        Unavailable: the database or Redis does not answer.
    """
    from mailq.broker.doorbell import require_noeviction
    from mailq.transports.smtp import SmtpOptions

    redis_url = settings.required(chosen.redis_url, "redis_url")
    settings.required(chosen.database_url, "database_url")
    SmtpOptions.from_url(settings.required(chosen.relay_url, "relay_url"))
    if ask_services:
        require_noeviction(redis_url)
        with parts.opened(chosen, checked=True) as database:
            _tell_why_nothing_is_sent(database)


def _tell_why_nothing_is_sent(database: "Database") -> None:
    from mailq.store import installation, maintenance

    with database.begin() as tx:
        found, standing = installation.forgotten(tx), maintenance.standing(tx)
    if standing is not None:
        say(f"{standing}")
        say("the server starts, and sends nothing until somebody says `mailqctl maintenance off`")
    if found is not None:
        say(f"THIS DATABASE HAS FORGOTTEN WHAT WAS SENT: {found.why}")
        say("the server starts, and sends nothing until somebody says `mailqctl db accept-restore`")


def _node_name(chosen: Settings) -> str:
    """Unique among the instances of a host, as Celery's control commands need it."""
    own = re.sub(r"[^A-Za-z0-9_.-]", "-", chosen.server_id) if chosen.server_id else f"mailq-{chosen.server_port}"
    return f"{own}@%h"
