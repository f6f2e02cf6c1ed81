"""Asking before what cannot be undone."""

import sys

import click

from mailq.errors import BadInput


def confirm(question: str, *, yes: bool) -> None:
    """Ask a person; a script says `--yes`.

    Raises:
        BadInput: nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("this cannot be undone: say --yes")
    click.confirm(question, abort=True, err=True)
