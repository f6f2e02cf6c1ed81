"""The door over HTTP with a spool behind it: what the API does not answer is kept, and handed over later."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailq.client import calls, spooling
from mailq.client.call_values import Call, CallAccepted
from mailq.client.doors import GivenRecipient
from mailq.client.http import HttpDoor
from mailq.client.http.patience import Patience
from mailq.client.http.requests import made_up_key
from mailq.client.spool import Spool
from mailq.client.values import Accepted, Drained, Email, Mailing, Message, Submitted
from mailq.errors import Unavailable


class SpoolingDoor(HttpDoor):
    """See `HttpDoor`. What asks for an answer (synchronous calls, states, steering) is not kept."""

    def __init__(self, url: str, *, key: str | None, spool: Spool, patience: Patience | None = None) -> None:
        super().__init__(url, key=key, patience=patience)
        self._direct = HttpDoor(url, key=key, patience=patience)
        self._spool = spool

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        """See `HttpDoor`. Kept are mailings whose recipients can be read again: of a list, not of a generator."""
        if not spooling.comes_again(recipients):
            return super().submit(mailing, recipients)
        keyed = spooling.keyed(mailing)
        try:
            with self._spool.asking():
                return spooling.ours(super().submit(keyed, recipients), mailing)
        except Unavailable as error:
            return self._spool.take(lambda door: spooling.submit(door, keyed, recipients), because=error)

    def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        """See `HttpDoor`. Those that were not taken are kept, all of them."""
        keyed = [spooling.keyed(each) for each in messages]
        taken: list[Accepted] = []
        try:
            with self._spool.asking():
                for asked, one in zip(messages, keyed, strict=True):
                    taken += [spooling.ours(each, asked) for each in super().send([one])]
        except Unavailable as error:
            rest = keyed[len(taken) :]
            taken += self._spool.take(lambda door: spooling.send(door, rest), because=error)
        return taken

    def call(self, call: Call) -> CallAccepted:
        """See `HttpDoor`."""
        if call.request_type == "synchronous":
            return super().call(call)
        named = calls.named(call, made_up_key())
        try:
            with self._spool.asking():
                accepted = super().call(named)
        except Unavailable as error:
            return self._spool.take(lambda door: door.call(named), because=error)
        return accepted if calls.is_named(call) else replace(accepted, created=True)

    def drain(self) -> Drained:
        """Hand over what was kept."""
        return self._spool.drain(self._direct)

    def close(self) -> None:
        """Close the connections."""
        self._direct.close()
        super().close()
