"""`up`: the local stack in the foreground."""

import time
from typing import TYPE_CHECKING

import click

from mailq.cli import parts
from mailq.cli.options import CONTEXT, examples
from mailq.cli.terminal import print_facts, say

if TYPE_CHECKING:
    from mailq.local.stack import Running

_LOOK_EVERY_S = 0.25


@click.command(context_settings=CONTEXT, epilog=examples("up", "up --with-worker --with-api --with-flower"))
@click.option("--with-worker", is_flag=True, help="Also a worker server.")
@click.option("--with-api", is_flag=True, help="Also the HTTP API.")
@click.option("--with-flower", is_flag=True, help="Also Flower, Celery's monitor.")
@click.option("--sink/--no-sink", default=True, show_default=True, help="A mail sink takes the place of a relay.")
@click.option(
    "--sink-port", type=click.IntRange(0, 65535), default=0, help="Where the sink listens; default the port of last time."
)
@click.option(
    "--sink-rule", "rules", metavar="RULE", multiple=True, help="How the sink misbehaves, `odds=0.01 tempfail` for one."
)
@click.option("--demo", is_flag=True, hidden=True, help="As `demo --keep` wants it.")
def up(
    *, with_worker: bool, with_api: bool, with_flower: bool, sink: bool, sink_port: int, rules: tuple[str, ...], demo: bool
) -> None:
    """Run PostgreSQL, Redis and a mail sink here until Ctrl-C, in MAILQ_HOME (default ./var).

    Servers that the settings name are used as they are, and none is started in their place.
    """
    from mailq.local import demo as demo_parts
    from mailq.local import stack

    chosen = parts.load()
    options = stack.SinkOptions(port=sink_port, rules=demo_parts.RULES if demo else rules) if sink else None
    say(f"starting the local stack in {chosen.home}")
    with stack.running(chosen, sink=options) as running:
        if demo:
            running.settings |= demo_parts.SETTINGS
        bring_up(running, worker=with_worker, flower=with_flower, api=with_api)
        print_facts(running.addresses | running.describe().files)
        say("the stack is up; Ctrl-C stops it")
        stay_up(running)
    say("the stack is down")


def bring_up(running: "Running", *, worker: bool, flower: bool, api: bool = False) -> None:
    """Migrate the database, and start what else is wanted."""
    from mailq.local import guests

    running.publish()
    # First, because it needs the longest and only Redis.
    if flower and guests.has_flower():
        guests.start_flower(running)
    elif flower:
        say("Flower is not installed; `pip install mailq[flower]` brings it")
    if worker or api or "database_url" in running.started:
        _migrate(running)
    if worker:
        guests.start_worker(running)
    if api and guests.has_api():
        guests.start_api(running, preferred=parts.load().api.port)
    elif api:
        say("the HTTP API is not installed; `pip install mailq[api]` brings it")


def stay_up(running: "Running") -> None:
    """Wait for Ctrl-C or SIGTERM. A worker or Flower that ends is told; a server that ends is an error."""
    from mailq.local import guests

    try:
        while True:
            for line in guests.note_ended(running):
                say(line)
            running.check()
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        say("stopping")


def _migrate(running: "Running") -> None:
    from mailq.store import revision
    from mailq.store.database import Database

    database = Database(running.database_url, application="mailqctl up", schema=parts.load().database_schema)
    try:
        if not revision.revision(database).up_to_date:
            from mailq.store import migrate

            migrate.upgrade(database)
    finally:
        database.close()
