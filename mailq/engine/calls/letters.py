"""Answers by e-mail: a few lines for people, and the whole of it as JSON for programs."""

from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from mailq.core.call import Event
from mailq.core.mailing import DoubtPolicy
from mailq.core.message import parse_mailbox
from mailq.engine.message_orders import MessageOrder, ready_made

_CALLED: Mapping[Event, str] = {
    Event.CALL_FINISHED: "has finished",
    Event.CALL_ERROR: "is in error",
    Event.CALL_NOT_RUN: "was not run",
    Event.CALL_CANCELLED: "was cancelled",
    Event.CONVERSATION_FINISHED: "has finished",
    Event.CONVERSATION_ERROR: "is in error",
}
_SHOWN = ("request_id", "conversation_id", "sequence_code", "calls_in_conversation", "num_run", "method", "num_objects", "error")


def letter(sender: str, to: str, event: Event, data: Mapping[str, Any], attached: str | None, *, key: str) -> MessageOrder:
    """The mail of an answer.

    Args:
        data: as `payloads.of_call` and `of_conversation` have it.
        attached: the results as JSON.
        key: by which an answer that is made again is the same message.

    Raises:
        BadInput: it cannot be sent from this sender or to this address.
    """
    mailbox = parse_mailbox("sender", sender)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(mailbox.name, addr_spec=mailbox.address.text)
    mail["To"] = to
    mail["Subject"] = _subject(event, data)
    # RFC 3834: nobody's holiday shall answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(event, data, attached is not None))
    if attached is not None:
        mail.add_attachment(attached.encode(), maintype="application", subtype="json", filename="results.json")
    # An answer is sent at least once, as a webhook is; whoever reads it twice knows it by its request_id.
    return ready_made(mail, to, mailbox.address.text, key=key, doubt_policy=DoubtPolicy.RESEND)


def _subject(event: Event, data: Mapping[str, Any]) -> str:
    what = "Call" if data["request_id"] else "Conversation"
    return f"{what} {data['request_id'] or data['conversation_id']} {_CALLED[event]}"


def _text(event: Event, data: Mapping[str, Any], attached: bool) -> str:
    lines = [f"{_subject(event, data)}.", ""]
    lines += [f"{name}: {' '.join(str(data[name]).split())}" for name in _SHOWN if data.get(name) is not None]
    where = "The results are attached as results.json" if attached else "Results are retrieved"
    return "\n".join([*lines, "", f"{where}{'; they are also' if attached else ''} at GET {data['results_at']}"]) + "\n"
