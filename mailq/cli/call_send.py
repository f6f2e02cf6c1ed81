"""`call send`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mailq.cli import parts
from mailq.cli.call_parts import organization_option, owner, print_results, standing_of
from mailq.cli.options import CONTEXT, examples, json_option
from mailq.cli.terminal import print_json, print_line, say
from mailq.core.call import RequestType, State
from mailq.errors import BadInput, Conflict, Unavailable

if TYPE_CHECKING:
    from mailq.admin.calls import Ended, Received
    from mailq.admin.maintenance import Maintenance
    from mailq.engine.calls.order import CallOrder
    from mailq.settings import Settings

_MOST_BYTES = 8_000_000
"""Of a file. What is in it may be less, as the API says; this keeps a wrong file from being read whole."""


@click.command(context_settings=CONTEXT, epilog=examples("call send order-4711.json --key order-4711", "call send - < call.json"))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False))
@click.option("--key", help="Your own name for it, unless FILE has one: sent again, the same words are the same call.")
@organization_option
@json_option()
def send(*, file: Path, key: str | None, organization: str, as_json: bool) -> None:
    """Send the call in FILE: JSON with a `method`, `objects` and `options`, as docs/calls.md describes them; `-` is stdin.

    Prints the request id. One with the request_type `synchronous` is run at once: its results are printed, and the exit code is 1 if
    an object was refused.
    """
    chosen = parts.load()
    order = _order(file, key, chosen)
    if order.request_type is RequestType.SYNCHRONOUS:
        _run(chosen, organization, order, as_json=as_json)
    else:
        _send(chosen, organization, order, as_json=as_json)


def _order(file: Path, key: str | None, chosen: "Settings") -> "CallOrder":
    from mailq import bootstrap
    from mailq.engine.calls import order

    said = _read(file)
    if key is not None and said.get("key", key) != key:
        raise BadInput("the key in the file is another than that of --key; say one of them", field="/key")
    try:
        return order.read(said, key=key, policy=bootstrap.call_policy(chosen))
    except BadInput as error:
        raise BadInput(_pointed(error), field=error.field) from None


def _read(file: Path) -> dict[str, Any]:
    """What a file says.

    Raises:
        BadInput: it is no JSON, or too large, or no call.
        Unavailable: it cannot be read.
    """
    name = "stdin" if str(file) == "-" else str(file)
    try:
        with click.open_file(str(file), "rb") as source:
            text = source.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Unavailable(f"{name} cannot be read: {error.strerror}") from None
    if len(text) > _MOST_BYTES:
        raise BadInput(f"{name} is larger than {_MOST_BYTES:,} bytes")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise BadInput(f"{name} is no call: a call is a JSON object with `method` and `objects`")
    return said


def _send(chosen: "Settings", organization: str, order: "CallOrder", *, as_json: bool) -> None:
    from mailq import bootstrap
    from mailq.admin import calls, maintenance

    with parts.opened(chosen, checked=True) as database:
        try:
            received = calls.send(database, owner(database, organization), order, terms=bootstrap.call_terms(chosen))
        except BadInput as error:
            raise BadInput(_pointed(error), field=error.field) from None
        standing = maintenance.status(database)
    if as_json:
        print_json(_document(received) | {"maintenance": standing is not None})
        return
    print_line(received.request_id)
    _tell(received, standing)


def _tell(received: "Received", standing: "Maintenance | None") -> None:
    before = "" if received.created else "it was sent before, with the same words: "
    say(f"{before}it is {standing_of(received.state)}; `mailqctl call show {received.request_id}` says what became of it")
    if standing is not None:
        say(f"nothing is run now: {standing}")


def _run(chosen: "Settings", organization: str, order: "CallOrder", *, as_json: bool) -> None:
    from mailq import bootstrap
    from mailq.admin import calls

    with parts.opened(chosen, checked=True) as database:
        whose = owner(database, organization)
        ended = calls.run(database, whose, order, means=bootstrap.call_means(chosen)(whose), terms=bootstrap.call_terms(chosen))
    _print_ended(ended, as_json=as_json)
    if ended.state is State.ERROR:
        raise SystemExit(1)


def _print_ended(ended: "Ended", *, as_json: bool) -> None:
    from mailq.core.call_result import as_mapping

    if as_json:
        print_json(_document(ended) | {"results": [as_mapping(each) for each in ended.results]})
        return
    print_results(ended.results)
    say(f"call {ended.request_id} {'is' if ended.created else 'was run before, and is'} {standing_of(ended.state)}")


def _document(said: "Received | Ended") -> dict[str, Any]:
    return {name: getattr(said, name) for name in type(said).__slots__}


def _pointed(error: BadInput | Conflict) -> str:
    if not error.field or not error.field.startswith("/"):
        return str(error)
    return f"{error.field}: {str(error).removeprefix(error.field.rpartition('/')[2] + ': ')}"
