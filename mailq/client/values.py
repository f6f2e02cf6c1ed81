"""What producers say and are told: plain values, the same through every door."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Literal

Lane = Literal["transactional", "normal", "bulk"]
DoubtPolicy = Literal["hold", "resend", "assume_sent"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets a message of a mailing, and what the templates know of them."""

    address: str
    variables: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Mailing:
    """One content for many recipients. Subject, sender, headers and bodies are Jinja2 templates over a recipient's variables.

    Attributes:
        name: what people call it.
        sender: the From header, `address` or `Name <address>`.
        key: your own name for it: submitted again, the same key with the same content and recipients is the same mailing.
        lane: how urgent it is.
        doubt_policy: what becomes of mails nobody can know about, after a crash.
        scheduled_at, expires_at: not to be sent before, or after; with a time zone.
        repeats: whether an address that stands in it more than once gets as many messages, instead of the first one only.
    """

    name: str
    subject: str
    sender: str
    text: str | None = None
    html: str | None = None
    reply_to: str | None = None
    to_name: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    key: str | None = None
    lane: Lane = "bulk"
    doubt_policy: DoubtPolicy = "hold"
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one recipient, to be sent now.

    Without `variables` every word is taken as it is; with them (even none at all) the parts are templates, as those of a mailing.

    Attributes:
        to: the recipient's address.
        to_name: the recipient's display name.
        key: your own name for it: sent again, the same key with the same words is the same message.
    """

    to: str
    subject: str
    sender: str
    text: str | None = None
    html: str | None = None
    reply_to: str | None = None
    to_name: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    variables: Mapping[str, Any] | None = field(default=None, hash=False)
    key: str | None = None
    lane: Lane = "transactional"
    doubt_policy: DoubtPolicy = "hold"


@dataclass(frozen=True, slots=True)
class Email:
    """A message that is ready (parts, attachments and all), for one of its recipients. `mailq.client.emails` makes them.

    Attributes:
        message: as it is to be sent; Message-ID, Date and Bcc are replaced or left out. MIME, if it is bytes.
        to: who gets it, whatever its headers say.
        sender: the envelope sender.
        key: your own name for it: sent again, the same key with the same message is the same message.
    """

    message: EmailMessage | bytes
    to: str
    sender: str
    key: str | None = None
    lane: Lane = "transactional"
    doubt_policy: DoubtPolicy = "hold"


@dataclass(frozen=True, slots=True)
class ReadyMailing:
    """A mailing in which every recipient gets a message that is ready. An address may get several; see `Mailing` for the rest."""

    name: str
    key: str | None = None
    lane: Lane = "normal"
    doubt_policy: DoubtPolicy = "hold"
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A mailing that was taken.

    Attributes:
        id: its public id, `mlg_…`.
        created: False if an earlier submit of the same key had made it.
        num_profiles: recipients it has, those that get no mail included.
        num_skipped: those of them that are no addresses or cannot be read.
        spooled: whether it lies in the client's spool, and mailq does not have it yet; the id is that of the spool.
    """

    id: str
    created: bool
    num_profiles: int
    num_skipped: int = 0
    spooled: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that was taken.

    Attributes:
        id: its public id, `msg_…`.
        created: False if an earlier send of the same key had made it.
        spooled: whether it lies in the client's spool, and mailq does not have it yet; the id is that of the spool.
    """

    id: str
    created: bool
    spooled: bool = False


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of what lay in a spool.

    Attributes:
        num_done: messages, mailings and calls that mailq has taken.
        num_refused: those that it has refused; they stay in the spool with the reason.
        num_waiting: those that are still to be handed over.
    """

    num_done: int
    num_refused: int
    num_waiting: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a mailing is. The books balance at every moment:
    `num_profiles = num_pending + num_deferred + num_sent + num_errors + num_skipped + num_in_doubt`.
    """

    id: str
    name: str
    key: str | None
    state: str
    num_profiles: int
    num_pending: int
    num_deferred: int
    num_sent: int
    num_errors: int
    num_skipped: int
    num_in_doubt: int
    created_at: datetime
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one recipient.

    Attributes:
        state: `pending`, `deferred`, `sent`, `error`, `skipped`, `in_doubt`; of a message `accepted` until it has its place in a stream.
        reply: the relay's last reply, or why the recipient was skipped or failed.
        message: the public id of a single message; None in a mailing.
    """

    mailing: str | None
    seq: int | None
    address: str
    state: str
    attempts: int = 0
    reply: str | None = None
    skip: str | None = None
    doubt: str | None = None
    settled_at: datetime | None = None
    message: str | None = None
