"""Single messages: accepted into the inbox in their producer's own transaction, and found again.

What is accepted is sent, as soon as the leader has given it its place in a stream.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection

from mailq.core.ids import public_id
from mailq.core.plain_json import to_json
from mailq.engine.message_orders import MessageOrder, order, ready_made, require_templates
from mailq.errors import Conflict, NotFound
from mailq.store import inbox, waking
from mailq.store.inbox import Entry, Known

__all__ = ["ACCEPTED", "MessageOrder", "MessageState", "Taken", "accept", "find", "order", "ready_made", "require_templates"]

ACCEPTED = "accepted"
"""The state of a message that has no place in a stream yet."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was accepted.

    Attributes:
        created: False if an earlier order of the same key had made it.
    """

    public_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class MessageState:
    """What became of a message.

    Attributes:
        state: `accepted` until it has its place in a stream, then as its delivery's.
        mailing: the public id of the stream, which with `seq` makes its Message-ID.
    """

    public_id: str
    key: str | None
    accepted_at: datetime
    mailing: str | None
    seq: int | None
    address: str
    state: str
    attempts: int = 0
    reply: str | None = None
    skip: str | None = None
    doubt: str | None = None
    due_at: datetime | None = None
    settled_at: datetime | None = None


def accept(tx: Connection, organization_id: int, orders: Sequence[MessageOrder]) -> list[Taken | Conflict]:
    """Put messages into the inbox, and wake the leader, when and if this transaction commits; an answer for each, in their order.

    A key that is known for the same words is the message that was accepted then; for other words it is a Conflict, which leaves the
    other messages and the transaction as they are.
    """
    if not orders:
        return []
    entries = [_entry(each) for each in orders]
    # By their keys, so that two transactions that put the same ones down do not wait for each other.
    fresh = inbox.add(tx, organization_id, sorted(entries, key=lambda entry: entry.key or ""))
    keys = [entry.key for entry in entries if entry.key is not None and entry.public_id not in fresh]
    known = inbox.by_keys(tx, organization_id, keys) if keys else {}
    if fresh:
        waking.wake(tx)
    return [Taken(entry.public_id, True) if entry.public_id in fresh else _again(entry, known) for entry in entries]


def find(tx: Connection, organization_id: int, public_id: str) -> MessageState:
    """What became of a message.

    Raises:
        NotFound: the organization has no such message, or it has been pruned.
    """
    found = inbox.find(tx, organization_id, public_id)
    if found is None:
        raise NotFound(f"there is no message `{public_id}`")
    return MessageState(**asdict(found) | {"state": found.state or ACCEPTED})


def _again(entry: Entry, known: Mapping[str, Known]) -> Taken | Conflict:
    before = known.get(str(entry.key))
    if before is None:
        return Conflict(f"the message of the key `{entry.key}` has just been pruned; send it again")
    if before.digest != entry.digest:
        return Conflict(
            f"the key `{entry.key}` belongs to message {before.public_id}, which says something else; give this one its own"
        )
    return Taken(before.public_id, False)


def _entry(one: MessageOrder) -> Entry:
    variables = to_json(one.variables)
    return Entry(
        public_id=public_id("msg", secrets.token_bytes(10)),
        key=one.key,
        digest=one.digest(),
        stream=one.stream(),
        lane=one.lane,
        doubt_policy=one.doubt_policy,
        content=to_json(one.content.as_mapping()),
        address=one.address,
        variables=variables,
        size_bytes=len(variables.encode()),
    )
