"""The HTTP door for asynchronous producers: `HttpDoor`, awaited."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence

import httpx2

from mailq.client import calls
from mailq.client.call_values import Call, CallAccepted, CallResult, CallState, ConversationState
from mailq.client.cutting import Chunk, cut_async
from mailq.client.doors import GivenRecipient
from mailq.client.http import answers, connection, exchanges, requests
from mailq.client.http.address import parse_address, require_key
from mailq.client.http.answers import Again, Document, Each, Paging, Value
from mailq.client.http.connection import Body, OfThisProcess
from mailq.client.http.exchanges import NEXT, UPLOAD, Exchange, Result
from mailq.client.http.patience import Patience
from mailq.client.http.requests import Request
from mailq.client.lines import email_line, recipient_lines_async
from mailq.client.values import Accepted, Delivery, Email, Mailing, Message, Progress, ReadyMailing, Submitted


class AsyncHttpDoor:
    """mailq behind its HTTP API. Everything is as `HttpDoor` says."""

    def __init__(self, url: str, *, key: str | None, patience: Patience | None = None) -> None:
        self._address = parse_address(url)
        patience = patience or Patience()
        self._again, self._wait = patience.async_caller(), patience.wait
        options = connection.options(self._address, require_key(key))
        self._client = OfThisProcess(lambda: httpx2.AsyncClient(**options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.base!r})"

    async def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient] | AsyncIterable[GivenRecipient]) -> Submitted:
        """See `HttpDoor`."""
        return await self._carry(exchanges.submit(mailing), cut_async(recipient_lines_async(recipients), UPLOAD))

    async def submit_emails(self, mailing: ReadyMailing, emails: Iterable[Email]) -> Submitted:
        """See `HttpDoor`."""
        return await self._carry(exchanges.submit(mailing), cut_async(map(email_line, emails), UPLOAD))

    async def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `HttpDoor`."""
        asked = [(requests.send(each), each.key is None) for each in messages]
        return [self._accepted(await self._ask(request), made_up) for request, made_up in asked]

    async def call(self, call: Call) -> CallAccepted:
        """See `Door`."""
        made_up = not calls.is_named(call)
        document = await self._ask(requests.call(call))
        return self._value(document, lambda said: answers.call_accepted(said, nobody_elses=made_up))

    async def call_state(self, request_id: str) -> CallState:
        """See `Door`."""
        return self._value(await self._ask(requests.call_state(request_id)), answers.call_state)

    async def call_results(self, request_id: str) -> list[CallResult]:
        """See `Door`."""
        return self._value(await self._ask(requests.call_state(request_id)), answers.call_results)

    async def cancel_call(self, request_id: str) -> CallState:
        """See `Door`."""
        return self._value(await self._ask(requests.cancel_call(request_id)), answers.call_state)

    async def conversation(self, conversation_id: str) -> ConversationState:
        """See `Door`."""
        return self._value(await self._ask(requests.conversation(conversation_id)), answers.conversation)

    def conversation_results(self, conversation_id: str) -> AsyncIterator[CallResult]:
        """See `Door`."""
        return self._pages(lambda cursor: requests.conversation_results(conversation_id, cursor), answers.results_page)

    async def pause(self, reference: str) -> Progress:
        """See `Door`."""
        return await self._progress(requests.steer(reference, "pause"))

    async def resume(self, reference: str) -> Progress:
        """See `Door`."""
        return await self._progress(requests.steer(reference, "resume"))

    async def cancel(self, reference: str) -> Progress:
        """See `Door`."""
        return await self._progress(requests.steer(reference, "cancel"))

    async def progress(self, reference: str) -> Progress:
        """See `Door`."""
        return await self._progress(requests.progress(reference))

    def deliveries(self, reference: str, state: str | None = None) -> AsyncIterator[Delivery]:
        """See `Door`."""
        return self._pages(lambda cursor: requests.deliveries(reference, state, cursor), answers.page)

    async def history(self, address: str) -> list[Delivery]:
        """See `Door`."""
        return [each async for each in self._pages(lambda cursor: requests.history(address, cursor), answers.page)]

    async def message(self, message_id: str) -> Delivery:
        """See `Door`."""
        return self._value(await self._ask(requests.message(message_id)), answers.delivery)

    async def close(self) -> None:
        """Close the connections."""
        await self._client().aclose()

    def _value(self, document: Document, make: Callable[[Document], Value]) -> Value:
        return answers.value(document, make, base=self._address.base)

    def _accepted(self, document: Document, made_up: bool) -> Accepted:
        return self._value(document, lambda said: answers.accepted(said, nobody_elses=made_up))

    async def _pages(self, asking: Callable[[str | None], Request], read: Paging[Each]) -> AsyncIterator[Each]:
        cursor: str | None = None
        while True:
            found, cursor = read(await self._ask(asking(cursor)), base=self._address.base)
            for each in found:
                yield each
            if cursor is None:
                return

    async def _progress(self, request: Request) -> Progress:
        return self._value(await self._ask(request), answers.progress)

    async def _carry(self, exchange: Exchange[Result], chunks: AsyncIterator[Chunk]) -> Result:
        said: Document | Chunk | None = None
        while True:
            try:
                wanted = exchange.send(said)
            except StopIteration as end:
                result: Result = end.value
                return result
            said = await anext(chunks, None) if wanted is NEXT else await self._ask(wanted)

    async def _ask(self, request: Request) -> Document:
        try:
            return await self._again(self._wait, self._once, request)
        except Again as again:
            raise again.error from None

    async def _once(self, request: Request) -> Document:
        body = Body(self._address)
        try:
            async with self._client().stream(**connection.spelt(self._address, request)) as response:
                async for piece in response.aiter_bytes():
                    body.add(piece)
        except connection.FAILURES as error:
            raise connection.failure(self._address, error) from None
        return connection.understood(self._address, request, response, body)
