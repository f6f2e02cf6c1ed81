"""`flask mailq …`: look at a mailing, and steer it."""

from collections.abc import Callable

import click
from flask import current_app
from flask.cli import AppGroup

from mailq.client import Client, Progress
from mailq.contrib.words import line
from mailq.errors import MailqError

group = AppGroup("mailq", help="Look at mailings, and steer them.")


@group.command()
@click.argument("mailing")
def status(mailing: str) -> None:
    """How far a mailing is; by its id, or the key it was submitted with."""
    _tell(Client.progress, mailing)


@group.command()
@click.argument("mailing")
def pause(mailing: str) -> None:
    """Stop sending a mailing for now."""
    _tell(Client.pause, mailing)


@group.command()
@click.argument("mailing")
def resume(mailing: str) -> None:
    """Go on with a paused mailing."""
    _tell(Client.resume, mailing)


@group.command()
@click.argument("mailing")
def cancel(mailing: str) -> None:
    """End a mailing for good: what has not begun is skipped."""
    _tell(Client.cancel, mailing)


def _tell(question: Callable[[Client, str], Progress], reference: str) -> None:
    try:
        progress = question(current_app.extensions["mailq"].client, reference)
    except MailqError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    click.echo(line(progress))
