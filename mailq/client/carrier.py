"""The carrier: takes what an outbox has committed to mailq, and notes what became of it.

What it hands over has keys, so that a carrier which is killed anywhere and started again, or two at once, deliver everything once.
What mailq refuses is kept with the reason, and keeps nobody waiting.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from mailq import telemetry
from mailq.client.call_values import Call
from mailq.client.calls import call_of
from mailq.client.doors import Door
from mailq.client.plain import Said, said
from mailq.client.values import Email, Mailing, Message, ReadyMailing, Recipient
from mailq.core.call import Method
from mailq.engine.calls.kinds import is_guarded
from mailq.errors import BadInput, Conflict, Forbidden, Unavailable
from mailq.store import outbox
from mailq.store.outbox import Head, Kind, State
from mailq.store.outbox_database import OutboxDatabase

log = telemetry.logger(__name__)

MOST_MISSES = 3
"""Heads one after the other that mailq gives no answer for: it is away. A single one may be its own fault, and the next ones go on."""

_HEADS_AT_ONCE = 100
_CHARS_AT_ONCE = 4_000_000
_PARTS_AT_ONCE = 10
_FORGOTTEN_AT_ONCE = 200
_SINGLE = frozenset({Kind.MESSAGE, Kind.EMAIL})


@dataclass(slots=True)
class Round:
    """What one look into the outbox came to: what mailq took of it, what it refused, and what it gave no answer for."""

    num_done: int = 0
    num_refused: int = 0
    num_missed: int = 0


Told = Callable[[Head, str], None]
"""Hears of a head that was refused, and why."""

Moved = Callable[[Round], None]
"""Hears how far a look has come."""


class Carrier:
    """Carries an outbox to a door of mailq.

    Args:
        now: a clock, in UTC.
        told: hears of what is refused.
        moved: hears whenever something was settled.
    """

    def __init__(
        self,
        database: OutboxDatabase,
        door: Door,
        *,
        now: Callable[[], datetime],
        told: Told,
        moved: Moved = lambda _: None,
    ) -> None:
        self._database = database
        self._door = door
        self._now = now
        self._told = told
        self._moved = moved
        self._misses = 0

    def carry(self) -> Round:
        """Hand over all that waits, in the order it was written.

        Raises:
            Unavailable: the outbox or mailq is away; what was not handed over waits.
            Misconfigured, NotFound: mailq cannot be asked like this.
        """
        done, after, self._misses = Round(), 0, 0
        while heads := self._waiting(after):
            for run in _runs(heads):
                if run[0].kind in _SINGLE:
                    self._take_messages(run, done)
                else:
                    self._take_one_by_one(run, done)
            after = heads[-1].id
        return done

    def forget(self, *, older_than: timedelta) -> int:
        """Delete what was done long ago; how many messages and mailings.

        Raises:
            Unavailable: the outbox is away.
        """
        num_forgotten, before = 0, self._now() - older_than
        while True:
            with self._database.begin() as tx:
                some = outbox.forget(tx, before=before, limit=_FORGOTTEN_AT_ONCE)
            num_forgotten += some
            if some < _FORGOTTEN_AT_ONCE:
                return num_forgotten

    def _waiting(self, after: int) -> list[Head]:
        with self._database.begin() as tx:
            return outbox.waiting(tx, after=after, limit=_HEADS_AT_ONCE, most_chars=_CHARS_AT_ONCE)

    def _take_messages(self, heads: Sequence[Head], done: Round) -> None:
        """Together, which is quicker; one by one if one of them is at fault."""
        try:
            accepted = self._door.send([_message(head) for head in heads])
        except (BadInput, Conflict, Unavailable):
            for head in heads:
                self._take(head, self._sent, done)
            return
        with self._database.begin() as tx:
            for head, each in zip(heads, accepted, strict=True):
                done.num_done += outbox.settle(tx, head, State.DONE, at=self._now(), result=each.id)
        self._moved(done)

    def _take_one_by_one(self, heads: Sequence[Head], done: Round) -> None:
        for head in heads:
            self._take(head, self._called if head.kind is Kind.CALL else self._submitted, done)
            self._moved(done)

    def _take(self, head: Head, hand_over: Callable[[Head], str], done: Round) -> None:
        try:
            result = hand_over(head)
        except (BadInput, Conflict) as refusal:
            self._refuse(head, refusal, done)
        except Unavailable as error:
            self._misses += 1
            done.num_missed += 1
            log.warning("outbox.missed", id=head.id, reason=str(error))
            if self._misses >= MOST_MISSES:
                raise
            return
        else:
            with self._database.begin() as tx:
                done.num_done += outbox.settle(tx, head, State.DONE, at=self._now(), result=result)
        self._misses = 0

    def _refuse(self, head: Head, refusal: BadInput | Conflict, done: Round) -> None:
        with self._database.begin() as tx:
            refused = outbox.settle(tx, head, State.REFUSED, at=self._now(), reason=str(refusal))
        done.num_refused += refused
        if refused:
            self._told(head, str(refusal))

    def _sent(self, head: Head) -> str:
        return self._door.send([_message(head)])[0].id

    def _submitted(self, head: Head) -> str:
        if head.kind is Kind.READY_MAILING:
            return self._door.submit_emails(_said(ReadyMailing, head), self._emails(head)).id
        mailing = _said(Mailing, head)
        try:
            return self._door.submit(mailing, self._recipients(head)).id
        except (BadInput, Conflict):
            if mailing.scheduled_at is None or mailing.scheduled_at > self._now():
                raise
            # Its time has come while it waited here, and what is past cannot be ordered: it is sent at once.
            return self._door.submit(replace(mailing, scheduled_at=None), self._recipients(head)).id

    def _called(self, head: Head) -> str:
        call = _call(head)
        try:
            accepted = self._door.call(call)
        except Forbidden as error:
            if not any(is_guarded(Method(call.method), each) for each in call.objects):
                raise
            # Its producer may do everything else, and waits for that.
            raise Conflict(str(error)) from None
        except (BadInput, Conflict):
            if call.scheduled_time is None or call.scheduled_time > self._now():
                raise
            # As of mailings.
            accepted = self._door.call(replace(call, scheduled_time=None))
        return str(accepted.request_id)

    def _recipients(self, head: Head) -> Iterator[Recipient]:
        """The recipients of a mailing; those of a few rows at a time are in memory."""
        for recipient in self._read(head):
            yield Recipient(recipient.pop("address"), recipient)

    def _emails(self, head: Head) -> Iterator[Email]:
        for recipient in self._read(head):
            yield Email(str(recipient["mime"]).encode(), recipient["address"], recipient["sender"])

    def _read(self, head: Head) -> Iterator[dict[str, Any]]:
        with self._database.begin() as tx:
            there = outbox.num_parts(tx, head.handle)
        if there != head.num_parts:
            raise BadInput(f"{there} of {head.num_parts} rows of recipients are there; somebody has deleted the others")
        for first in range(0, head.num_parts, _PARTS_AT_ONCE):
            with self._database.begin() as tx:
                some = outbox.parts(tx, head.handle, first=first, limit=_PARTS_AT_ONCE)
            for part in some:
                yield from map(_object, part.payload.rstrip("\n").split("\n"))


def _runs(heads: Sequence[Head]) -> list[list[Head]]:
    """Messages that follow each other, and others that do."""
    return [list(run) for _, run in groupby(heads, lambda head: head.kind in _SINGLE)]


def _message(head: Head) -> Message | Email:
    if head.kind is Kind.MESSAGE:
        return _said(Message, head)
    email = _said(Email, head)
    return replace(email, message=str(email.message).encode())


def _call(head: Head) -> Call:
    try:
        return call_of(_object(head.payload))
    except (TypeError, ValueError, LookupError) as error:
        raise BadInput(f"the row cannot be read: {error}") from None


def _said(kind: Callable[..., Said], head: Head) -> Said:
    try:
        return said(kind, _object(head.payload))
    except (TypeError, ValueError) as error:
        raise BadInput(f"the row cannot be read: {error}") from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadInput(f"the row cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise BadInput("the row cannot be read: it is no JSON object")
    return found
