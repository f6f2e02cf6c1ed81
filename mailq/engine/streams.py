"""Streams: what producers have put into the inbox, in whatever order they committed, becomes deliveries with consecutive seqs."""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, chain
from typing import Any

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.ids import public_id
from mailq.core.mailing import Lane, State
from mailq.core.message import TemplateFault, read_content
from mailq.core.stream import cut, end_of_month, name_of
from mailq.engine.aftermath import SKIP_THE_REST
from mailq.store import inbox, mailings, streams
from mailq.store.database import Transactions, moment
from mailq.store.inbox import Name, Waiting
from mailq.store.streams import Load, Stream

log = telemetry.logger(__name__)

MESSAGES_A_STEP = 2000
BYTES_A_STEP = 32_000_000
_UNREADABLE = "messages"


@dataclass(frozen=True, slots=True)
class Moved:
    """What one step did.

    Attributes:
        num: how many messages were moved.
        lanes: to be rung for.
        more: whether messages were left that nobody has locked.
        busy: streams that somebody else has locked: their messages wait for him, and may be left out of the next step.
    """

    num: int = 0
    lanes: frozenset[Lane] = frozenset()
    more: bool = False
    busy: frozenset[Name] = frozenset()


def move(database: Transactions, *, without: Collection[Name] = ()) -> Moved:
    """Give some of the messages that wait their places in their streams, in one transaction. What another leader is just moving is
    left to him; so are the messages of a stream that somebody is just steering.

    Args:
        without: streams that are left alone, so that however many messages they have keep no others waiting.
    """
    with database.begin() as tx:
        waiting = inbox.take(tx, limit=MESSAGES_A_STEP + 1, without=without)
        if not waiting:
            return Moved()
        taken = _not_too_much(waiting)
        now = moment(tx)
        found = _in_streams(tx, taken, now)
        if found:
            _add(tx, found, taken, now)
    num = sum(len(taken[name]) for name in found)
    log.debug("inbox.moved", num=num, streams=len(found))
    lanes = frozenset(Lane(taken[name][0].lane) for name in found)
    return Moved(num, lanes, more=num < len(waiting), busy=frozenset(taken.keys() - found.keys()))


def _add(tx: Connection, found: Mapping[Name, Stream], taken: Mapping[Name, Sequence[Waiting]], now: datetime) -> None:
    numbers = streams.last_numbers(tx, [stream.mailing_id for stream in found.values()])
    loads = (_loads(stream, numbers[stream.mailing_id], taken[name]) for name, stream in found.items())
    streams.add(tx, list(chain.from_iterable(loads)), now=now)


def _not_too_much(waiting: Sequence[Waiting]) -> dict[Name, list[Waiting]]:
    """The first ones, as far as their size allows, by stream and in the order of their acceptance. At least one."""
    grown = accumulate(one.size_bytes for one in waiting)
    fitting = [one for one, total in zip(waiting, grown, strict=True) if total <= BYTES_A_STEP] or waiting[:1]
    by_stream: dict[Name, list[Waiting]] = {}
    for one in fitting[:MESSAGES_A_STEP]:
        by_stream.setdefault(one.name, []).append(one)
    return by_stream


def _in_streams(tx: Connection, taken: Mapping[Name, Sequence[Waiting]], now: datetime) -> dict[Name, Stream]:
    """The streams of these messages, locked: they are opened where there is none, or where somebody has ended it. Those that
    somebody else has locked are missing.
    """
    until = end_of_month(now)
    found = streams.lock(tx, taken, until)
    for name, stream in sorted(found.items()):
        if stream.state in SKIP_THE_REST:
            streams.close(tx, stream.mailing_id)
            del found[name]
        elif stream.state is State.FINISHED:
            mailings.step(tx, stream.mailing_id, State.RUNNING)
    missing = _that_are_not_there(tx, taken.keys() - found.keys(), until)
    for name in missing:
        _open(tx, name, taken[name][0], now, until)
    return found | streams.lock(tx, missing, until) if missing else found


def _that_are_not_there(tx: Connection, names: Collection[Name], until: datetime) -> list[Name]:
    return sorted(set(names) - streams.there(tx, names, until)) if names else []


def _open(tx: Connection, name: Name, first: Waiting, now: datetime, until: datetime) -> None:
    content = inbox.content(tx, first.id)
    made = public_id("mlg", secrets.token_bytes(10))
    streams.make(tx, name, public_id=made, called=_called(content), first=first, content=content, now=now, open_until=until)
    log.info("stream.opened", mailing=made)


def _called(content: Mapping[str, Any]) -> str:
    try:
        return name_of(read_content(content))
    except TemplateFault as fault:
        # Another release may have written it. Its worker says of each delivery what is wrong; others need not wait for that.
        log.warning("stream.unreadable", error=str(fault))
        return _UNREADABLE


def _loads(stream: Stream, number: int, messages: Sequence[Waiting]) -> Iterator[Load]:
    for place, part in enumerate(cut([one.size_bytes for one in messages]), 1):
        yield Load(stream.mailing_id, number + place, stream.num_loaded + 1 + part.start, messages[part])
