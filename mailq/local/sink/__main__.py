"""`python -m mailq.local.sink`: the sink as a process of its own."""

import asyncio
import importlib
import json
import signal
import socket
from pathlib import Path

import click

from mailq.errors import MailqError
from mailq.local.sink.books import Books
from mailq.local.sink.rules import parse_all
from mailq.local.sink.server import Manners, Sink


def _new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop is in the extra `fast`; asyncio's own loop does, at half the speed."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


@click.command(
    epilog="Rules: `address=*@slow.example delay=2s`, `odds=0.01 tempfail`, `address=bob@* reject=550 5.1.1 no such user`; "
    "`pydoc mailq.local.sink.rules` has them all."
)
@click.option("--listen", "address", metavar="HOST:PORT", default="127.0.0.1:2525", show_default=True, help="Port 0 takes any.")
@click.option("--fd", type=int, hidden=True, help="Serve a listening socket that was inherited.")
@click.option("--accepted", type=click.Path(path_type=Path, dir_okay=False), help="List of what was accepted, a line each.")
@click.option("--maildir", type=click.Path(path_type=Path, file_okay=False), help="Keep the messages here, in `new`.")
@click.option("--rule", "rules", multiple=True, help="Misbehave like this; may be repeated.")
@click.option("--rules", "rules_file", type=click.Path(path_type=Path, exists=True), help="File of rules; changes take effect.")
@click.option("--seed", type=int, help="Make the odds of rules repeatable.")
@click.option("--size-limit", type=click.IntRange(1), default=25_000_000, show_default=True, help="Bytes of a message.")
@click.option("--discard", is_flag=True, help="Count only, keep nothing: for benchmarks.")
def main(
    *,
    address: str,
    fd: int | None,
    accepted: Path | None,
    maildir: Path | None,
    rules: tuple[str, ...],
    rules_file: Path | None,
    seed: int | None,
    size_limit: int,
    discard: bool,
) -> None:
    """Take mail by SMTP and deliver none of it. Ends at Ctrl-C or SIGTERM with a line of JSON: what it has accepted."""
    if discard and (accepted or maildir):
        raise click.UsageError("--discard keeps nothing: leave out --accepted and --maildir")
    try:
        manners = Manners(parse_all(rules), rules_file, seed, discard, size_limit)
        books = Books(accepted, maildir)
        with asyncio.Runner(loop_factory=_new_event_loop) as runner:
            runner.run(_serve(Sink(books, manners), address, fd))
    except MailqError as error:
        click.echo(f"sink: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    click.echo(json.dumps({"accepted": books.num_accepted, "bytes": books.num_bytes}))


async def _serve(sink: Sink, address: str, fd: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host, port = _host_and_port(address)
    inherited = socket.socket(fileno=fd) if fd is not None else None
    listening_on = await sink.start(host, port, sock=inherited)
    click.echo(f"smtp://{host}:{listening_on}", err=True)
    await stop.wait()
    await sink.stop()


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{address} is not HOST:PORT", param_hint="--listen")
    return host.strip("[]") or "127.0.0.1", int(port)


if __name__ == "__main__":
    main(prog_name="python -m mailq.local.sink")
