"""`call drain`: hands over what a client has spooled."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailq.cli import parts, progress
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.outbox_parts import tell_refusal
from mailq.cli.terminal import print_json, say
from mailq.errors import Unavailable

if TYPE_CHECKING:
    from mailq.client.carrier import Carrier, Round
    from mailq.settings import Settings
    from mailq.store.spool import SpoolFile

_AT_ONCE = timedelta(0)


@click.command(
    context_settings=CONTEXT, epilog=examples("call drain --spool /var/lib/shop/calls.spool --to https://mailq.example")
)
@click.option("--spool", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The client's spool.")
@click.option("--to", required=True, metavar="URL", help="mailq's HTTP API, with the key in MAILQ_OUTBOX_KEY.")
@json_option()
def drain(*, spool: Path, to: str, as_json: bool) -> None:
    """Hand over the calls, messages and mailings of a spool, in its order: everything once, however often this is killed or begun again.

    What mailq refuses stays in the spool with the reason, and keeps nobody waiting. Two at once do no harm, nor does a client that
    writes meanwhile.
    """
    done: list[Round] = []
    with _opened(parts.load(), spool, to, done) as (file, carrier):
        try:
            last = carrier.carry()
        except Unavailable:
            _say(done)
            raise
        carrier.forget(older_than=_AT_ONCE)
        num_waiting = _num_waiting(file)
    if as_json:
        print_json({"num_done": last.num_done, "num_refused": last.num_refused, "num_waiting": num_waiting})
    _say([last])
    if last.num_missed:
        raise Unavailable(f"mailq gave no answer for {last.num_missed} of them; they wait for the next time")


@contextmanager
def _opened(chosen: "Settings", spool: Path, to: str, done: "list[Round]") -> "Iterator[tuple[SpoolFile, Carrier]]":
    from mailq import bootstrap, urls
    from mailq.store.spool import SpoolFile

    with ExitStack() as opened:
        file = SpoolFile(spool)
        file.require_table()
        door = bootstrap.outbox_door(chosen, to, organization="default")
        opened.callback(door.close)
        total = _num_waiting(file)
        say(f"draining {spool} to {urls.shown(to, '--to')}")
        meter = opened.enter_context(progress.shown(f"draining {spool.name}", "calls and messages"))

        def moved(so_far: "Round") -> None:
            done[:] = [so_far]
            meter.at(so_far.num_done + so_far.num_refused, total)

        yield file, bootstrap.carrier(file, door, told=tell_refusal, moved=moved)


def _num_waiting(file: "SpoolFile") -> int:
    from mailq.store import outbox

    with file.begin() as tx:
        return outbox.counts(tx)[outbox.State.WAITING]


def _say(rounds: "list[Round]") -> None:
    for done in rounds:
        say(f"{done.num_done:,} handed over, {done.num_refused:,} refused")
