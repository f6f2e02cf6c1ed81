"""The spool of a client: what the API did not answer waits in it, with its key, until it is handed over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from os import PathLike
from typing import TypeVar

from mailq import telemetry
from mailq.client.carrier import Carrier
from mailq.client.doors import Door
from mailq.client.outbox_door import OutboxDoor
from mailq.client.values import Drained
from mailq.clock import Clock
from mailq.errors import Misconfigured, Unavailable
from mailq.store import outbox
from mailq.store.outbox import Head, State
from mailq.store.spool import SpoolFile

log = telemetry.logger(__name__)

REST_S = 30.0
"""So long an API that has just used up somebody's patience is left alone: nobody else waits for it."""

_AT_ONCE = timedelta(0)
_Written = TypeVar("_Written")


class Spool:
    """A file, and whether the API was away just now. Threads and forked children may share it.

    Raises:
        Misconfigured: the file cannot be made.
    """

    def __init__(self, path: str | PathLike[str], *, clock: Clock | None = None) -> None:
        self.file = SpoolFile(path)
        self._clock = clock or Clock()
        self._rests_until = float("-inf")
        try:
            self.file.create()
        except Unavailable as error:
            raise Misconfigured(str(error)) from error

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask the API, unless it has just been away.

        Raises:
            Unavailable: it has.
        """
        if self._clock.monotonic() < self._rests_until:
            raise Unavailable("the API was away just now, and is not asked for a while")
        try:
            yield
        except Unavailable:
            self._rests_until = self._clock.monotonic() + REST_S
            raise

    def take(self, write: Callable[[OutboxDoor], _Written], *, because: Unavailable) -> _Written:
        """Write something; it is on the disk afterwards.

        Args:
            because: why it is not handed over.

        Raises:
            BadInput: something is wrong with it.
            Unavailable: the file cannot be written either.
        """
        try:
            # Again: somebody may have moved it away.
            self.file.create()
            with self.file.begin() as tx:
                return write(OutboxDoor(tx))
        except Unavailable as error:
            raise Unavailable(f"{because}; and {error}") from error

    def drain(self, door: Door) -> Drained:
        """Hand over what it holds, and delete what was taken. See `Carrier`.

        Raises:
            Unavailable: the API is away, or the file cannot be used.
            Misconfigured, NotFound: the API cannot be asked like this.
        """
        carrier = Carrier(self.file, door, now=self._clock.now, told=_tell)
        done = carrier.carry()
        if done.num_done:
            self._rests_until = float("-inf")
        carrier.forget(older_than=_AT_ONCE)
        with self.file.begin() as tx:
            num_waiting = outbox.counts(tx)[State.WAITING]
        return Drained(done.num_done, done.num_refused, num_waiting)


def _tell(head: Head, reason: str) -> None:
    log.warning("spool.refused", id=head.id, kind=str(head.kind), reason=reason)
