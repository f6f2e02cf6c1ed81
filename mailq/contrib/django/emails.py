"""Django's e-mail messages as mailq takes them: ready, and one for each recipient."""

from collections.abc import Sequence
from email.headerregistry import AddressHeader
from typing import Any, get_args

from django.core.exceptions import ImproperlyConfigured

from mailq.client import Email
from mailq.client.values import DoubtPolicy, Lane
from mailq.core.address import normalise
from mailq.errors import BadInput

# An address alone, as `webmaster`, is Django's to allow, and mailq's to refuse with a reason.
_HARMLESS = {"addr-spec local part with no domain"}


def emails_of(message: Any, *, lane: Lane | None = None, doubt_policy: DoubtPolicy = "hold", careful: bool = True) -> list[Email]:
    """One for each recipient of a `django.core.mail.EmailMessage`: To, Cc and Bcc, each address once.

    Args:
        careful: refuse an address that mail cannot be sent to, instead of leaving it to be skipped with a reason.

    Raises:
        ValueError: a header or an address has a line break in it, or an address cannot be read; as Django raises it.
        BadInput: mail cannot be sent to an address, or from the sender.
    """
    addresses = list(dict.fromkeys(address_in(each) for each in message.recipients()))
    sender = address_in(getattr(message, "envelope_sender", None) or message.from_email)
    _refuse(sender, "sender")
    if careful:
        for address in addresses:
            _refuse(address, "to")
    # Built once: its headers are the same for everybody, and nobody sees the Bcc.
    mime = message.message().as_bytes()
    chosen = one_of(getattr(message, "mailq_lane", lane or "transactional"), Lane, "lane")
    policy = one_of(getattr(message, "mailq_doubt_policy", doubt_policy), DoubtPolicy, "doubt_policy")
    keys = _keys(getattr(message, "mailq_key", None), len(addresses))
    return [Email(mime, address, sender, key, chosen, policy) for address, key in zip(addresses, keys, strict=True)]


def address_in(written: Any) -> str:
    """The address in `Name <address>`.

    Raises:
        ValueError: there is not exactly one, or it has a line break in it.
    """
    text = str(written)
    if "\n" in text or "\r" in text:
        raise ValueError("Invalid address; address parts cannot contain newlines.")
    parsed = AddressHeader.value_parser(text)
    defects = {str(defect) for defect in parsed.all_defects} - _HARMLESS
    mailboxes = parsed.all_mailboxes
    # Letters beyond ASCII are for mailq to judge.
    if len(mailboxes) != 1 or (defects and text.isascii()):
        raise ValueError(f"Invalid address {text!r}")
    return str(mailboxes[0].addr_spec)


def one_of(value: Any, kind: Any, name: str) -> Any:
    """A word that mailq knows.

    Raises:
        ImproperlyConfigured: it is none.
    """
    if value not in get_args(kind):
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(get_args(kind))}, not {value!r}")
    return value


def _refuse(address: str, field: str) -> None:
    try:
        normalise(address)
    except BadInput as fault:
        raise BadInput(f"`{field}`: {fault}", field=field) from None


def _keys(key: str | None, number: int) -> Sequence[str | None]:
    return [key] * number if key is None or number == 1 else [f"{key}/{place}" for place in range(1, number + 1)]
