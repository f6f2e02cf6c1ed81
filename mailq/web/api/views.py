"""What clients are told. Names are those of tables and of the Python client; fields may be added, and none is taken away."""

from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from mailq.admin.mailings import Row, Summary
from mailq.admin.recipients import Contact
from mailq.core.mailing import State
from mailq.engine.drafting import Uploaded
from mailq.engine.messages import MessageState

Item = TypeVar("Item")

_BEFORE_COMPLETE = frozenset({State.DRAFT, State.LOADING})
_BOOKS = ("num_profiles", "num_pending", "num_deferred", "num_sent", "num_errors", "num_skipped", "num_in_doubt")


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


class Listed(View, Generic[Item]):
    """A page of a list."""

    data: list[Item]
    next_cursor: str | None = Field(None, description="ask for the next page with it; null on the last one")


class MailingView(View):
    """A mailing and its books, of one moment:
    `num_profiles = num_pending + num_deferred + num_sent + num_errors + num_skipped + num_in_doubt`.
    """

    id: str = Field(examples=["mlg_0123456789abcdef"])
    name: str
    key: str | None
    state: str = Field(examples=["running"])
    complete: bool = Field(description="whether it has all its recipients")
    lane: str
    doubt_policy: str
    repeats: bool
    num_profiles: int
    num_pending: int
    num_deferred: int
    num_sent: int
    num_errors: int
    num_skipped: int
    num_in_doubt: int
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def of(cls, summary: Summary, **more: Any) -> Self:
        """As the books have it."""
        mailing, books = summary.mailing, summary.books
        named = ("name", "key", "repeats", "created_at", "scheduled_at", "started_at", "finished_at", "expires_at")
        return cls(
            id=mailing.public_id,
            state=mailing.state.value,
            complete=mailing.loaded_at is not None or mailing.state not in _BEFORE_COMPLETE,
            lane=mailing.lane.value,
            doubt_policy=mailing.doubt_policy.value,
            **{name: getattr(mailing, name) for name in named},
            **{name: getattr(books, name) for name in _BOOKS},
            **more,
        )


class MailingPage(Listed[MailingView]):
    """A page of mailings."""


class MadeMailing(MailingView):
    """A mailing that was made, now or before."""

    created: bool = Field(description="false if an earlier request of the same key had made it")


class LineFault(View):
    """What is wrong with one line of an upload."""

    line: int
    reason: str


class UploadedView(View):
    """What an upload came to. Lines that are no recipients are counted, and the others are kept."""

    num_recipients: int
    num_valid: int
    num_invalid: int
    errors: list[LineFault] = Field(description="the first hundred of those that are invalid")
    num_profiles: int = Field(description="recipients the mailing has now")

    @classmethod
    def of(cls, uploaded: Uploaded) -> Self:
        """As the load has it."""
        faults = [LineFault(line=line, reason=reason) for line, reason in uploaded.errors]
        counts = {name: getattr(uploaded, name) for name in ("num_recipients", "num_valid", "num_invalid", "num_profiles")}
        return cls(errors=faults, **counts)


class DeliveryView(View):
    """What became of one recipient."""

    mailing: str | None
    seq: int | None
    address: str
    state: str = Field(examples=["sent"])
    attempts: int
    reply: str | None = Field(description="the relay's last reply, or why the recipient was skipped or failed")
    skip: str | None
    doubt: str | None
    settled_at: datetime | None
    message: str | None = Field(None, description="the id of a single message; null in a mailing")

    @classmethod
    def of_row(cls, mailing: str, row: Row) -> Self:
        """One of a mailing."""
        return cls(mailing=mailing, **{name: getattr(row, name) for name in _DELIVERY})


class DeliveryPage(Listed[DeliveryView]):
    """A page of deliveries."""


class ContactView(DeliveryView):
    """A delivery as an address has had it."""

    name: str = Field(description="what people call the mailing")

    @classmethod
    def of(cls, contact: Contact) -> Self:
        """One of many mailings."""
        return cls(mailing=contact.mailing, name=contact.name, **{name: getattr(contact, name) for name in _DELIVERY})


class AcceptedView(View):
    """A message that was taken."""

    id: str = Field(examples=["msg_0123456789abcdef"])
    created: bool = Field(description="false if an earlier request of the same key had made it")


class MessageView(DeliveryView):
    """What became of a message."""

    id: str
    key: str | None
    accepted_at: datetime
    due_at: datetime | None = Field(description="of a deferred one: when it is tried again")

    @classmethod
    def of(cls, state: MessageState) -> Self:
        """As the books have it."""
        more = {name: getattr(state, name) for name in ("mailing", "key", "accepted_at", "due_at")}
        return cls(id=state.public_id, message=state.public_id, **more, **{name: getattr(state, name) for name in _DELIVERY})


_DELIVERY = ("seq", "address", "state", "attempts", "reply", "skip", "doubt", "settled_at")


class ContactPage(Listed[ContactView]):
    """What an address got, and did not get."""


class SuppressionView(View):
    """An address that is not mailed."""

    address: str
    reason: str
    note: str | None
    created_at: datetime


class SuppressionPage(Listed[SuppressionView]):
    """A page of suppressions."""


class SuppressedView(View):
    """An address is not mailed from now on."""

    address: str
    created: bool = Field(description="false if it was suppressed already; it keeps its reason then")
