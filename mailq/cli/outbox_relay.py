"""`outbox relay`: carries an outbox to mailq."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples
from mailq.cli.outbox_parts import tell_refusal, url_option, url_or_setting
from mailq.cli.terminal import print_json, print_ndjson, say
from mailq.errors import Unavailable

if TYPE_CHECKING:
    from mailq.client.carrier import Carrier, Round
    from mailq.settings import Settings
    from mailq.store.outbox_database import OutboxDatabase

_LOOK_EVERY_S = 1.0
_LONGEST_WAIT_S = 30.0
_FORGET_EVERY_S = 600.0


@click.command(
    context_settings=CONTEXT,
    epilog=examples("outbox relay", "outbox relay --to https://mailq.example", "outbox relay --once --json"),
)
@url_option("--from")
@click.option("--to", metavar="URL", help="mailq's HTTP API, with the key in MAILQ_OUTBOX_KEY.  [default: MAILQ_DATABASE_URL]")
@click.option("--organization", default="default", show_default=True, help="In whose name; over HTTP the key says it.")
@click.option("--keep", "keep_days", type=click.IntRange(0, 3650), default=7, show_default=True, help="Days that done rows stay.")
@click.option("--once", is_flag=True, help="Carry what is there, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print what was carried as JSON; without --once a line each time.")
def relay(*, url: str | None, to: str | None, organization: str, keep_days: int, once: bool, as_json: bool) -> None:
    """Carry what producers have committed to an outbox to mailq: everything once, however often this is killed or started.

    What mailq refuses stays in the outbox with the reason, and keeps nobody waiting. While the outbox or mailq is away, it waits.
    Two at once do no harm.
    """
    keep = timedelta(days=keep_days)
    with _carrier(parts.load(), url, to, organization) as (carrier, database):
        if once:
            database.require_table()
            _once(carrier, keep, as_json=as_json)
        else:
            _on_and_on(carrier, database, keep, as_json=as_json)


@contextmanager
def _carrier(
    chosen: "Settings", url: str | None, to: str | None, organization: str
) -> "Iterator[tuple[Carrier, OutboxDatabase]]":
    from mailq import bootstrap, urls
    from mailq.store.outbox_database import OutboxDatabase

    with ExitStack() as opened:
        database = OutboxDatabase(url_or_setting(url, chosen, "--from"))
        opened.callback(database.close)
        door = bootstrap.outbox_door(chosen, to, organization=organization)
        opened.callback(door.close)
        where = "our own database" if to is None else urls.shown(to, "--to")
        say(f"carrying {database.address} to {where}")
        yield bootstrap.carrier(database, door, told=tell_refusal), database


def _once(carrier: "Carrier", keep: timedelta, *, as_json: bool) -> None:
    done = carrier.carry()
    carrier.forget(older_than=keep)
    if as_json:
        print_json(asdict(done))
    say(_sentence(done))
    if done.num_missed:
        raise Unavailable(f"mailq gave no answer for {done.num_missed} of them; they wait for the next time")


def _on_and_on(carrier: "Carrier", database: "OutboxDatabase", keep: timedelta, *, as_json: bool) -> None:
    wait_s, forgotten_at, ready = _LOOK_EVERY_S, float("-inf"), False
    while True:
        try:
            if not ready:
                database.require_table()
                ready = True
            missed = _carry(carrier, as_json=as_json)
            if time.monotonic() > forgotten_at + _FORGET_EVERY_S:
                carrier.forget(older_than=keep)
                forgotten_at = time.monotonic()
        except Unavailable as error:
            say(f"mailqctl: {error}; trying again")
            missed = True
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S) if missed else _LOOK_EVERY_S
        time.sleep(wait_s)


def _carry(carrier: "Carrier", *, as_json: bool) -> bool:
    """Carry, and say what came of it; whether something was missed."""
    done = carrier.carry()
    if done.num_done or done.num_refused:
        say(_sentence(done))
        if as_json:
            print_ndjson(asdict(done))
    return bool(done.num_missed)


def _sentence(done: "Round") -> str:
    return f"{done.num_done:,} handed over, {done.num_refused:,} refused"
