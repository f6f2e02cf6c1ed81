"""Orders of single messages. Everything that can be wrong with one is found here, before anything is stored."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

from mailq.clock import Clock
from mailq.core.address import InvalidAddress, normalise
from mailq.core.mailing import DoubtPolicy, Lane
from mailq.core.message import Content, ReadyMade, Renderer, canonical_mail, compile_content, date_header, literal, parse_mailbox
from mailq.core.plain_json import NotPlain, as_stored, to_json
from mailq.errors import BadInput

MAX_VARIABLES_BYTES = 1_000_000
"""Of a templated message's variables, as JSON."""
MAX_HEADERS = 100

_LONGEST_KEY = 200
_TRIAL_ID = "<trial@mailq.invalid>"
_CLOCK = Clock()
_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class MessageOrder:
    """A message that can be sent: it was rendered once. Made by `order` and `ready_made`."""

    address: str
    content: Content | ReadyMade
    variables: Mapping[str, Any]
    key: str | None
    lane: Lane
    doubt_policy: DoubtPolicy

    def digest(self) -> str:
        """SHA-256 over all that was said: what must be equal for two orders of one key to be the same."""
        return _digest([self.address, self.content.digest(), self.variables, self.lane, self.doubt_policy])

    def stream(self) -> str:
        """SHA-256 over content and options: the messages of one stream share them."""
        return _digest([self.content.digest(), self.lane, self.doubt_policy])


def order(
    *,
    to: str,
    subject: str,
    sender: str,
    text: str | None = None,
    html: str | None = None,
    reply_to: str | None = None,
    to_name: str | None = None,
    headers: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
    key: str | None = None,
    lane: str = Lane.TRANSACTIONAL,
    doubt_policy: str = DoubtPolicy.HOLD,
) -> MessageOrder:
    """Check a message in every way, and render it once. Without `variables` its words are literal; with them its parts are templates.

    Raises:
        BadInput: `field` names what is at fault: `to`, a part, `header X`, `variables`, `key`, `lane` or `doubt_policy`.
    """
    given = {"subject": subject, "sender": sender, "text": text, "html": html, "reply_to": reply_to, "to_name": to_name}
    parts = {part: _words(part, value) for part, value in given.items() if value is not None}
    named = _headers(headers)
    content: Content | ReadyMade
    known: Mapping[str, Any]
    if variables is None:
        content, known = literal(**_required(parts), headers=named)
    else:
        content, known = Content.from_mapping({**_required(parts), "headers": named}), _variables(variables)
    made = MessageOrder(_address(to), content, known, _key(key), _one_of(Lane, "lane", lane), _policy(doubt_policy))
    _try(made)
    return made


def ready_made(
    email: "Message[Any, Any] | bytes",
    to: str,
    sender: str,
    *,
    key: str | None = None,
    lane: str = Lane.TRANSACTIONAL,
    doubt_policy: str = DoubtPolicy.HOLD,
) -> MessageOrder:
    """Check a mail that a program has built, for one recipient. Its To and Cc are shown to him as they are.

    Args:
        to: whom it goes to, whatever its headers say.
        sender: the envelope's, to whom bounces go.

    Raises:
        BadInput: `field` names what is at fault: `to`, `sender`, `mime`, `header X`, `key`, `lane` or `doubt_policy`.
    """
    known = {"sender": parse_mailbox("sender", _words("sender", sender)).address.text, "mime": canonical_mail(email)}
    made = MessageOrder(_address(to), ReadyMade(), known, _key(key), _one_of(Lane, "lane", lane), _policy(doubt_policy))
    _try(made)
    return made


def require_templates(
    *,
    subject: str,
    sender: str,
    text: str | None = None,
    html: str | None = None,
    reply_to: str | None = None,
    to_name: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Check what can be said of a templated message before its recipient is known. No template is executed.

    Raises:
        BadInput: as `order`.
    """
    given = {"subject": subject, "sender": sender, "text": text, "html": html, "reply_to": reply_to, "to_name": to_name}
    parts = {part: _words(part, value) for part, value in given.items() if value is not None}
    _renderer(Content.from_mapping({**_required(parts), "headers": _headers(headers)}))


def _digest(said: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _try(made: MessageOrder) -> None:
    """Render it as its worker will.

    Raises:
        BadInput: it cannot be made.
    """
    renderer = _renderer(made.content)
    renderer.sender(made.address, made.variables)
    renderer.render(made.address, made.variables, message_id=_TRIAL_ID, date=date_header(_CLOCK.now()))


@lru_cache(maxsize=32)
def _renderer(content: Content | ReadyMade) -> Renderer:
    return compile_content(content, clock=_CLOCK.monotonic)


def _words(part: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{part}: must be text, not {type(value).__name__}", field=part)
    return value


def _required(parts: Mapping[str, str]) -> Any:
    for part in ("subject", "sender"):
        if part not in parts:
            raise BadInput(f"{part}: is missing", field=part)
    if not {"text", "html"} & parts.keys():
        raise BadInput("text: there is neither a text nor an html body", field="text")
    return parts


def _headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    if not isinstance(headers or {}, Mapping):
        raise BadInput("headers: must be names with their values", field="headers")
    named = {_words("headers", name): _words(f"header {name}", value) for name, value in (headers or {}).items()}
    if len(named) > MAX_HEADERS:
        raise BadInput(f"headers: more than {MAX_HEADERS}", field="headers")
    return named


def _variables(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(variables, Mapping):
        raise BadInput("variables: must be names with their values", field="variables")
    try:
        text = to_json(dict(variables))
    except NotPlain as error:
        raise BadInput(f"variables: {error}", field="variables") from None
    if len(text.encode()) > MAX_VARIABLES_BYTES:
        raise BadInput(f"variables: larger than {MAX_VARIABLES_BYTES:,} bytes as JSON", field="variables")
    known: Mapping[str, Any] = as_stored(text)
    return known


def _address(to: object) -> str:
    try:
        return normalise(_words("to", to)).text
    except InvalidAddress as error:
        raise BadInput(f"to: {error.reason}", field="to") from None


def _key(key: object) -> str | None:
    if key is None:
        return None
    if not (isinstance(key, str) and key.strip() and len(key) <= _LONGEST_KEY and key.isprintable()):
        raise BadInput(f"key: must be 1 to {_LONGEST_KEY} printable characters on one line", field="key")
    return key


def _policy(given: object) -> DoubtPolicy:
    return _one_of(DoubtPolicy, "doubt_policy", given)


def _one_of(kind: type[_Choice], field: str, given: object) -> _Choice:
    try:
        return kind(str(given))
    except ValueError:
        raise BadInput(f"{field}: must be one of {', '.join(kind)}", field=field) from None
