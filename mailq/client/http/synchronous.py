"""The HTTP door: requests go out over a pool of connections that threads may share."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import httpx2

from mailq.client import calls
from mailq.client.call_values import Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.cutting import Chunk, cut
from mailq.client.doors import GivenRecipient
from mailq.client.http import answers, connection, exchanges, requests
from mailq.client.http.address import parse_address, require_key
from mailq.client.http.answers import Again, Document, Each, Paging, Value
from mailq.client.http.connection import Body, OfThisProcess
from mailq.client.http.exchanges import NEXT, UPLOAD, Exchange, Result
from mailq.client.http.patience import Patience
from mailq.client.http.requests import Request
from mailq.client.lines import email_line, recipient_lines
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Submitted


class HttpDoor:
    """mailq behind its HTTP API.

    Args:
        url: `https://host/prefix`.
        key: the API key.
        patience: how long to try again while the API is away or busy.

    Raises:
        Misconfigured: the address or the key is none.
    """

    def __init__(self, url: str, *, key: str | None, patience: Patience | None = None) -> None:
        self._address = parse_address(url)
        patience = patience or Patience()
        self._again, self._wait = patience.caller(), patience.wait
        options = connection.options(self._address, require_key(key))
        self._client = OfThisProcess(lambda: httpx2.Client(**options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.base!r})"

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        """See `Door`. The mailing is made, filled chunk by chunk, and started: it is sent whole or not at all."""
        return self._carry(exchanges.submit(mailing), cut(recipient_lines(recipients), UPLOAD))

    def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """See `Door`."""
        return self._carry(exchanges.submit(mailing), cut(map(email_line, emails), UPLOAD))

    def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `Door`; but several go one after the other: an error leaves those before it taken."""
        asked = [(requests.send(each), each.key is None) for each in messages]
        return [self._accepted(self._ask(request), made_up) for request, made_up in asked]

    def call(self, call: Call) -> CallAccepted:
        """See `Door`."""
        made_up = not calls.is_named(call)
        document = self._ask(requests.call(call))
        return self._value(document, lambda said: answers.call_accepted(said, nobody_elses=made_up))

    def call_state(self, request_id: str) -> CallState:
        """See `Door`."""
        return self._value(self._ask(requests.call_state(request_id)), answers.call_state)

    def call_results(self, request_id: str) -> list[CallResult]:
        """See `Door`."""
        return self._value(self._ask(requests.call_state(request_id)), answers.call_results)

    def cancel_call(self, request_id: str) -> CallState:
        """See `Door`."""
        return self._value(self._ask(requests.cancel_call(request_id)), answers.call_state)

    def conversation(self, conversation_id: str) -> ConversationState:
        """See `Door`."""
        return self._value(self._ask(requests.conversation(conversation_id)), answers.conversation)

    def conversation_results(self, conversation_id: str) -> Iterator[CallResult]:
        """See `Door`."""
        return self._pages(lambda cursor: requests.conversation_results(conversation_id, cursor), answers.results_page)

    def pause(self, reference: str) -> Progress:
        """See `Door`."""
        return self._progress(requests.steer(reference, "pause"))

    def resume(self, reference: str) -> Progress:
        """See `Door`."""
        return self._progress(requests.steer(reference, "resume"))

    def cancel(self, reference: str) -> Progress:
        """See `Door`."""
        return self._progress(requests.steer(reference, "cancel"))

    def progress(self, reference: str) -> Progress:
        """See `Door`."""
        return self._progress(requests.progress(reference))

    def deliveries(self, reference: str, state: str | None = None) -> Iterator[Delivery]:
        """See `Door`."""
        return self._pages(lambda cursor: requests.deliveries(reference, state, cursor), answers.page)

    def history(self, address: str) -> list[Delivery]:
        """See `Door`."""
        return list(self._pages(lambda cursor: requests.history(address, cursor), answers.page))

    def message(self, message_id: str) -> Delivery:
        """See `Door`."""
        return self._value(self._ask(requests.message(message_id)), answers.delivery)

    def close(self) -> None:
        """Close the connections."""
        self._client().close()

    def _value(self, document: Document, make: Callable[[Document], Value]) -> Value:
        return answers.value(document, make, base=self._address.base)

    def _accepted(self, document: Document, made_up: bool) -> Accepted:
        return self._value(document, lambda said: answers.accepted(said, nobody_elses=made_up))

    def _pages(self, asking: Callable[[str | None], Request], read: Paging[Each]) -> Iterator[Each]:
        cursor: str | None = None
        while True:
            found, cursor = read(self._ask(asking(cursor)), base=self._address.base)
            yield from found
            if cursor is None:
                return

    def _progress(self, request: Request) -> Progress:
        return self._value(self._ask(request), answers.progress)

    def _carry(self, exchange: Exchange[Result], chunks: Iterator[Chunk]) -> Result:
        said: Document | Chunk | None = None
        while True:
            try:
                wanted = exchange.send(said)
            except StopIteration as end:
                result: Result = end.value
                return result
            said = next(chunks, None) if wanted is NEXT else self._ask(wanted)

    def _ask(self, request: Request) -> Document:
        try:
            return self._again(self._wait, self._once, request)
        except Again as again:
            raise again.error from None

    def _once(self, request: Request) -> Document:
        body = Body(self._address)
        try:
            with self._client().stream(**connection.spelt(self._address, request)) as response:
                for piece in response.iter_bytes():
                    body.add(piece)
        except connection.FAILURES as error:
            raise connection.failure(self._address, error) from None
        return connection.understood(self._address, request, response, body)
