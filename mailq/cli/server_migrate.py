"""`server migrate`."""

import time
from typing import TYPE_CHECKING

import click

from mailq.cli import parts, progress
from mailq.cli.actor import actor
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line, say, span
from mailq.errors import Unavailable

if TYPE_CHECKING:
    from mailq.engine.migrating import Migration, Progress
    from mailq.store.database import Database

LOOK_EVERY_S = 0.2


@click.command(
    context_settings=CONTEXT,
    epilog=examples("server migrate --from web1:8851 --to web2:8851", "server migrate --from web1:8851 --to web2:8851 --force"),
)
@click.option("--from", "source", metavar="SERVER", required=True, help="Whose batches.")
@click.option("--to", "target", metavar="SERVER", required=True, help="Who takes them over; it must be alive.")
@click.option("--force", is_flag=True, help="Though the server is alive: what it has on the wire will be in doubt.")
@click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait for it.")
@json_option()
def migrate(*, source: str, target: str, force: bool, timeout: float, as_json: bool) -> None:
    """Give the batches of a server that is gone to another one, now.

    Servers on the migration list of another one, and those that are silent, are taken over without this.
    """
    from mailq import bootstrap
    from mailq.engine import migrating

    began_s = time.monotonic()
    with parts.opened(parts.load(), checked=True) as database:
        if force:
            begun = migrating.give_by_force(database, source, target, actor=actor())
        else:
            begun = migrating.give(database, source, target, actor=actor(), dead=bootstrap.proven_dead)
        if begun.forced:
            say(f"server {source} was alive; its lease is ended")
        done = _wait(database, begun, until_s=began_s + timeout)
    _print(begun, done, time.monotonic() - began_s, as_json=as_json)


def _wait(database: "Database", begun: "Migration", *, until_s: float) -> "Progress":
    """Wait until nothing is leased to the source.

    Raises:
        Unavailable: the target died, or did not take them in time. What was ordered stands.
    """
    from mailq.engine import migrating

    source, target = begun.source.name, begun.target.name
    with progress.shown(f"{source} to {target}", "batches") as meter:
        while True:
            now = migrating.progress(database, begun)
            meter.at(max(0, len(begun.batch_ids) - now.num_left), len(begun.batch_ids))
            if not now.num_left:
                return now
            if not now.target_is_alive:
                raise Unavailable(f"server {target} is not alive any more; {_left(now)} of {source}. Choose another one")
            if time.monotonic() >= until_s:
                raise Unavailable(f"{_left(now)} of {source}; server {target} goes on taking them, its log says how")
            time.sleep(LOOK_EVERY_S)


def _left(now: "Progress") -> str:
    return f"{now.num_left:,} {'batch is' if now.num_left == 1 else 'batches are'} left"


def _print(begun: "Migration", done: "Progress", took_s: float, *, as_json: bool) -> None:
    facts = {"from": begun.source.name, "to": begun.target.name, "forced": begun.forced}
    if as_json:
        print_json({**facts, "batches": len(begun.batch_ids), "in_doubt": done.num_in_doubt, "seconds": round(took_s, 3)})
        return
    moved, doubts = len(begun.batch_ids), done.num_in_doubt
    print_line(
        f"{moved:,} {'batch' if moved == 1 else 'batches'} of {begun.source.name} moved in {span(took_s)}; "
        f"{doubts:,} {'delivery is' if doubts == 1 else 'deliveries are'} in doubt"
    )
    if doubts:
        say("`mailqctl doubt list` names them")
