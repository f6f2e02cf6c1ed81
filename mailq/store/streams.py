"""Streams in the ledger: found and locked, opened, and filled with what waits in the inbox, without its payload leaving the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from mailq.core.batch import State as BatchState
from mailq.core.mailing import State, mailing_id
from mailq.errors import BooksDiffer
from mailq.store import partitions
from mailq.store.inbox import Name, Waiting
from mailq.store.tables import batch, mailing

BATCH_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream whose row this transaction has locked.

    Attributes:
        num_loaded: messages it has: the seq of the last one.
    """

    mailing_id: int
    state: State
    num_loaded: int


@dataclass(frozen=True, slots=True)
class Load:
    """A new batch of a stream: its messages have consecutive seqs, in their order."""

    mailing_id: int
    number: int
    first_seq: int
    messages: Sequence[Waiting]

    @property
    def last_seq(self) -> int:
        """The seq of the last one."""
        return self.first_seq + len(self.messages) - 1

    @property
    def num_skipped(self) -> int:
        """How many of them go to suppressed addresses."""
        return sum(each.suppressed is not None for each in self.messages)


# No key: batches are added beside us, by their foreign keys. Nobody is waited for: a producer may have steered the stream in a
# transaction that goes on for as long as he likes, and behind it are the messages of everybody.
_LOCK = text("""
SELECT organization_id, stream, id, state, num_loaded FROM mailing
 WHERE open_until = :open_until
   AND (organization_id, stream) IN (SELECT * FROM unnest(CAST(:organization_ids AS bigint[]), CAST(:digests AS text[])))
 ORDER BY organization_id, stream FOR NO KEY UPDATE SKIP LOCKED
""")
_THERE = text("""
SELECT organization_id, stream FROM mailing
 WHERE open_until = :open_until
   AND (organization_id, stream) IN (SELECT * FROM unnest(CAST(:organization_ids AS bigint[]), CAST(:digests AS text[])))
""")


def lock(tx: Connection, names: Collection[Name], open_until: datetime) -> dict[Name, Stream]:
    """Lock the streams of these names that are open until then, but for those that somebody else has locked. What somebody has
    added before is seen.
    """
    rows = tx.execute(_LOCK, _facts(names) | {"open_until": open_until})
    return {Name(row.organization_id, row.stream): Stream(row.id, State(row.state), row.num_loaded) for row in rows}


def there(tx: Connection, names: Collection[Name], open_until: datetime) -> frozenset[Name]:
    """Those of these names whose stream is there, whoever has it locked."""
    return frozenset(Name._make(row) for row in tx.execute(_THERE, _facts(names) | {"open_until": open_until}))


def _facts(names: Collection[Name]) -> dict[str, Any]:
    return {"organization_ids": [name.organization_id for name in names], "digests": [name.digest for name in names]}


def make(
    tx: Connection,
    name: Name,
    *,
    public_id: str,
    called: str,
    first: Waiting,
    content: Mapping[str, Any],
    now: datetime,
    open_until: datetime,
) -> None:
    """Open a stream, unless somebody else has just done so; lock it afterwards.

    Args:
        first: a message of it, which has its lane and policy.
    """
    partitions.ensure(tx, now=now)
    number = tx.execute(select(func.nextval("mailing_number"))).scalar_one()
    values = {
        "id": mailing_id(now, number),
        "public_id": public_id,
        "organization_id": name.organization_id,
        "name": called,
        "state": State.RUNNING,
        "lane": first.lane,
        "doubt_policy": first.doubt_policy,
        "content": dict(content),
        "content_digest": name.digest,
        "source_digest": name.digest,
        "batch_size": BATCH_SIZE,
        "created_at": now,
        "started_at": now,
        "stream": name.digest,
        "open_until": open_until,
        "repeats": True,
    }
    tx.execute(
        insert_or(mailing).values(**values).on_conflict_do_nothing(index_elements=["organization_id", "stream", "open_until"])
    )


def close(tx: Connection, mailing_id: int) -> None:
    """Let no more messages into a stream: the next one opens another."""
    tx.execute(update(mailing).where(mailing.c.id == mailing_id).values(open_until=func.clock_timestamp()))


