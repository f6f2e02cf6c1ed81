"""The door into an outbox: what it is told becomes rows in the producer's transaction, once nothing is wrong with it."""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from mailq.client import calls
from mailq.client.call_orders import call_order
from mailq.client.call_values import SPOOLED, Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.cutting import Size, cut
from mailq.client.doors import GivenRecipient
from mailq.client.lines import email_line, recipient_line
from mailq.client.orders import mailing_order, message_order
from mailq.client.plain import plain
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Submitted
from mailq.core.address import InvalidAddress, normalise
from mailq.core.call import RequestType
from mailq.core.ids import public_id
from mailq.core.message import Content, ReadyMade, canonical_mail
from mailq.engine.intake.jsonlines import parse
from mailq.engine.intake.order import require_names
from mailq.errors import BadInput, Conflict
from mailq.store.outbox import Kind, State
from mailq.store.outbox_writing import Row, writing

ROW = Size(num_recipients=500, num_bytes=500_000)
"""Of one row of recipients: small enough for any database's idea of a statement."""

_REQUEST_TYPE = "/options/request_type"


class OutboxDoor:
    """mailq behind an outbox: it takes, and what became of what it took mailq knows alone.

    Args:
        connection: see `Outbox`.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        """See `Door`. The id is that of the outbox; mailq knows the mailing by its key, which is this id where it has none."""
        content = mailing_order(mailing).content
        lines = (recipient_line(seq, given) for seq, given in enumerate(recipients, start=1))
        return self._write(Kind.MAILING, mailing, lines, content)

    def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """See `Door` and `submit`."""
        content = mailing_order(mailing).content
        return self._write(Kind.READY_MAILING, mailing, map(email_line, emails), content)

    def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `Door`."""
        rows = [_message_row(each) for each in messages]
        into = writing(self._connection)
        with into.undoing([row.handle for row in rows]):
            into.add(rows)
        return [Accepted(row.handle, True) for row in rows]

    def call(self, call: Call) -> CallAccepted:
        """See `Door`. It has no id before mailq has it; said again then, through another door, the same call tells it.

        Raises:
            BadInput: it is synchronous.
        """
        if call_order(call).request_type is RequestType.SYNCHRONOUS:
            raise BadInput("request_type: whoever waits for the result asks mailq itself, without an outbox", field=_REQUEST_TYPE)
        handle = _handle()
        row = Row(handle, 0, Kind.CALL, State.WAITING, json.dumps(calls.document(calls.named(call, handle))))
        into = writing(self._connection)
        with into.undoing([handle]):
            into.add([row])
        code = None if call.conversation_id is None else call.sequence_code or 1
        return CallAccepted(None, True, SPOOLED, call.conversation_id, code)

    def call_state(self, request_id: str) -> CallState:
        """Ask mailq."""
        refuse()

    def call_results(self, request_id: str) -> list[CallResult]:
        """Ask mailq."""
        refuse()

    def cancel_call(self, request_id: str) -> CallState:
        """Ask mailq."""
        refuse()

    def conversation(self, conversation_id: str) -> ConversationState:
        """Ask mailq."""
        refuse()

    def conversation_results(self, conversation_id: str) -> Iterator[CallResult]:
        """Ask mailq."""
        refuse()

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
        self, kind: Kind, mailing: Mailing | ReadyMailing, lines: Iterable[bytes], content: Content | ReadyMade
    ) -> Submitted:
        handle, num_parts, taken = _handle(), 0, _Taken()
        into = writing(self._connection)
        with into.undoing([handle]):
            for chunk in cut(taken.noted(lines), ROW):
                if not num_parts:
                    require_names(content, frozenset(taken.names), "its recipients")
                into.add([Row(handle, num_parts, Kind.RECIPIENTS, State.PART, chunk.lines.decode("ascii"))])
                num_parts += 1
            if not num_parts:
                raise BadInput("the mailing has no recipients", field="recipients")
            into.add([_head(handle, num_parts, kind, plain(mailing))])
        return Submitted(handle, True, taken.num_profiles, taken.num_skipped)


class _Taken:
    """What is known of recipients that have gone by, and will be found again when their lines are read."""

    def __init__(self) -> None:
        self.num_profiles = 0
        self.num_skipped = 0
        self.names: set[str] = set()

    def noted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Lines as they go by."""
        for line in lines:
            self.num_profiles += 1
            try:
                recipient = parse(line.decode("ascii"))
                normalise(recipient["address"])
                self.names.update(recipient)
            except (ValueError, InvalidAddress):
                self.num_skipped += 1
            yield line


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


def refuse() -> NoReturn:
    """Say that this door leads one way.

    Raises:
        Conflict: always.
    """
    raise Conflict(
        "an outbox only takes messages, mailings and calls; what became of them can be asked of mailq, through another door"
    )
