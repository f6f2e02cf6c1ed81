"""What may be said of a mailing, and the order that it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mailq.clock import Clock
from mailq.core.call import Method
from mailq.core.mailing import DoubtPolicy, Lane
from mailq.core.message import ReadyMade, compile_content, read_content
from mailq.engine.calls import recipients
from mailq.engine.calls.fields import ANY_ADDRESS, BODY, LINE, Choice, Field, Flag, Many, Moment, Record, Words, pointed
from mailq.engine.calls.fields import NAME as SHORT
from mailq.engine.calls.kind import common
from mailq.engine.calls.plain import refusal
from mailq.engine.intake.order import MailingOrder
from mailq.errors import BadInput

NAME = "mailing"
ACTIONS = ("start", "pause", "resume", "cancel", "resend")
PARTS = ("subject", "sender", "text", "html", "reply_to", "to_name", "headers")
"""The templates of a content."""

OPTIONS = ("name", "lane", "doubt_policy", "scheduled_at", "expires_at", "repeats")
"""What else an order says."""

MOST_ADDRESSES = 100
"""Of those to whom a mailing is sent again by name."""

_COMMON = common(NAME, customer_key="your own key for it, as `key` in /v1/mailings")
_WORDS = {
    "subject": Field(LINE, "a template over a recipient's variables", nullable=True, examples=("Hello {{ name }}",)),
    "sender": Field(LINE, "the From header", nullable=True, examples=("The Shop <shop@example.org>",)),
    "text": Field(
        BODY,
        "the plain text; there is this one, the HTML, or both",
        nullable=True,
        examples=("Dear {{ name }}, spring is here.",),
    ),
    "html": Field(BODY, "the HTML, its variables escaped", nullable=True, examples=("<p>Dear {{ name }}, spring is here.</p>",)),
    "reply_to": Field(LINE, "the Reply-To header, if it is another", nullable=True),
    "to_name": Field(LINE, "the recipient's display name", nullable=True, examples=("{{ name }}",)),
    "headers": Field(Words(LINE, 100), "further headers", examples=({"List-Id": "<sale.example.org>"},)),
}
_WHEN = {
    "lane": Field(Choice(Lane), "how urgent it is; `bulk`, unless another is said"),
    "doubt_policy": Field(
        Choice(DoubtPolicy),
        "what becomes of mails nobody can know about, after a crash; as the server is set, if it is not said",
        nullable=True,
    ),
    "scheduled_at": Field(Moment(), "not to be sent before", nullable=True, examples=("2026-12-24T18:00:00+01:00",)),
    "expires_at": Field(Moment(), "not to be sent any more after", nullable=True),
    "repeats": Field(Flag(), "whether an address that comes more than once gets as many messages"),
}
_WHO = {
    "recipients": Field(recipients.OF_MAILING, "who gets it", nullable=True),
    "recipient_list": Field(
        SHORT,
        "the `customer_key` of a list: whoever is on it now gets it, behind the `recipients`, but no subscriber who is not active",
        nullable=True,
    ),
    "start": Field(Flag(), "whether these are all recipients, and it may be sent"),
}
_MAILING_NAME = Field(SHORT, "what people call it", required=True, examples=("Spring sale",))
_READY_MADE = Field(
    Flag(), "each recipient brings a message of their own: variables `mime` and `sender`, and nothing is a template"
)

RECORDS = {
    Method.CREATE: Record(
        {**_COMMON, "name": _MAILING_NAME, **_WORDS, **_WHEN, "ready_made": _READY_MADE, **_WHO},
        "A mailing of a new key; the same key and words again are the same mailing. Nothing is sent before it is started.",
    ),
    Method.UPDATE: Record(
        {**_COMMON, "name": Field(SHORT, "what people call it from now on"), **_WORDS, **_WHEN, **_WHO},
        "What has changed of a mailing that was not started yet, and further recipients. The rest stays; `null` takes a part away.",
        some_of=("name", *_WORDS, *_WHEN, *_WHO),
    ),
    Method.DELETE: Record(
        _COMMON,
        "Forget a mailing that has not begun, with its recipients; its key is free again. One that has begun can be cancelled.",
    ),
    Method.PERFORM: Record(
        {
            **_COMMON,
            "action": Field(Choice(ACTIONS), "what is done with it", required=True),
            "addresses": Field(
                Many(ANY_ADDRESS, MOST_ADDRESSES), "with `resend`: only these; else all but who is suppressed or was in doubt"
            ),
        },
        "Start a mailing, pause, resume or cancel it, or send its errors again.",
    ),
}


def check(method: Method, given: Mapping[str, Any]) -> None:
    """See `kind.Check`: templates are read, but not executed."""
    try:
        if method is Method.CREATE:
            compile_content(order(given).content, clock=Clock().monotonic)
        elif method is Method.UPDATE:
            _require_parts(given)
        elif "addresses" in given and given["action"] != "resend":
            raise refusal("/addresses", "is said, and is for `resend` alone")
    except BadInput as error:
        raise pointed(error) from None


def order(given: Mapping[str, Any], *, batch_size: int = 1000, doubt_policy: DoubtPolicy = DoubtPolicy.HOLD) -> MailingOrder:
    """What is ordered.

    Raises:
        BadInput: a part, or the times.
    """
    words = {name: given.get(name) for name in PARTS}
    ready_made = given.get("ready_made", False)
    if ready_made:
        for name, value in words.items():
            if value:
                raise refusal(f"/{name}", "is said, and the recipients bring messages of their own")
    return MailingOrder(
        name=given["name"],
        content=ReadyMade() if ready_made else read_content(words),
        key=given["customer_key"],
        lane=Lane(given.get("lane", Lane.BULK)),
        doubt_policy=DoubtPolicy(given.get("doubt_policy") or doubt_policy),
        batch_size=batch_size,
        scheduled_at=moment(given.get("scheduled_at")),
        expires_at=moment(given.get("expires_at")),
        repeats=given.get("repeats", False),
    )


def moment(said: str | None) -> datetime | None:
    """A time as it was said."""
    return None if said is None else datetime.fromisoformat(said)


def _require_parts(given: Mapping[str, Any]) -> None:
    """Refuse parts that could stand in no content; whether they fit what is there is seen when the call runs."""
    others = {"subject": "x", "sender": "someone@example.org", "text": "x"}
    said = {name: given[name] for name in PARTS if given.get(name) is not None}
    if said:
        compile_content(read_content(others | said), clock=Clock().monotonic)
    scheduled_at, expires_at = (moment(given.get(name)) for name in ("scheduled_at", "expires_at"))
    if scheduled_at is not None and expires_at is not None and expires_at <= scheduled_at:
        raise refusal("/expires_at", "is not later than `scheduled_at`")
