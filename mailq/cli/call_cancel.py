"""`call cancel`."""

import click

from mailq.cli import parts
from mailq.cli.call_parts import as_document, request_argument
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line


@click.command(context_settings=CONTEXT, epilog=examples("call cancel req_4fq0c8zj12ab34cd"))
@request_argument
@json_option()
def cancel(*, request_id: str, as_json: bool) -> None:
    """Take back a call that has not run: it never will. A part of a conversation cannot be taken back, the others count on it."""
    from mailq import bootstrap
    from mailq.admin import calls

    chosen = parts.load()
    with parts.opened(chosen, checked=True) as database:
        found = calls.cancel(database, None, request_id, respond=bootstrap.respond(chosen))
    if as_json:
        print_json(as_document(found))
    else:
        print_line(f"call {found.request_id} is {found.state}")
