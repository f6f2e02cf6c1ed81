"""The door over PostgreSQL: mailq's tables, within transactions that are the producer's or our own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from mailq.client import postgres_calls
from mailq.client.call_orders import call_order
from mailq.client.call_values import Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.doors import GivenRecipient
from mailq.client.orders import mailing_order, message_order
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Recipient, Submitted
from mailq.core.delivery import State
from mailq.engine import enqueueing, steering
from mailq.engine import messages as accepting
from mailq.engine.message_orders import MessageOrder
from mailq.errors import BadInput, Conflict
from mailq.store import exports, mailings, organizations, waking
from mailq.store.database import Transactions
from mailq.store.mailings import Summary

_PAGE = 1000
_Told = TypeVar("_Told")


class PostgresDoor:
    """See `Door`.

    Args:
        transactions: each call is one of them.
        organization: by its name.
        alone: whether nobody else can use the connections of these transactions, a producer's generator of recipients for one.
        close: what to do at the end.
    """

    def __init__(
        self, transactions: Transactions, organization: str, *, alone: bool = False, close: Callable[[], None] | None = None
    ) -> None:
        self._transactions = transactions
        self._organization = organization
        self._alone = alone
        self._close = close

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        """See `Door`."""
        return self._enqueue(mailing, recipients, ahead=self._alone or enqueueing.runs_no_code(recipients))

    def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """See `Door`."""
        return self._enqueue(mailing, map(_recipient, emails), ahead=self._alone)

    def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `Door`."""
        orders = [_ordered(place, message, of=len(messages)) for place, message in enumerate(messages, start=1)]
        with self._transactions.begin() as tx:
            answers = accepting.accept(tx, organizations.id_of(tx, self._organization), orders)
            for answer in answers:
                if isinstance(answer, Conflict):
                    raise answer
        return [Accepted(answer.public_id, answer.created) for answer in answers if not isinstance(answer, Conflict)]

    def call(self, call: Call) -> CallAccepted:
        """See `Door`."""
        answer = self._asked(postgres_calls.take, call_order(call))
        # Behind the commit: a part that is late has ended its conversation.
        if not isinstance(answer, CallAccepted):
            raise answer
        return answer

    def call_state(self, request_id: str) -> CallState:
        """See `Door`."""
        return self._asked(postgres_calls.state, request_id)

    def call_results(self, request_id: str) -> list[CallResult]:
        """See `Door`."""
        return self._asked(postgres_calls.results, request_id)

    def cancel_call(self, request_id: str) -> CallState:
        """See `Door`."""
        return self._asked(postgres_calls.cancel, request_id)

    def conversation(self, conversation_id: str) -> ConversationState:
        """See `Door`."""
        return self._asked(postgres_calls.conversation, conversation_id)

    def conversation_results(self, conversation_id: str) -> Iterator[CallResult]:
        """See `Door`."""
        page = self.results_page(conversation_id)
        while page:
            yield from page
            page = self.results_page(conversation_id, after=postgres_calls.place(page[-1]))

    def results_page(self, conversation_id: str, *, after: tuple[int, int] = (0, 0)) -> list[CallResult]:
        """The next results of a conversation behind a place; none at the end.

        Raises:
            NotFound: there is no such conversation.
        """
        return self._asked(partial(postgres_calls.conversation_results, after=after, limit=_PAGE), conversation_id)

    def pause(self, reference: str) -> Progress:
        """See `Door`."""
        return self._steered(steering.pause, reference)

    def resume(self, reference: str) -> Progress:
        """See `Door`."""
        return self._steered(steering.resume, reference)

    def cancel(self, reference: str) -> Progress:
        """See `Door`."""
        return self._steered(partial(steering.cancel, at_once=0), reference)

    def progress(self, reference: str) -> Progress:
        """See `Door`."""
        with self._transactions.begin() as tx:
            mine = organizations.id_of(tx, self._organization)
            return _progress(mailings.summary(tx, mailings.find(tx, reference, organization_id=mine).id))

    def deliveries(self, reference: str, state: str | None = None) -> Iterator[Delivery]:
        """See `Door`."""
        page = self.page(reference, state)
        while page:
            yield from page
            page = self.page(reference, state, after=page[-1].seq or 0)

    def page(self, reference: str, state: str | None = None, *, after: int = 0) -> list[Delivery]:
        """The next deliveries behind a seq; none at the end.

        Raises:
            NotFound: there is no such mailing.
            BadInput: there is no such state.
        """
        if state is not None and state not in list(State):
            raise BadInput(f"there is no state `{state}` of a delivery; there are {', '.join(State)}", field="state")
        with self._transactions.begin() as tx:
            found = mailings.find(tx, reference, organization_id=organizations.id_of(tx, self._organization))
            rows = exports.page(tx, found.id, after=after, limit=_PAGE, state=state)
        return [_delivery(row, found.public_id) for row in rows]

    def history(self, address: str) -> list[Delivery]:
        """See `Door`."""
        with self._transactions.begin() as tx:
            contacts = exports.history(tx, address, organization_id=organizations.id_of(tx, self._organization))
        return [_delivery(contact, contact.mailing) for contact in contacts]

    def message(self, message_id: str) -> Delivery:
        """See `Door`."""
        with self._transactions.begin() as tx:
            found = accepting.find(tx, organizations.id_of(tx, self._organization), message_id)
        return _delivery(found, found.mailing, message=found.public_id)

    def close(self) -> None:
        """See `Door`."""
        if self._close is not None:
            self._close()

    def _asked(self, ask: Callable[[Connection, int, Any], _Told], about: Any) -> _Told:
        with self._transactions.begin() as tx:
            return ask(tx, organizations.id_of(tx, self._organization), about)

    def _enqueue(self, mailing: Mailing | ReadyMailing, recipients: Iterable[Any], *, ahead: bool) -> Submitted:
        order = mailing_order(mailing)
        with self._transactions.begin() as tx:
            mine = organizations.id_of(tx, self._organization)
            made = enqueueing.enqueue(tx, mine, order, recipients, ahead=ahead)
        return Submitted(made.public_id, made.created, made.num_profiles, made.num_skipped)

    def _steered(self, steer: Callable[..., mailings.Mailing], reference: str) -> Progress:
        with self._transactions.begin() as tx:
            mine = organizations.id_of(tx, self._organization)
        found = steer(self._transactions, reference, organization_id=mine)
        with self._transactions.begin() as tx:
            waking.wake(tx)
            return _progress(mailings.summary(tx, found.id))


def _ordered(place: int, message: Message | Email, *, of: int) -> MessageOrder:
    try:
        return message_order(message)
    except BadInput as error:
        if of == 1:
            raise
        raise BadInput(f"message {place}: {error}", field=error.field) from error


def _recipient(email: Email) -> Recipient:
    """A message that is ready as its mailing has it. To an address that is none it is skipped, as in every mailing."""
    try:
        order = message_order(email)
    except BadInput as error:
        if error.field != "to":
            raise
        return Recipient(email.to, {})
    return Recipient(order.address, order.variables)


def _progress(summary: Summary) -> Progress:
    found = summary.mailing
    times = {name: getattr(found, name) for name in ("created_at", "scheduled_at", "started_at", "finished_at", "expires_at")}
    return Progress(found.public_id, found.name, found.key, found.state, **asdict(summary.books), **times)


def _delivery(row: Any, mailing: str | None, *, message: str | None = None) -> Delivery:
    said = {name: getattr(row, name) for name in ("seq", "address", "state", "attempts", "reply", "skip", "doubt", "settled_at")}
    return Delivery(mailing=mailing, message=message, **said)
