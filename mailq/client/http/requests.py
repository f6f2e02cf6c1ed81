"""What is said to the API: one value for each request, the same however often it has to be sent."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from mailq.client import calls
from mailq.client.call_values import Call
from mailq.client.plain import plain
from mailq.client.values import Email, Mailing, Message, ReadyMailing
from mailq.core.message import canonical_mail
from mailq.core.plain_json import NotPlain, to_json
from mailq.errors import BadInput

PAGE = 1000
"""Deliveries asked for at once."""
NDJSON = "application/x-ndjson"
JSON = "application/json"

_LONGEST_KEY = 200
_HEADER = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?\Z")
_NO_HEADER = re.compile(r'["\\]')


class Request(NamedTuple):
    """A request.

    Attributes:
        path: below `/v1`.
        key: what makes it the same request when it is sent again; every one that makes or fills something has one, but for a part of
            a conversation, whose place is as good.
        points: whether what is at fault is named by its JSON pointer, as the words of calls are.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: bytes | None = None
    media_type: str | None = None
    key: str | None = None
    points: bool = False


def get(path: str, **query: str | int | None) -> Request:
    """Ask for something."""
    return Request("GET", path, {name: str(value) for name, value in query.items() if value is not None})


def create(mailing: Mailing | ReadyMailing, key: str) -> Request:
    """Make a mailing that has no recipients yet."""
    said = plain(mailing)
    if isinstance(mailing, ReadyMailing):
        said |= {"ready_made": True, "repeats": True}
    return _say("/mailings", said | {"key": key}, key)


def upload(mailing_id: str, lines: bytes, key: str) -> Request:
    """Give it recipients."""
    return Request("POST", f"{_of(mailing_id)}/recipients", body=lines, media_type=NDJSON, key=key)


def steer(reference: str, verb: str) -> Request:
    """Start, pause, resume or cancel a mailing. It needs no key: what is done already is done again without harm."""
    return Request("POST", f"{_of(reference)}/{verb}")


def progress(reference: str) -> Request:
    """How far a mailing is."""
    return get(_of(reference))


def deliveries(reference: str, state: str | None, cursor: str | None) -> Request:
    """A page of what became of its recipients."""
    return get(f"{_of(reference)}/deliveries", state=state, limit=PAGE, cursor=cursor)


def history(address: str, cursor: str | None) -> Request:
    """A page of what an address got or did not get."""
    return get(f"/recipients/{quote(address, safe='@')}/history", limit=PAGE, cursor=cursor)


def message(message_id: str) -> Request:
    """What became of a message."""
    return get(f"/messages/{quote(message_id, safe='')}")


def send(one: Message | Email) -> Request:
    """Send a message; its key is made up where it has none.

    Raises:
        BadInput: it cannot be said in JSON, or is no mail.
    """
    key = one.key or made_up_key()
    said = plain(one)
    if isinstance(one, Email):
        said["mime"] = canonical_mail(said.pop("message"))
    return _say("/messages", said | {"key": key}, key)


def call(one: Call) -> Request:
    """Send a call; its key is made up where nothing else tells it from others.

    Raises:
        BadInput: it cannot be said in JSON.
    """
    said = calls.document(calls.named(one, made_up_key()))
    return _say("/calls", said, said.get("key"))._replace(points=True)


def call_state(request_id: str) -> Request:
    """How a call stands, with its results."""
    return get(f"/calls/{quote(request_id, safe='')}")


def cancel_call(request_id: str) -> Request:
    """Take a call back. One that is taken back already is taken back again without harm."""
    return Request("DELETE", f"/calls/{quote(request_id, safe='')}")


def conversation(conversation_id: str) -> Request:
    """How a conversation stands."""
    return get(f"/conversations/{quote(conversation_id, safe='')}", limit=1)


def conversation_results(conversation_id: str, cursor: str | None) -> Request:
    """A page of its results."""
    return get(f"/conversations/{quote(conversation_id, safe='')}/results", limit=PAGE, cursor=cursor)


def made_up_key() -> str:
    """A key that nobody else has."""
    return secrets.token_hex(16)


def key_of_upload(key: str, number: int) -> str:
    """The key of one of the uploads of a mailing. One that is too long, or that no header can carry, is told by its digest."""
    whole = f"{key}/{number}"
    if len(whole) <= _LONGEST_KEY and _fits_header(whole):
        return whole
    return f"{hashlib.sha256(key.encode()).hexdigest()}/{number}"


def _say(path: str, said: Mapping[str, Any], key: str | None) -> Request:
    try:
        body = to_json(said).encode()
    except NotPlain:
        raise _not_plain(said) from None
    # A key that no header can carry stands in the body alone, where it means the same.
    return Request("POST", path, body=body, media_type=JSON, key=key if key is not None and _fits_header(key) else None)


def _not_plain(said: Mapping[str, Any]) -> BadInput:
    """Which part it is that no JSON can hold."""
    for name, given in said.items():
        try:
            to_json(given)
        except NotPlain as error:
            return BadInput(f"{name}: {error}", field=name)
    return BadInput("it cannot be said in JSON")


def _fits_header(key: str) -> bool:
    return _HEADER.match(key) is not None and _NO_HEADER.search(key) is None


def _of(reference: str) -> str:
    return f"/mailings/{quote(reference, safe='')}"
