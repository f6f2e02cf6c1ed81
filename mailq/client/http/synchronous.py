"""The HTTP door: requests go out over a pool of connections that threads may share."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import httpx2

from mailq.client.cutting import Chunk, cut
from mailq.client.doors import GivenRecipient
from mailq.client.http import answers, connection, exchanges, requests
from mailq.client.http.address import parse_address, require_key
from mailq.client.http.answers import Again, Document
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
        return self._pages(lambda cursor: requests.deliveries(reference, state, cursor))

    def history(self, address: str) -> list[Delivery]:
        """See `Door`."""
        return list(self._pages(lambda cursor: requests.history(address, cursor)))

    def message(self, message_id: str) -> Delivery:
        """See `Door`."""
        return answers.value(self._ask(requests.message(message_id)), answers.delivery, base=self._address.base)

    def close(self) -> None:
        """Close the connections."""
        self._client().close()

    def _accepted(self, document: Document, made_up: bool) -> Accepted:
        return answers.value(document, lambda said: answers.accepted(said, nobody_elses=made_up), base=self._address.base)

    def _pages(self, asking: Callable[[str | None], Request]) -> Iterator[Delivery]:
        cursor: str | None = None
        while True:
            found, cursor = answers.page(self._ask(asking(cursor)), base=self._address.base)
            yield from found
            if cursor is None:
                return

    def _progress(self, request: Request) -> Progress:
        return answers.value(self._ask(request), answers.progress, base=self._address.base)

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
        return connection.understood(self._address, response, body)
