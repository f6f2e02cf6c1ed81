"""Single messages between their producer's commit and their place in a stream, and found again by their public id ever after."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, select, text

from mailq.core.mailing import Lane
from mailq.core.suppression import stopping
from mailq.store import maintenance
from mailq.store.address_keys import key_of
from mailq.store.tables import inbox


@dataclass(frozen=True, slots=True)
class Entry:
    """A message to be put down; see the columns of `inbox`. Content and variables are JSON."""

    public_id: str
    key: str | None
    digest: str
    stream: str
    lane: str
    doubt_policy: str
    content: str
    address: str
    variables: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Known:
    """A message that has been put down, and what its producer said."""

    public_id: str
    digest: str


class Name(NamedTuple):
    """What the messages of one stream share."""

    organization_id: int
    digest: str


class Waiting(NamedTuple):
    """A message without a place, whose row this transaction has locked.

    Attributes:
        suppressed: why its address gets no mail of its lane.
    """

    id: int
    organization_id: int
    stream: str
    lane: str
    doubt_policy: str
    size_bytes: int
    suppressed: str | None

    @property
    def name(self) -> Name:
        """Of its stream."""
        return Name(self.organization_id, self.stream)


@dataclass(frozen=True, slots=True)
class Found:
    """A message as it stands: with its delivery, once it has one."""

    public_id: str
    key: str | None
    accepted_at: datetime
    mailing: str | None
    seq: int | None
    address: str
    state: str | None
    attempts: int
    reply: str | None
    skip: str | None
    doubt: str | None
    due_at: datetime | None
    settled_at: datetime | None


# One statement for all. Where two transactions put the same key down at once, the second one waits for the first.
_ADD = text("""
INSERT INTO inbox (organization_id, public_id, key, digest, stream, lane, doubt_policy, content, address, variables, size_bytes)
SELECT :organization_id, public_id, key, digest, stream, lane, doubt_policy, CAST(content AS jsonb), address, CAST(variables AS jsonb),
       size_bytes
  FROM unnest(CAST(:public_id AS text[]), CAST(:key AS text[]), CAST(:digest AS text[]), CAST(:stream AS text[]),
              CAST(:lane AS text[]), CAST(:doubt_policy AS text[]), CAST(:content AS text[]), CAST(:address AS text[]),
              CAST(:variables AS text[]), CAST(:size_bytes AS integer[]))
       WITH ORDINALITY AS one (public_id, key, digest, stream, lane, doubt_policy, content, address, variables, size_bytes, place)
 ORDER BY place
    ON CONFLICT (organization_id, key) DO NOTHING
RETURNING public_id
""")


def add(tx: Connection, organization_id: int, entries: Sequence[Entry]) -> set[str]:
    """Put messages down; the public ids of those whose key was free, or that have none."""
    columns = {name: [getattr(entry, name) for entry in entries] for name in Entry.__slots__}
    return set(tx.execute(_ADD, {"organization_id": organization_id, **columns}).scalars())


def by_keys(tx: Connection, organization_id: int, keys: Sequence[str]) -> Mapping[str, Known]:
    """The messages of these keys."""
    columns = (inbox.c.key, inbox.c.public_id, inbox.c.digest)
    rows = tx.execute(select(*columns).where(inbox.c.organization_id == organization_id, inbox.c.key.in_(keys)))
    return {row.key: Known(row.public_id, row.digest) for row in rows}


_FIND = text("""
SELECT inbox.public_id, inbox.key, inbox.accepted_at, mailing.public_id AS mailing, inbox.seq,
       coalesce(delivery.address, inbox.address) AS address, delivery.state, coalesce(delivery.attempts, 0) AS attempts,
       delivery.reply, delivery.skip, delivery.doubt, delivery.due_at, delivery.settled_at
  FROM inbox
  LEFT JOIN mailing ON mailing.id = inbox.mailing_id
  LEFT JOIN delivery ON delivery.mailing_id = inbox.mailing_id AND delivery.seq = inbox.seq
 WHERE inbox.organization_id = :organization_id AND inbox.public_id = :public_id
   AND (inbox.mailing_id IS NULL OR delivery.state IS NOT NULL)
""")


def find(tx: Connection, organization_id: int, public_id: str) -> Found | None:
    """A message by its public id; None if the organization has none of that id, or it has been pruned."""
    row: Row[Any] | None = tx.execute(_FIND, {"organization_id": organization_id, "public_id": public_id}).one_or_none()
    return None if row is None else Found(**row._asdict())


def _stopping() -> str:
    """The suppressions that count, lane by lane, as the core has them."""
    reasons = {lane: ", ".join(f"'{reason}'" for reason in stopping(lane)) for lane in Lane}
    return " OR ".join(f"inbox.lane = '{lane}' AND reason IN ({listed})" for lane, listed in reasons.items())


# One look-up for each message: the list may be long. In the order of acceptance, as far as there is one.
_TAKE = text(f"""
SELECT id, organization_id, stream, lane, doubt_policy, size_bytes,
       (SELECT reason FROM suppression
         WHERE suppression.organization_id = inbox.organization_id
           AND suppression.address = {key_of("inbox.address")} AND ({_stopping()}))
  FROM inbox
 WHERE mailing_id IS NULL AND {maintenance.NONE}
   AND (organization_id, stream) NOT IN (SELECT * FROM unnest(CAST(:organization_ids AS bigint[]), CAST(:digests AS text[])))
 ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - made of our own words


def take(tx: Connection, *, limit: int, without: Collection[Name] = ()) -> list[Waiting]:
    """Lock the first messages that have no place yet, but for those that somebody else has locked. In maintenance none.

    Args:
        without: streams whose messages are left where they are.
    """
    facts = {"organization_ids": [name.organization_id for name in without], "digests": [name.digest for name in without]}
    return [Waiting._make(row) for row in tx.execute(_TAKE, facts | {"limit": limit})]


def content(tx: Connection, message_id: int) -> Mapping[str, Any]:
    """The content of a message that has no place yet; empty if it is none that anybody could read."""
    found: Any = tx.execute(select(inbox.c.content).where(inbox.c.id == message_id)).scalar_one()
    return found if isinstance(found, dict) else {}


def forget(tx: Connection, mailing_ids: Sequence[int], *, from_seq: int = 1) -> None:
    """Delete what is known of the messages of streams that are pruned: their keys are free again."""
    tx.execute(delete(inbox).where(inbox.c.mailing_id.in_(mailing_ids), inbox.c.seq >= from_seq))
