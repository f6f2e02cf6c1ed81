"""Answers that calls have asked for: put down with what they tell, lent to whoever sends them, and settled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, any_, delete, func, select, text, update

from mailq.core.call import Event
from mailq.core.notification import Change, State
from mailq.store import maintenance, waking
from mailq.store.call_tables import call, conversation, notification
from mailq.store.database import db_now_once


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer to be put down; see the columns of `notification`.

    Attributes:
        payload: what is posted; None of an e-mail that has become a message.
        reply: why it is in error from the beginning.
    """

    public_id: str
    organization_id: int
    call_id: int | None
    conversation_id: int | None
    event: Event
    address: str
    host: str
    payload: str | None = None
    message_id: str | None = None
    reply: str | None = None

    @property
    def state(self) -> State:
        """What it begins as."""
        if self.reply is not None:
            return State.ERROR
        return State.PENDING if self.message_id is None else State.SENT


class Lent(NamedTuple):
    """An answer that is ours to send until `due_at`; then it is anybody's again.

    Attributes:
        attempts: that came before.
    """

    id: int
    public_id: str
    organization_id: int
    host: str
    address: str
    payload: str
    attempts: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """How many answers there is room for, and in which part of the hosts.

    Attributes:
        each: for one host.
        under_way: how many of each host are being sent.
        apart: hosts that have room of their own; `wanted` says whether this is theirs.
    """

    most: int
    each: int
    under_way: Mapping[str, int]
    apart: Sequence[str] = ()
    wanted: bool = False


class Settled(NamedTuple):
    """What an attempt has made of an answer that was lent."""

    lent: Lent
    change: Change


class Found(NamedTuple):
    """An answer as it stands.

    Attributes:
        notification_id: of a webhook its `webhook-id`.
        message_id: of an e-mail the message that it is.
    """

    notification_id: str
    event: str
    address: str
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime | None
    settled_at: datetime | None
    reply: str | None
    message_id: str | None


# Two parts that want the same told of their conversation are answered once.
_ADD = text(f"""
WITH added AS (
INSERT INTO notification (public_id, organization_id, call_id, conversation_id, event, address, host, payload, message_id, state,
                          due_at, settled_at, reply)
SELECT public_id, organization_id, call_id, conversation_id, event, address, host, payload, message_id, state,
       CASE WHEN state = 'pending' THEN clock_timestamp() END, CASE WHEN state <> 'pending' THEN clock_timestamp() END, reply
  FROM unnest(CAST(:public_id AS text[]), CAST(:organization_id AS bigint[]), CAST(:call_id AS bigint[]),
              CAST(:conversation_id AS bigint[]), CAST(:event AS text[]), CAST(:address AS text[]), CAST(:host AS text[]),
              CAST(:payload AS text[]), CAST(:message_id AS text[]), CAST(:state AS text[]), CAST(:reply AS text[]))
       AS one (public_id, organization_id, call_id, conversation_id, event, address, host, payload, message_id, state, reply)
ON CONFLICT DO NOTHING
RETURNING state)
SELECT pg_notify('{waking.CHANNEL}', '{waking.News.NOTIFICATIONS}') FROM (SELECT FROM added WHERE state = 'pending' LIMIT 1) AS due
""")  # noqa: S608 - made of our own words

_COLUMNS = (*Entry.__slots__, "state")


def add(tx: Connection, entries: Sequence[Entry]) -> None:
    """Put answers down; those that are to be posted are due at once, and the leader is woken for them when this commits."""
    if entries:
        tx.execute(_ADD, {name: [getattr(entry, name) for entry in entries] for name in _COLUMNS})


# From host to host along the index, and a few of each, however many wait for one that does not answer. Nothing is lent while nothing
# is to be processed, nor from a database that has forgotten: what it would send may have been sent. Where two lend at once, the second
# one finds that the row is no longer due.
_LEND = text(f"""
WITH RECURSIVE hosts AS (
     (SELECT host FROM notification WHERE state = 'pending' ORDER BY host LIMIT 1)
     UNION ALL
     SELECT (SELECT one.host FROM notification AS one WHERE one.state = 'pending' AND one.host > hosts.host ORDER BY one.host LIMIT 1)
       FROM hosts WHERE hosts.host IS NOT NULL),
due AS (
     SELECT one.id
       FROM hosts
       LEFT JOIN unnest(CAST(:busy AS text[]), CAST(:num AS integer[])) AS under_way (host, num) ON under_way.host = hosts.host
      CROSS JOIN LATERAL (
            SELECT id, due_at FROM notification
             WHERE state = 'pending' AND host = hosts.host AND due_at <= coalesce(CAST(:now AS timestamptz), statement_timestamp())
             ORDER BY due_at, id LIMIT greatest(:each - coalesce(under_way.num, 0), 0)) AS one
      WHERE (hosts.host = ANY(CAST(:apart AS text[]))) = :wanted
      ORDER BY one.due_at, one.id LIMIT :most)
UPDATE notification SET due_at = clock_timestamp() + :lease
 WHERE id = ANY(ARRAY(SELECT id FROM due)) AND state = 'pending' AND due_at <= coalesce(CAST(:now AS timestamptz), statement_timestamp())
   AND (SELECT behind_since FROM installation) IS NULL AND {maintenance.NONE}
RETURNING {", ".join(Lent._fields)}
""")  # noqa: S608


