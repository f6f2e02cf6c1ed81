"""What clients say, as strict models: no unknown field, no converted value. The engine judges the words."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, JsonValue

from mailq.web.api.bodies import Given

MOST_RECIPIENTS = 5000
"""Of a mailing's own body; more are uploaded."""

Lane = Literal["transactional", "normal", "bulk"]
DoubtPolicy = Literal["hold", "resend", "assume_sent"]
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _of_this_age(moment: datetime) -> datetime:
    if not _EARLIEST <= moment < _LATEST:
        raise ValueError("is not between the years 2000 and 2200")
    return moment


Name = Annotated[str, Field(min_length=1, max_length=200)]
Line = Annotated[str, Field(max_length=10_000)]
Body = Annotated[str, Field(max_length=2_000_000)]
Address = Annotated[str, Field(min_length=1, max_length=1000, examples=["ann@example.org"])]
Moment = Annotated[AwareDatetime, AfterValidator(_of_this_age), Field(examples=["2026-12-24T18:00:00+01:00"])]
Headers = Annotated[dict[Annotated[str, Field(max_length=200)], Line], Field(max_length=100)]
Variables = Annotated[dict[str, JsonValue], Field(max_length=1000)]


class RecipientIn(Given):
    """A recipient, and what the templates know of them."""

    address: Annotated[str, Field(max_length=1000, examples=["ann@example.org"])]
    variables: Variables = Field(default_factory=dict, examples=[{"name": "Ann"}])


class MailingIn(Given):
    """A mailing. Subject, sender, headers and bodies are Jinja2 templates over a recipient's variables."""

    name: Name = Field(description="what people call it", examples=["Spring sale"])
    subject: Line | None = Field(None, examples=["Hello {{ name }}"])
    sender: Line | None = Field(None, description="the From header", examples=["The Shop <shop@example.org>"])
    text: Body | None = Field(None, examples=["Dear {{ name }}, spring is here."])
    html: Body | None = Field(None, examples=["<p>Dear {{ name }}, spring is here.</p>"])
    reply_to: Line | None = None
    to_name: Line | None = Field(None, description="the recipient's display name", examples=["{{ name }}"])
    headers: Headers = Field(default_factory=dict, description="further headers", examples=[{"List-Id": "<sale.example.org>"}])
    key: Name | None = Field(None, description="your own name for it, as in the header Idempotency-Key")
    lane: Lane = Field("bulk", description="how urgent it is")
    doubt_policy: DoubtPolicy | None = Field(
        None, description="what becomes of mails nobody can know about, after a crash; as the server is set, if it is not said"
    )
    scheduled_at: Moment | None = Field(None, description="not to be sent before")
    expires_at: Moment | None = Field(None, description="not to be sent any more after")
    repeats: bool = Field(False, description="whether an address that comes more than once gets as many messages")
    ready_made: bool = Field(
        False,
        description="each recipient brings a message of their own: variables `mime` and `sender`, and nothing is a template",
    )
    recipients: list[RecipientIn] | None = Field(None, min_length=1, max_length=MOST_RECIPIENTS)
    start: bool = Field(False, description="whether these are all recipients, and it may be sent")


class MessageIn(Given):
    """A message for one recipient. Without `variables` its words are taken as they are; with them its parts are templates.

    Or a mail that is ready: `mime`, and of the other parts only `to` and `sender`.
    """

    to: Address
    sender: Line = Field(
        description="the From header; with `mime` the envelope's sender", examples=["The Shop <shop@example.org>"]
    )
    subject: Line | None = Field(None, examples=["Your order 4711"])
    text: Body | None = Field(None, examples=["Thank you for your order."])
    html: Body | None = None
    reply_to: Line | None = None
    to_name: Line | None = Field(None, description="the recipient's display name", examples=["Ann"])
    headers: Headers = Field(default_factory=dict, description="further headers")
    variables: Variables | None = None
    mime: str | None = Field(None, description="a whole mail as text (RFC 5322), in ASCII")
    key: Name | None = Field(None, description="your own name for it, as in the header Idempotency-Key")
    lane: Lane = "transactional"
    doubt_policy: DoubtPolicy | None = Field(None, description="as the server is set, if it is not said")


class SuppressionIn(Given):
    """An address that shall not be mailed."""

    address: Address
    reason: Literal["unsubscribed", "complained", "bounced", "manual"] = "manual"
    note: Annotated[str, Field(max_length=1000)] | None = Field(None, description="what else somebody should know")


class DoubtsIn(Given):
    """What becomes of deliveries in doubt: of one, of those that have one reason, or of a whole mailing."""

    mailing: Name = Field(description="its id or key", examples=["mlg_0123456789abcdef"])
    verdict: Literal["sent", "resend", "error"] = Field(description="`resend` sends again, so that some may arrive twice")
    address: Address | None = Field(None, description="only this recipient's")
    reason: Literal["worker_killed", "host_lost", "relay_closed", "timeout"] | None = Field(
        None, description="only what is in doubt for this reason"
    )
