"""What the database says of calls, conversations, what they have come to, and the answers about them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Interval, bindparam, text

from mailq.local.proof.doors import books

WAITS_LONGER_THAN = timedelta(seconds=1)


class CallRow(NamedTuple):
    """A call as it stands.

    Attributes:
        name: its key, or its conversation's and its place.
        statuses: of its results, in their order.
    """

    name: str
    public_id: str
    state: str
    ended_at: datetime | None
    scheduled_at: datetime | None
    statuses: Sequence[str]


class ConversationRow(NamedTuple):
    """A conversation as it stands."""

    key: str
    state: str
    num_received: int
    num_run: int
    last_part_at: datetime
    ended_at: datetime | None


class Mail(NamedTuple):
    """A message that a call has made: who gets it, and when it was made among others."""

    address: str
    id: int


class Notified(NamedTuple):
    """An answer that was put down."""

    public_id: str
    address: str
    event: str
    payload: str
    state: str


class Books(NamedTuple):
    """What the database says of a round.

    Attributes:
        subscribers: the number that each of them was given last, by key.
        delivered: deliveries of each address, by state.
    """

    calls: Sequence[CallRow]
    conversations: Mapping[str, ConversationRow]
    mails: Sequence[Mail]
    delivered: Mapping[str, Counter[str]]
    subscribers: Mapping[str, int]
    notified: Sequence[Notified]


_CALLS = text("""
SELECT coalesce(call.key, conversation.key || '-' || sequence_code) AS name, call.public_id, call.state, call.ended_at,
       call.scheduled_at,
       (SELECT coalesce(array_agg(status ORDER BY ordinal), '{}') FROM call_result WHERE call_id = call.id) AS statuses
  FROM call LEFT JOIN conversation ON conversation.id = call.conversation_id
 WHERE coalesce(call.key, conversation.key) LIKE :mine
""")
_CONVERSATIONS = text("""
SELECT key, state, num_received, num_run, last_part_at, ended_at FROM conversation WHERE key LIKE :mine
""")
_MAILS = text("""
SELECT coalesce(inbox.address, delivery.address) AS address, inbox.id
  FROM inbox LEFT JOIN delivery ON delivery.mailing_id = inbox.mailing_id AND delivery.seq = inbox.seq
 WHERE coalesce(inbox.address, delivery.address) LIKE :mine ORDER BY inbox.id
""")
_DELIVERED = text("SELECT address, state, count(*) FROM delivery WHERE address LIKE :mine GROUP BY 1, 2")
_SUBSCRIBERS = text("SELECT customer_key, CAST(attributes ->> 'n' AS integer) FROM subscriber WHERE customer_key LIKE :mine")
_NOTIFIED = text("SELECT public_id, address, event, payload, state FROM notification WHERE address LIKE :at")
_LEFT = text("""
SELECT (SELECT count(*) FROM call WHERE ended_at IS NULL) + (SELECT count(*) FROM conversation WHERE ended_at IS NULL)
     + (SELECT count(*) FROM notification WHERE state = 'pending')
""")
_RUN = text("SELECT count(*) FROM call WHERE state IN ('finished', 'error')")
_TRY = text("""
UPDATE notification SET due_at = clock_timestamp() WHERE state = 'pending' AND due_at > clock_timestamp() + :longer
""").bindparams(bindparam("longer", type_=Interval))


def num_undone(tx: Connection) -> int:
    """Calls and conversations that have not ended, answers that nobody has taken, and mails that are still to be sent."""
    return int(tx.execute(_LEFT).scalar_one()) + books.num_undone(tx)


def num_run(tx: Connection) -> int:
    """Calls that have run."""
    return int(tx.execute(_RUN).scalar_one())


def try_soon(tx: Connection) -> None:
    """Let answers be tried now whose next attempt would be in minutes or hours."""
    tx.execute(_TRY, {"longer": WAITS_LONGER_THAN})


def read(tx: Connection, prefix: str) -> Books:
    """All whose names begin so, as a transaction sees it."""
    mine = {"mine": f"{prefix}%"}
    delivered: dict[str, Counter[str]] = {}
    for address, state, number in tx.execute(_DELIVERED, mine):
        delivered.setdefault(address, Counter())[state] = number
    return Books(
        [CallRow._make(row) for row in tx.execute(_CALLS, mine)],
        {row.key: ConversationRow._make(row) for row in tx.execute(_CONVERSATIONS, mine)},
        [Mail._make(row) for row in tx.execute(_MAILS, mine)],
        delivered,
        {row[0]: row[1] for row in tx.execute(_SUBSCRIBERS, mine)},
        [Notified._make(row) for row in tx.execute(_NOTIFIED, {"at": f"http://%/{prefix}%"})],
    )