_LAST_NUMBERS = text("""
SELECT one.id, (SELECT coalesce(max(number), 0) FROM batch WHERE mailing_id = one.id) FROM unnest(CAST(:ids AS bigint[])) AS one (id)
""")


def last_numbers(tx: Connection, mailing_ids: Sequence[int]) -> dict[int, int]:
    """The number of the last batch of each of these streams; 0 if it has none."""
    return {row[0]: int(row[1]) for row in tx.execute(_LAST_NUMBERS, {"ids": list(mailing_ids)})}


_PLACES = """
unnest(CAST(:ids AS bigint[]), CAST(:mailing_ids AS bigint[]), CAST(:batch_ids AS bigint[]), CAST(:seqs AS integer[]),
       CAST(:suppressed AS text[])) AS place (id, mailing_id, batch_id, seq, suppressed)
"""
# What has a place already is kept out in so many words, for the sake of the index over the few that have none.
_DELIVERIES = f"""
INSERT INTO {{partition}} (mailing_id, batch_id, seq, address, variables, state, skip, reply, settled_at)
SELECT place.mailing_id, place.batch_id, place.seq, inbox.address,
       CASE WHEN suppressed IS NULL THEN inbox.variables ELSE '{{{{}}}}' END,
       CASE WHEN suppressed IS NULL THEN 'pending' ELSE 'skipped' END,
       CASE WHEN suppressed IS NOT NULL THEN 'suppressed' END, 'suppressed: ' || suppressed,
       CASE WHEN suppressed IS NOT NULL THEN now() END
  FROM {_PLACES} JOIN inbox ON inbox.id = place.id AND inbox.mailing_id IS NULL
 ORDER BY place.mailing_id, place.seq
"""  # noqa: S608 - made of our own words
_MOVED = text(f"""
UPDATE inbox SET mailing_id = place.mailing_id, seq = place.seq, content = NULL, address = NULL, variables = NULL
  FROM {_PLACES} WHERE inbox.id = place.id AND inbox.mailing_id IS NULL
""")  # noqa: S608 - made of our own words
_COUNTED = text("""
UPDATE mailing SET num_loaded = new.num_loaded
  FROM unnest(CAST(:ids AS bigint[]), CAST(:nums AS integer[])) AS new (id, num_loaded) WHERE mailing.id = new.id
""")


def add(tx: Connection, loads: Sequence[Load], *, now: datetime) -> None:
    """Store new batches of streams of one month, whose rows are locked as their messages are, and take the messages out of the inbox.

    Raises:
        BooksDiffer: a message has a place already; roll back.
    """
    placed = [
        (one.id, load.mailing_id, batch_id, seq, one.suppressed)
        for load, batch_id in zip(loads, _insert(tx, loads, now), strict=True)
        for seq, one in enumerate(load.messages, load.first_seq)
    ]
    columns = zip(("ids", "mailing_ids", "batch_ids", "seqs", "suppressed"), map(list, zip(*placed, strict=True)), strict=True)
    facts: dict[str, Any] = dict(columns)
    partition = partitions.name_of(partitions.month_in(loads[0].mailing_id))
    written = tx.execute(text(_DELIVERIES.format(partition=partition)), facts).rowcount
    moved = tx.execute(_MOVED, facts).rowcount
    if not written == moved == len(placed):
        raise BooksDiffer(
            f"{len(placed)} messages to move: {written} deliveries were written, and {moved} taken out of the inbox"
        )
    last = {load.mailing_id: load.last_seq for load in loads}
    tx.execute(_COUNTED, {"ids": [*last], "nums": [*last.values()]})


def _insert(tx: Connection, loads: Sequence[Load], now: datetime) -> list[int]:
    rows = [_row(load, now if load.num_skipped == len(load.messages) else None) for load in loads]
    return list(tx.execute(insert(batch).returning(batch.c.id, sort_by_parameter_order=True), rows).scalars())


def _row(load: Load, finished_at: datetime | None) -> dict[str, Any]:
    return {
        "mailing_id": load.mailing_id,
        "number": load.number,
        "first_seq": load.first_seq,
        "last_seq": load.last_seq,
        "watermark": load.first_seq - 1,
        "num_profiles": len(load.messages),
        "num_skipped": load.num_skipped,
        "state": BatchState.READY if finished_at is None else BatchState.FINISHED,
        "finished_at": finished_at,
    }
