"""The door with a spool behind it for asynchronous producers: `SpoolingDoor`, awaited. Files are written in threads."""

import asyncio
from collections.abc import AsyncIterable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from mailq.client import calls, spooling
from mailq.client.call_values import Call, CallAccepted
from mailq.client.doors import GivenRecipient
from mailq.client.http import AsyncHttpDoor, HttpDoor
from mailq.client.http.patience import Patience
from mailq.client.http.requests import made_up_key
from mailq.client.spool import Spool
from mailq.client.values import Accepted, Drained, Email, Mailing, Message, Submitted
from mailq.errors import Unavailable


class AsyncSpoolingDoor(AsyncHttpDoor):
    """Everything is as `SpoolingDoor` says."""

    def __init__(self, url: str, *, key: str | None, spool: Spool, patience: Patience | None = None) -> None:
        super().__init__(url, key=key, patience=patience)
        self._direct = partial(HttpDoor, url, key=key, patience=patience)
        self._spool = spool

    async def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient] | AsyncIterable[GivenRecipient]) -> Submitted:
        """See `SpoolingDoor`."""
        if isinstance(recipients, AsyncIterable) or not spooling.comes_again(recipients):
            return await super().submit(mailing, recipients)
        keyed, again = spooling.keyed(mailing), recipients
        try:
            with self._spool.asking():
                return spooling.ours(await super().submit(keyed, recipients), mailing)
        except Unavailable as error:
            because = error
        return await asyncio.to_thread(self._spool.take, lambda door: spooling.submit(door, keyed, again), because=because)

    async def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `SpoolingDoor`."""
        keyed = [spooling.keyed(each) for each in messages]
        taken: list[Accepted] = []
        try:
            with self._spool.asking():
                for asked, one in zip(messages, keyed, strict=True):
                    taken += [spooling.ours(each, asked) for each in await super().send([one])]
        except Unavailable as error:
            because = error
        else:
            return taken
        rest = keyed[len(taken) :]
        return taken + await asyncio.to_thread(self._spool.take, lambda door: spooling.send(door, rest), because=because)

    async def call(self, call: Call) -> CallAccepted:
        """See `SpoolingDoor`."""
        if call.request_type == "synchronous":
            return await super().call(call)
        named = calls.named(call, made_up_key())
        try:
            with self._spool.asking():
                accepted = await super().call(named)
        except Unavailable as error:
            because = error
        else:
            return accepted if calls.is_named(call) else replace(accepted, created=True)
        return await asyncio.to_thread(self._spool.take, lambda door: door.call(named), because=because)

    async def drain(self) -> Drained:
        """See `SpoolingDoor`."""
        return await asyncio.to_thread(self._drain)

    def _drain(self) -> Drained:
        with closing(self._direct()) as direct:
            return self._spool.drain(direct)
