"""The door into an outbox: what it is told becomes rows in the producer's transaction, once nothing is wrong with it."""

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from mailq.client.cutting import Size, cut, email_line, recipient_lines
from mailq.client.doors import GivenRecipient
from mailq.client.orders import mailing_order, message_order
from mailq.client.plain import plain
from mailq.client.recipients import read_recipient
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Recipient, Submitted
from mailq.core.address import InvalidAddress, normalise
from mailq.core.ids import public_id
from mailq.core.message import canonical_mail
from mailq.engine.intake.order import needed_by
from mailq.errors import BadInput, Conflict
from mailq.store.outbox import Kind, State
from mailq.store.outbox_writing import Row, writing

ROW = Size(num_recipients=500, num_bytes=500_000)
"""Of one row of recipients: small enough for any database's idea of a statement."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class OutboxDoor:
    """mailq behind an outbox: it takes, and what became of what it took mailq knows alone.

    Args:
        connection: see `Outbox`.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        """See `Door`. The id is that of the outbox; mailq knows the mailing by its key, which is this id where it has none."""
        needed = needed_by(mailing_order(mailing).content)
        taking = _Taking()
        return self._write(Kind.MAILING, mailing, recipient_lines(taking.recipients(recipients)), taking, needed)

    def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """See `Door` and `submit`."""
        mailing_order(mailing)
        taking = _Taking()
        return self._write(Kind.READY_MAILING, mailing, map(email_line, taking.emails(emails)), taking)

    def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `Door`."""
        rows = [_message_row(each) for each in messages]
        into = writing(self._connection)
        with into.undoing([row.handle for row in rows]):
            into.add(rows)
        return [Accepted(row.handle, True) for row in rows]

    def pause(self, reference: str) -> Progress:
        """Ask mailq."""
        refuse()

    def resume(self, reference: str) -> Progress:
        """Ask mailq."""
        refuse()

    def cancel(self, reference: str) -> Progress:
        """Ask mailq."""
        refuse()

    def progress(self, reference: str) -> Progress:
        """Ask mailq."""
        refuse()

    def deliveries(self, reference: str, state: str | None = None) -> Iterator[Delivery]:
        """Ask mailq."""
        refuse()

    def history(self, address: str) -> list[Delivery]:
        """Ask mailq."""
        refuse()

    def message(self, message_id: str) -> Delivery:
        """Ask mailq."""
        refuse()

    def close(self) -> None:
        """The connection is the producer's."""

    def _write(
        self,
        kind: Kind,
        mailing: Mailing | ReadyMailing,
        lines: Iterable[bytes],
        taking: "_Taking",
        needed: frozenset[str] = frozenset(),
    ) -> Submitted:
        handle, num_parts = _handle(), 0
        into = writing(self._connection)
        with into.undoing([handle]):
            for chunk in cut(lines, ROW):
                if not num_parts:
                    taking.require(needed)
                into.add([Row(handle, num_parts, Kind.RECIPIENTS, State.PART, _in_ascii(chunk.lines.decode()))])
                num_parts += 1
            if not num_parts:
                raise BadInput("the mailing has no recipients", field="recipients")
            into.add([_head(handle, num_parts, kind, plain(mailing))])
        return Submitted(handle, True, taking.num_profiles, taking.num_skipped)


class _Taking:
    """Counts recipients as they go by."""

    def __init__(self) -> None:
        self.num_profiles = 0
        self.num_skipped = 0
        self._names: set[str] = set()

    def recipients(self, given: Iterable[GivenRecipient]) -> Iterator[Recipient]:
        """Recipients as they are taken."""
        for place, each in enumerate(given, start=1):
            recipient = read_recipient(place, each)
            self._names.update(recipient.variables)
            self._count(recipient.address)
            yield recipient

    def emails(self, given: Iterable[Email]) -> Iterator[Email]:
        """The same of messages that are ready."""
        for each in given:
            self._count(each.to)
            yield each

    def require(self, names: frozenset[str]) -> None:
        """Refuse a content that needs what no recipient so far has.

        Raises:
            BadInput: it does.
        """
        if missing := sorted(names - self._names - {"address", "email"}):
            raise BadInput(f"the content uses what the recipients do not have: {', '.join(missing)}", field="recipients")

    def _count(self, address: str) -> None:
        self.num_profiles += 1
        try:
            normalise(address)
        except InvalidAddress:
            self.num_skipped += 1


def _message_row(message: Message | Email) -> Row:
    message_order(message)
    said, kind = plain(message), Kind.MESSAGE
    if isinstance(message, Email):
        said, kind = said | {"message": canonical_mail(message.message)}, Kind.EMAIL
    return _head(_handle(), 0, kind, said)


def _head(handle: str, part: int, kind: Kind, said: Mapping[str, Any]) -> Row:
    return Row(handle, part, kind, State.WAITING, json.dumps({"key": handle, **said}))


def _handle() -> str:
    """What mailq knows it by, if the producer has no name for it."""
    return public_id("obx", secrets.token_bytes(10))


def _in_ascii(text: str) -> str:
    """The same JSON."""
    return text if text.isascii() else _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)


def refuse() -> NoReturn:
    """Say that this door leads one way.

    Raises:
        Conflict: always.
    """
    raise Conflict("an outbox only takes messages and mailings; what became of them can be asked of mailq, through another door")
