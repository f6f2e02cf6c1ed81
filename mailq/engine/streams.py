"""Streams: what producers have put into the inbox, in whatever order they committed, becomes deliveries with consecutive seqs."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, chain

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.ids import public_id
from mailq.core.mailing import Lane, State
from mailq.core.message import read_content
from mailq.core.stream import cut, end_of_month, name_of
from mailq.engine.aftermath import SKIP_THE_REST
from mailq.store import inbox, mailings, streams
from mailq.store.database import Transactions, moment
from mailq.store.inbox import Waiting
from mailq.store.streams import Load, Name, Stream

log = telemetry.logger(__name__)

MESSAGES_A_STEP = 2000
BYTES_A_STEP = 32_000_000


@dataclass(frozen=True, slots=True)
class Moved:
    """How many messages were moved, the lanes to ring for, and whether there were more than one step takes."""

    num: int = 0
    lanes: frozenset[Lane] = frozenset()
    more: bool = False


def move(database: Transactions) -> Moved:
    """Give some of the messages that wait their places in their streams, in one transaction. What another leader is just moving is
    left to him.
    """
    with database.begin() as tx:
        waiting = inbox.take(tx, limit=MESSAGES_A_STEP + 1)
        if not waiting:
            return Moved()
        taken = _not_too_much(waiting)
        now = moment(tx)
        found = _in_streams(tx, taken, now)
        numbers = streams.last_numbers(tx, [stream.mailing_id for stream in found.values()])
        loads = (_loads(stream, numbers[stream.mailing_id], taken[name]) for name, stream in found.items())
        streams.add(tx, list(chain.from_iterable(loads)), now=now)
    num = sum(map(len, taken.values()))
    log.debug("inbox.moved", num=num, streams=len(taken))
    return Moved(num, frozenset(Lane(taken[name][0].lane) for name in found), more=num < len(waiting))


def _not_too_much(waiting: Sequence[Waiting]) -> dict[Name, list[Waiting]]:
    """The first ones, as far as their size allows, by stream and in the order of their acceptance. At least one."""
    grown = accumulate(one.size_bytes for one in waiting)
    fitting = [one for one, total in zip(waiting, grown, strict=True) if total <= BYTES_A_STEP] or waiting[:1]
    by_stream: dict[Name, list[Waiting]] = {}
    for one in fitting[:MESSAGES_A_STEP]:
        by_stream.setdefault(Name(one.organization_id, one.stream), []).append(one)
    return by_stream


def _in_streams(tx: Connection, taken: Mapping[Name, Sequence[Waiting]], now: datetime) -> dict[Name, Stream]:
    """The streams of these messages, locked: they are opened where there is none, or where somebody has ended it."""
    until = end_of_month(now)
    found = streams.lock(tx, taken, until)
    for name, stream in sorted(found.items()):
        if stream.state in SKIP_THE_REST:
            streams.close(tx, stream.mailing_id)
            del found[name]
        elif stream.state is State.FINISHED:
            mailings.step(tx, stream.mailing_id, State.RUNNING)
    missing = sorted(taken.keys() - found.keys())
    for name in missing:
        _open(tx, name, taken[name][0], now, until)
    return found | streams.lock(tx, missing, until) if missing else found


def _open(tx: Connection, name: Name, first: Waiting, now: datetime, until: datetime) -> None:
    content = inbox.content(tx, first.id)
    called = name_of(read_content(content))
    made = public_id("mlg", secrets.token_bytes(10))
    streams.make(tx, name, public_id=made, called=called, first=first, content=content, now=now, open_until=until)
    log.info("stream.opened", mailing=made)


def _loads(stream: Stream, number: int, messages: Sequence[Waiting]) -> Iterator[Load]:
    for place, part in enumerate(cut([one.size_bytes for one in messages]), 1):
        yield Load(stream.mailing_id, number + place, stream.num_loaded + 1 + part.start, messages[part])
