"""The root command, and the one place where errors become a sentence and an exit code."""

import io
import os
import sys
from typing import Any

import click

from mailq.cli.lazy import Entry, LazyGroup
from mailq.cli.terminal import say
from mailq.errors import MailqError, NotFound

INTERRUPTED = 130
NOBODY_READS = 141

COMMANDS = {
    "demo": Entry("mailq.cli.demo:demo", "Send a mailing through a local stack and count it twice."),
    "prove": Entry("mailq.cli.prove:prove", "Inflict faults on a real stack and compare the books with the relay's."),
    "mailing": Entry("mailq.cli.mailing:mailing", "Submit, watch and steer mailings."),
    "call": Entry("mailq.cli.call:call", "Send calls, and see what became of them."),
    "doubt": Entry("mailq.cli.doubt:doubt", "List and resolve mails that may have been sent or not."),
    "suppression": Entry("mailq.cli.suppression:suppression", "See and change which addresses must not be mailed."),
    "history": Entry("mailq.cli.history:history", "Show every mail that one address got or did not get."),
    "key": Entry("mailq.cli.key:key", "Make and revoke keys of the HTTP API."),
    "organization": Entry(
        "mailq.cli.organization:organization", "Make and list organizations, and change their webhook secrets."
    ),
    "worker": Entry("mailq.cli.worker:worker", "Start a worker server."),
    "api": Entry("mailq.cli.api:api", "Serve the HTTP API."),
    "outbox": Entry("mailq.cli.outbox:outbox", "Carry what producers on other databases commit."),
    "backlog": Entry("mailq.cli.backlog:backlog", "Show what waits to be sent, lane by lane."),
    "maintenance": Entry("mailq.cli.maintenance:maintenance", "Stop all processing for a while; everything is accepted."),
    "server": Entry("mailq.cli.server:server", "See and steer worker servers."),
    "db": Entry("mailq.cli.db:db", "Upgrade the database, or check that it fits."),
    "up": Entry("mailq.cli.up:up", "Run PostgreSQL, Redis and a mail sink here."),
    "down": Entry("mailq.cli.down:down", "Stop the local stack of this home."),
    "doctor": Entry("mailq.cli.doctor:doctor", "Look for what is wrong, and say how to fix it."),
    "config": Entry("mailq.cli.config:config", "Show the settings in force."),
    "version": Entry("mailq.cli.version:version", "Show versions."),
}


class Root(LazyGroup):
    """Runs a command, and says in one sentence what went wrong in the world."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run; errors of the world end with their own exit code, mistakes of ours with a traceback."""
        _speak_utf_8()
        try:
            return super().invoke(ctx)
        except MailqError as error:
            listing = error.listing if isinstance(error, NotFound) else None
            say(f"mailqctl: {error}" + (f"; `mailqctl {listing}` shows what there is" if listing else ""))
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output has seen enough (`| head`). Nothing may be flushed into the pipe at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(NOBODY_READS)


def _speak_utf_8() -> None:
    """Names in every script are our daily bread, and no locale may make a traceback of them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


@click.command(
    cls=Root,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExamples:\n  mailqctl demo\n  mailqctl mailing submit people.csv --content sale.toml\n  mailqctl mailing watch sale-42",
)
@click.option("-v", "--verbose", is_flag=True, help="Log what happens, on stderr, as MAILQ_LOG_LEVEL says.")
@click.pass_context
def main(ctx: click.Context, *, verbose: bool) -> None:
    """mailqctl: send mailings, and keep their books.

    Settings come from MAILQ_* in the environment, mailq.toml, or a running local stack (`mailqctl up`).
    """
    ctx.meta["mailq.verbose"] = verbose