def lend(tx: Connection, room: Room, *, lease: timedelta, now: datetime | None = None) -> list[Lent]:
    """Take answers that are due. Whoever goes without settling them has lent them until the lease ends; then they are due again."""
    values = {
        "now": now,
        "most": room.most,
        "each": room.each,
        "busy": list(room.under_way),
        "num": list(room.under_way.values()),
        "apart": list(room.apart),
        "wanted": room.wanted,
        "lease": lease,
    }
    return [Lent._make(row) for row in tx.execute(_LEND, values)]


# What has been taken is sent, whoever may have lent it since; of the other ends the last lender's counts.
_SETTLE = text("""
UPDATE notification
   SET state = one.state, attempts = least(attempts + 1, 32000), reply = one.reply,
       due_at = CASE WHEN one.state = 'pending' THEN clock_timestamp() + one.wait END,
       settled_at = CASE WHEN one.state <> 'pending' THEN clock_timestamp() END
  FROM unnest(CAST(:id AS bigint[]), CAST(:lent_until AS timestamptz[]), CAST(:state AS text[]), CAST(:wait AS interval[]),
              CAST(:reply AS text[])) AS one (id, lent_until, state, wait, reply)
 WHERE notification.id = one.id AND notification.state = 'pending'
   AND (notification.due_at = one.lent_until OR one.state = 'sent')
""")


def settle(tx: Connection, settled: Sequence[Settled]) -> int:
    """Write down what attempts have come to; how many of them still counted."""
    if not settled:
        return 0
    in_order = sorted(settled, key=lambda each: each.lent.id)
    values = {
        "id": [each.lent.id for each in in_order],
        "lent_until": [each.lent.due_at for each in in_order],
        "state": [str(each.change.state) for each in in_order],
        "wait": [each.change.wait for each in in_order],
        "reply": [each.change.reply for each in in_order],
    }
    return int(tx.execute(_SETTLE, values).rowcount)


def give_back(tx: Connection, lent: Sequence[Lent]) -> None:
    """Make answers due again whose attempt was broken off."""
    statement = text("""
        UPDATE notification SET due_at = clock_timestamp()
          FROM unnest(CAST(:id AS bigint[]), CAST(:lent_until AS timestamptz[])) AS one (id, lent_until)
         WHERE notification.id = one.id AND notification.state = 'pending' AND notification.due_at = one.lent_until
    """)
    if lent:
        in_order = sorted(lent)
        tx.execute(statement, {"id": [each.id for each in in_order], "lent_until": [each.due_at for each in in_order]})


def wanted(tx: Connection, conversation_id: int) -> list[list[dict[str, Any]]]:
    """What answers the parts of a conversation ask for, in sequence; parts that ask for the same are named once."""
    statement = text("""
        SELECT responses FROM call WHERE conversation_id = :id AND responses <> '[]'
         GROUP BY responses ORDER BY min(sequence_code)
    """)
    return [list(responses) for (responses,) in tx.execute(statement, {"id": conversation_id})]


def of_call(tx: Connection, organization_id: int | None, request_id: str) -> list[Found]:
    """The answers of a call, the first one first.

    Args:
        organization_id: whose; None for an operator, who sees all.
    """
    theirs = and_(*_of(organization_id, call.c.organization_id), call.c.public_id == request_id)
    return _found(tx, notification.c.call_id == select(call.c.id).where(theirs).scalar_subquery())


def of_conversation(tx: Connection, organization_id: int, key: str) -> list[Found]:
    """The answers about a conversation as a whole, the first one first."""
    theirs = and_(conversation.c.organization_id == organization_id, conversation.c.key == key)
    its_own = notification.c.conversation_id == select(conversation.c.id).where(theirs).scalar_subquery()
    return _found(tx, and_(its_own, notification.c.call_id.is_(None)))


def hold(tx: Connection, organization_id: int | None, notification_id: str) -> Found | None:
    """An answer, locked; None if the organization has none of that id.

    Args:
        organization_id: whose; None for an operator, who sees all.
    """
    theirs = and_(*_of(organization_id, notification.c.organization_id), notification.c.public_id == notification_id)
    row = tx.execute(select(*_FOUND).where(theirs).with_for_update()).one_or_none()
    return None if row is None else Found._make(row)


def begin_again(tx: Connection, notification_id: str) -> None:
    """Let an answer be due at once that this transaction has locked, with all attempts before it."""
    again = update(notification).where(notification.c.public_id == notification_id)
    tx.execute(again.values(state=State.PENDING, attempts=0, due_at=func.clock_timestamp(), settled_at=None))


def prune(tx: Connection, keep: timedelta, *, limit: int = 1000, now: datetime | None = None) -> int:
    """Delete answers about conversations, which are kept for ever themselves; those of calls go with their calls."""
    old = and_(notification.c.call_id.is_(None), notification.c.settled_at < db_now_once(now) - keep)
    # As an array, of which the planner expects few.
    some = select(notification.c.id).where(old).order_by(notification.c.settled_at).limit(limit)
    return tx.execute(delete(notification).where(notification.c.id == any_(func.array(some.scalar_subquery())))).rowcount


_FOUND = [notification.c["public_id" if name == "notification_id" else name] for name in Found._fields]


def _of(organization_id: int | None, column: ColumnElement[int]) -> tuple[ColumnElement[bool], ...]:
    return () if organization_id is None else (column == organization_id,)


def _found(tx: Connection, condition: ColumnElement[bool]) -> list[Found]:
    return [Found._make(row) for row in tx.execute(select(*_FOUND).where(condition).order_by(notification.c.id))]
