"""Messages that are ready: who gets them, and from whom, by their headers."""

from collections.abc import Iterable, Iterator, Sequence
from email.message import EmailMessage
from email.utils import getaddresses

from mailq.client.values import DoubtPolicy, Email, Lane, Message
from mailq.errors import BadInput

_RECIPIENTS = ("To", "Cc", "Bcc")


def addressed(
    message: EmailMessage,
    *,
    to: str | Sequence[str] | None = None,
    sender: str | None = None,
    key: str | None = None,
    lane: Lane = "transactional",
    doubt_policy: DoubtPolicy = "hold",
) -> list[Email]:
    """A message for each of its recipients.

    Raises:
        BadInput: there is no recipient, or no sender.
    """
    addresses = [to] if isinstance(to, str) else list(_named(message, _RECIPIENTS) if to is None else to)
    if not addresses:
        raise BadInput("the message has no recipient: neither To, Cc nor Bcc names one", field="to")
    return_path = sender or next(iter(_named(message, ("Sender",)) or _named(message, ("From",))), None)
    if return_path is None:
        raise BadInput("the message has no sender: neither From nor Sender names one", field="sender")
    keys = [key] if key is None or len(addresses) == 1 else [f"{key}/{place}" for place in range(1, len(addresses) + 1)]
    return [
        Email(message, address, return_path, keys[place % len(keys)], lane, doubt_policy)
        for place, address in enumerate(addresses)
    ]


def each_addressed(messages: Iterable[EmailMessage | Email]) -> Iterator[Email]:
    """The same for many, of which some may be addressed already.

    Raises:
        BadInput: as `addressed`.
    """
    for message in messages:
        if isinstance(message, Email):
            yield message
        else:
            yield from addressed(message)


def _named(message: EmailMessage, headers: Sequence[str]) -> list[str]:
    """The addresses that these headers name, each once."""
    values = [str(value) for header in headers for value in message.get_all(header, [])]
    return list(dict.fromkeys(address for _, address in getaddresses(values) if address))


def require_messages(given: Sequence[Message | Email]) -> Sequence[Message | Email]:
    """What is given, if all of it can be sent.

    Raises:
        BadInput: something is no message.
    """
    for each in given:
        if not isinstance(each, Message | Email):
            raise BadInput(f"give a Message or an Email, not {type(each).__name__}; for a message of MIME there is send_email")
    return given
