"""What producers say as the orders of the engine: whatever can be wrong with it is found here."""

from enum import StrEnum
from typing import TypeVar

from mailq.client.values import Email, Mailing, Message, ReadyMailing
from mailq.clock import Clock
from mailq.core.mailing import DoubtPolicy, Lane
from mailq.core.message import Content, ReadyMade, compile_content, read_content
from mailq.engine import message_orders
from mailq.engine.intake.order import MailingOrder
from mailq.engine.message_orders import MessageOrder
from mailq.errors import BadInput

_PARTS = ("subject", "sender", "text", "html", "reply_to", "to_name", "headers")
_Choice = TypeVar("_Choice", bound=StrEnum)


def mailing_order(mailing: Mailing | ReadyMailing) -> MailingOrder:
    """The order of a mailing, its templates compiled once.

    Raises:
        BadInput: `field` names what is at fault.
    """
    order = MailingOrder(
        name=mailing.name,
        content=_content(mailing),
        key=mailing.key,
        lane=_one_of(Lane, "lane", mailing.lane),
        doubt_policy=_one_of(DoubtPolicy, "doubt_policy", mailing.doubt_policy),
        scheduled_at=mailing.scheduled_at,
        expires_at=mailing.expires_at,
        repeats=isinstance(mailing, ReadyMailing) or mailing.repeats,
    )
    compile_content(order.content, clock=Clock().monotonic)
    return order


def message_order(message: Message | Email) -> MessageOrder:
    """The order of a message, rendered once.

    Raises:
        BadInput: `field` names what is at fault.
    """
    if isinstance(message, Email):
        return message_orders.ready_made(
            message.message,
            message.to,
            message.sender,
            key=message.key,
            lane=message.lane,
            doubt_policy=message.doubt_policy,
        )
    return message_orders.order(
        **{part: getattr(message, part) for part in (*_PARTS, "to", "variables", "key", "lane", "doubt_policy")}
    )


def _content(mailing: Mailing | ReadyMailing) -> Content | ReadyMade:
    if isinstance(mailing, ReadyMailing):
        return ReadyMade()
    return read_content({part: getattr(mailing, part) for part in _PARTS})


def _one_of(kind: type[_Choice], field: str, given: str) -> _Choice:
    try:
        return kind(given)
    except ValueError:
        raise BadInput(f"{field}: must be one of {', '.join(kind)}", field=field) from None
