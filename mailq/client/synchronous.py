"""The client: one value for all that a producer can ask."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from email.message import EmailMessage
from os import PathLike
from typing import Any, Self

from mailq.client import calls, emails, opening
from mailq.client.call_values import Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.doors import Door, GivenRecipient
from mailq.client.values import (
    Accepted,
    Delivery,
    DoubtPolicy,
    Drained,
    Email,
    Lane,
    Mailing,
    Message,
    Progress,
    ReadyMailing,
    Submitted,
)


class Client:
    """The producer's door to mailq.

    Given a connection or a session of SQLAlchemy, everything happens in its transaction: what is submitted is sent if and when
    the producer commits, and was never there if he rolls back. A refusal of ours leaves his transaction as it was. Neither
    commit, rollback nor close is ever called on what was given, and it must not be used by somebody else during a call.

    Errors are those of `mailq.errors`: `BadInput` names the `field` at fault, `Conflict` says what contradicts what,
    `NotFound`, `Unavailable`. Whoever sees `Unavailable` knows nothing; with a `key` he can do the same again.
    """

    def __init__(
        self,
        door: Any,
        *,
        organization: str = "default",
        schema: str | None = None,
        key: str | None = None,
        spool: str | PathLike[str] | None = None,
    ) -> None:
        """Nothing is connected yet.

        Args:
            door: how to reach mailq. A URL: `postgresql://…` (a connection of our own, a transaction for each call) or `https://…`
                (the HTTP API). Or what has a transaction with the database where mailq's tables are: a connection of psycopg2 or
                psycopg 3, a `Session` or a `Connection` of SQLAlchemy.
            organization: in whose name; over HTTP the key says it.
            schema: where mailq's tables are, if the search path of the connection does not lead there.
            key: the API key, for HTTP.
            spool: a file of the client's own, for `https://…`: what the API does not answer is written there, and told to be `spooled`;
                `drain` hands it over.

        Raises:
            Misconfigured: this is no door, or the spool cannot be made.
        """
        self._spooling = None if spool is None else opening.spooling(door, spool, key=key)
        self._door: Door = self._spooling or opening.door(door, organization=organization, schema=schema, key=key)

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        """Make a mailing with all its recipients. They may come from a generator: a million of them need no memory.

        Recipients who are no addresses are counted and skipped with a reason. With a `key` that is known, the same content and
        recipients are the same mailing.

        Raises:
            BadInput: something of the mailing, or the shape of a recipient, is at fault.
            Conflict: the key belongs to another content or other recipients.
        """
        return self._door.submit(mailing, recipients)

    def submit_emails(
        self,
        messages: Iterable[EmailMessage | Email],
        *,
        name: str,
        key: str | None = None,
        lane: Lane = "normal",
        doubt_policy: DoubtPolicy = "hold",
        scheduled_at: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> Submitted:
        """Make one mailing of messages that are ready; each goes to everybody it is addressed to.

        Raises:
            BadInput: a message has no recipient, sender or content that could be sent.
            Conflict: the key belongs to another mailing.
        """
        mailing = ReadyMailing(name, key, lane, doubt_policy, scheduled_at, expires_at)
        return self._door.submit_emails(mailing, emails.each_addressed(messages))

    def send(self, message: Message) -> Accepted:
        """Send one message to one recipient, now.

        Raises:
            BadInput: a field of the message is at fault.
            Conflict: the key belongs to another message.
        """
        return self._door.send(emails.require_messages([message]))[0]

    def send_all(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """Send several messages, all of them or none; the answers in their order.

        Raises:
            BadInput, Conflict: as `send`; nothing was taken.
        """
        return self._door.send(emails.require_messages(messages)) if messages else []

    def send_email(
        self,
        message: EmailMessage,
        *,
        to: str | Sequence[str] | None = None,
        sender: str | None = None,
        key: str | None = None,
        lane: Lane = "transactional",
        doubt_policy: DoubtPolicy = "hold",
    ) -> list[Accepted]:
        """Send a message that is ready, with attachments and whatever else it has: now, and to each recipient on his own.

        Args:
            to: who gets it; else To, Cc and Bcc say it. Nobody sees the Bcc.
            sender: the envelope sender; else Sender or From says it.
            key: with several recipients each has his own, made of it and his place.

        Raises:
            BadInput: there is no recipient or sender, or one that mail cannot be sent to.
            Conflict: the key belongs to another message.
        """
        return self.send_all(emails.addressed(message, to=to, sender=sender, key=key, lane=lane, doubt_policy=doubt_policy))

    def call(self, call: Call) -> CallAccepted:
        """Hand over a call: it is taken at once and run soon, once. A synchronous one is run first, and answered with its results.

        Raises:
            BadInput: `field` is a JSON pointer to what is at fault, such as `/objects/1/type`.
            Conflict: its key or its place belongs to another call, or its conversation has ended.
            Unavailable: a synchronous call in maintenance; send it asynchronous.
        """
        return self._door.call(calls.require_call(call))

    def call_state(self, request_id: str) -> CallState:
        """How a call stands.

        Raises:
            NotFound: there is no such call, or it has been deleted.
        """
        return self._door.call_state(request_id)

    def call_results(self, request_id: str) -> list[CallResult]:
        """What became of the objects of a call, in their order; none as long as it has not run.

        Raises:
            NotFound: as `call_state`.
        """
        return self._door.call_results(request_id)

    def cancel_call(self, request_id: str) -> CallState:
        """Take back a call that has not run.

        Raises:
            NotFound: as `call_state`.
            Conflict: it has run, or is a part of a conversation.
        """
        return self._door.cancel_call(request_id)

    def conversation(self, conversation_id: str) -> ConversationState:
        """How a conversation stands.

        Raises:
            NotFound: its id has never been used.
        """
        return self._door.conversation(conversation_id)

    def conversation_results(self, conversation_id: str) -> Iterator[CallResult]:
        """The results of all parts of a conversation that have run, in sequence. Read as you go on.

        Raises:
            NotFound: its id has never been used.
        """
        return self._door.conversation_results(conversation_id)

    def drain(self) -> Drained:
        """Hand over what the spool holds, in its order: everything once, however often this is killed or begun again.

        Raises:
            Unavailable: the API is still away, or the file cannot be read; what was not handed over waits.
            Misconfigured: this client has no spool.
        """
        return opening.required(self._spooling).drain()

    def pause(self, reference: str) -> Progress:
        """Stop sending a mailing for now. Like all that takes a `reference`, by its id or its key.

        Raises:
            NotFound: there is no such mailing.
            Conflict: it is not running.
        """
        return self._door.pause(reference)

    def resume(self, reference: str) -> Progress:
        """Go on with a paused mailing.

        Raises:
            NotFound: there is no such mailing.
            Conflict: it is not paused.
        """
        return self._door.resume(reference)

    def cancel(self, reference: str) -> Progress:
        """End a mailing for good: what has not begun is skipped.

        Raises:
            NotFound: there is no such mailing.
            Conflict: it is finished or expired.
        """
        return self._door.cancel(reference)

    def progress(self, reference: str) -> Progress:
        """How far a mailing is.

        Raises:
            NotFound: there is no such mailing.
        """
        return self._door.progress(reference)

    def deliveries(self, reference: str, state: str | None = None) -> Iterator[Delivery]:
        """What became of every recipient of a mailing, in their order; of those in one state, if it is named. Read as you go on.

        Raises:
            NotFound: there is no such mailing.
        """
        return self._door.deliveries(reference, state)

    def history(self, address: str) -> list[Delivery]:
        """Every mail an address got or did not get, the newest first."""
        return self._door.history(address)

    def message(self, message_id: str) -> Delivery:
        """What became of a single message.

        Raises:
            NotFound: there is none of this id.
        """
        return self._door.message(message_id)

    def close(self) -> None:
        """Close the connections the client has made itself."""
        self._door.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
