"""Recipients as lines of NDJSON: `address`, and everything else a variable.

What no database could store, such as NaN, stays in its line: whoever reads it there counts it as no recipient, as every door does.
"""

import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from mailq.client.doors import GivenRecipient
from mailq.client.orders import message_order
from mailq.client.values import Email, Recipient
from mailq.core.message import canonical_mail
from mailq.engine.intake.given import take
from mailq.errors import BadInput


def recipient_lines(recipients: Iterable[GivenRecipient]) -> Iterator[bytes]:
    """A line for each recipient, in ASCII.

    Raises:
        BadInput: one is of another shape, or has variables that are no JSON; `field` says which.
    """
    return (recipient_line(seq, given) for seq, given in enumerate(recipients, start=1))


def recipient_lines_async(
    recipients: Iterable[GivenRecipient] | AsyncIterable[GivenRecipient],
) -> Iterable[bytes] | AsyncIterable[bytes]:
    """The same, of recipients that may have to be awaited."""
    return _awaited_lines(recipients) if isinstance(recipients, AsyncIterable) else recipient_lines(recipients)


def recipient_line(seq: int, given: GivenRecipient) -> bytes:
    """The line of one recipient, whose number is `seq`.

    Raises:
        BadInput: as `recipient_lines`.
    """
    address, variables = _pair(seq, given)
    try:
        # The names are sorted, so that the same recipient is the same line. `address` is last: templates know no other one.
        return _line({name: variables[name] for name in sorted(variables)} | {"address": address})
    except (TypeError, RecursionError):
        raise _fault(seq, given) from None


def email_line(email: Email) -> bytes:
    """The line of a recipient whose message is ready. An address that is none is found again by whoever reads it.

    Raises:
        BadInput: anything else of it is at fault.
    """
    try:
        variables: Mapping[str, Any] = message_order(email).variables
    except BadInput as error:
        if error.field != "to":
            raise
        variables = {"mime": canonical_mail(email.message), "sender": email.sender}
    return _line({"address": email.to, **variables})


async def _awaited_lines(recipients: AsyncIterable[GivenRecipient]) -> AsyncIterator[bytes]:
    seq = 0
    async for given in recipients:
        seq += 1
        yield recipient_line(seq, given)


def _pair(seq: int, given: GivenRecipient) -> tuple[str, Mapping[str, Any]]:
    if isinstance(given, Recipient):
        address, variables = given.address, given.variables
    else:
        take([given], seq)
        address, variables = (given, {}) if isinstance(given, str) else (given["address"], given.get("variables") or {})
    if not (isinstance(address, str) and isinstance(variables, Mapping) and all(isinstance(name, str) for name in variables)):
        raise _fault(seq, given)
    return address, variables


def _line(recipient: Mapping[str, Any]) -> bytes:
    return json.dumps(recipient, separators=(",", ":")).encode()


def _fault(seq: int, given: GivenRecipient) -> BadInput:
    """What is wrong with a recipient, in the words that every door has for it."""
    try:
        take([given], seq)
    except BadInput as error:
        return error
    return BadInput(f"recipient {seq}: its variables are nothing that JSON can hold", field=f"recipients[{seq - 1}]")
