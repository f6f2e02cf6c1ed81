"""Messages: one mail to one recipient, sent at once (the seed of it is called a triggered send).

Without `variables` and without a subscriber its words are taken as they are; else its parts are templates.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from mailq.core.call import Method
from mailq.core.mailing import DoubtPolicy, Lane
from mailq.core.subscriber import SUPPRESSED_AS
from mailq.core.suppression import stopping
from mailq.engine import messages
from mailq.engine.calls.fields import BODY, LINE, Address, Choice, Field, Record, Text, Variables, Words, pointed
from mailq.engine.calls.fields import NAME as SHORT
from mailq.engine.calls.kind import Done, Kind, Means, common
from mailq.engine.calls.plain import refusal
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import subscribers
from mailq.store.subscribers import Subscriber

NAME = "message"
PARTS = ("subject", "text", "html", "reply_to", "to_name", "headers", "variables")
"""What a mail that is ready has in its `mime`."""

_SOMEBODY = "someone@example.org"

RECORDS = {
    Method.CREATE: Record(
        {
            **common(
                NAME, customer_key="your own key: the same key and words is the same message, and is sent once", keyed=False
            ),
            "to": Field(Address(), "the recipient, unless it is a subscriber", examples=("ann@example.org",)),
            "subscriber": Field(SHORT, "the `customer_key` of the recipient, whose attributes are variables, under those given"),
            "sender": Field(
                LINE,
                "the From header; with `mime` the envelope's sender",
                required=True,
                examples=("The Shop <shop@example.org>",),
            ),
            "subject": Field(LINE, "missing only with `mime`", nullable=True, examples=("Your order 4711",)),
            "text": Field(
                BODY,
                "the plain text; there is this one, the HTML, or both",
                nullable=True,
                examples=("Thank you for your order.",),
            ),
            "html": Field(BODY, "the HTML", nullable=True),
            "reply_to": Field(LINE, "the Reply-To header, if it is another", nullable=True),
            "to_name": Field(LINE, "the recipient's display name", nullable=True, examples=("Ann",)),
            "headers": Field(Words(LINE, 100), "further headers", examples=({"X-Order": "4711"},)),
            "variables": Field(
                Variables(),
                "what the templates may say; without them, and without a subscriber, the words are no templates",
                nullable=True,
            ),
            "mime": Field(Text(2_000_000), "a whole mail as text (RFC 5322), in ASCII", nullable=True),
            "lane": Field(Choice(Lane), "how urgent it is; `transactional`, unless another is said"),
            "doubt_policy": Field(
                Choice(DoubtPolicy), "what becomes of it if nobody can know whether it was sent, after a crash", nullable=True
            ),
        },
        "One mail to one recipient, sent at once: a receipt, a code, an answer. Or a mail that is ready: `mime`, and no other part.",
        one_of=("to", "subscriber"),
    )
}


def check(_method: Method, given: Mapping[str, Any]) -> None:
    """See `kind.Check`: as when a message is accepted, but that templates are not executed."""
    if given.get("mime") is not None:
        for name in PARTS:
            if given.get(name):
                raise refusal(f"/{name}", "is said beside `mime`, which has it")
    try:
        _require_words(given)
    except BadInput as error:
        raise _pointed(error, given) from None


def _require_words(given: Mapping[str, Any]) -> None:
    if given.get("mime") is not None or not _is_templated(given):
        _order(given, given.get("to") or _SOMEBODY, None, DoubtPolicy.HOLD)
    else:
        messages.require_templates(**_words(given))


def _pointed(error: BadInput, given: Mapping[str, Any]) -> BadInput:
    if given.get("mime") is not None and error.field not in given:
        error.field = "mime"
    return pointed(error)


def _is_templated(given: Mapping[str, Any]) -> bool:
    return given.get("variables") is not None or "subscriber" in given


def _words(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given.get(name) for name in ("subject", "sender", "text", "html", "reply_to", "to_name", "headers")}


def _order(
    given: Mapping[str, Any], to: str, variables: Mapping[str, Any] | None, doubt_policy: DoubtPolicy
) -> messages.MessageOrder:
    options = {
        "key": given.get("customer_key"),
        "lane": given.get("lane", Lane.TRANSACTIONAL),
        "doubt_policy": given.get("doubt_policy") or doubt_policy,
    }
    if given.get("mime") is not None:
        return messages.ready_made(given["mime"].encode(), to, given["sender"], **options)
    return messages.order(to=to, variables=variables, **_words(given), **options)


def _create(tx: Connection, means: Means, given: Mapping[str, Any]) -> Done:
    to, variables = given.get("to"), given.get("variables")
    if to is None:
        found = _subscriber(tx, means, given)
        to, variables = found.address, {**found.attributes, **(variables or {})}
    try:
        order = _order(given, to, variables, means.doubt_policy)
    except BadInput as error:
        raise _pointed(error, given) from None
    [taken] = messages.accept(tx, means.organization_id, [order])
    if isinstance(taken, Conflict):
        raise taken
    said = "accepted" if taken.created else "accepted before, of the same key and words, and not again"
    return Done(f"message {taken.public_id} was {said}", taken.public_id, {"created": taken.created})


def _subscriber(tx: Connection, means: Means, given: Mapping[str, Any]) -> Subscriber:
    """Whose message it is.

    Raises:
        NotFound: there is none.
        Conflict: it gets no such mail.
    """
    found = subscribers.by_key(tx, means.organization_id, given["subscriber"])
    if found is None:
        raise NotFound(f"there is no subscriber `{given['subscriber']}`")
    reason = SUPPRESSED_AS[found.status]
    if reason is not None and reason in stopping(Lane(given.get("lane", Lane.TRANSACTIONAL))):
        raise Conflict(f"subscriber `{found.customer_key}` is {found.status}, and gets no such mail")
    return found


KIND = Kind(NAME, "One mail to one recipient, sent at once.", {Method.CREATE: _create}, RECORDS, check)
