"""Recipients on their way into the ledger, and out of it again: loading, duplicates, skipping the rest, dropping."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from sqlalchemy import Connection, and_, delete, func, insert, select, text, update

from mailq.core.batch import State as BatchState
from mailq.core.delivery import Skip
from mailq.core.delivery import State as DeliveryState
from mailq.errors import BadInput, Unavailable
from mailq.store import partitions
from mailq.store.tables import batch, delivery, mailing

# Into the partition itself: routing every row through the parent costs a quarter of the server's time.
_COPY = "COPY {partition} (mailing_id, batch_id, seq, address, variables, state, skip, reply, settled_at) FROM STDIN"
_COPY_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Load:
    """The deliveries of one new batch.

    Attributes:
        rows: one for each delivery, in the order of their seqs, as `pending_row` and `skipped_row` make them.
        num_skipped: how many of them are skipped.
    """

    rows: Sequence[str]
    num_skipped: int


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": None})
_PENDING = "\tpending\t\\N\t\\N\t\\N\n"
_MAX_ADDRESS = 320


def pending_row(address: str, variables_json: str) -> str:
    """A delivery to be sent, as COPY's text format has it.

    Args:
        address: in its normal form, and so without tabs or newlines.
        variables_json: JSON as a standard encoder writes it: control characters escaped.
    """
    if "\\" in variables_json:
        variables_json = variables_json.replace("\\", "\\\\")
    return f"{address}\t{variables_json}{_PENDING}"


def skipped_row(address: str, skip: Skip, reason: str) -> str:
    """A recipient that gets no mail, with the address as it was given (cut to 320 characters) and the reason."""
    shown = _storable(address[:_MAX_ADDRESS]).translate(_ESCAPES)
    return f"{shown}\t{{}}\tskipped\t{skip}\t{_storable(reason).translate(_ESCAPES)}\tnow\n"


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def last_batch_number(tx: Connection, mailing_id: int) -> int:
    """The number of a mailing's last batch; 0 if it has none."""
    return int(
        tx.execute(select(func.coalesce(func.max(batch.c.number), 0)).where(batch.c.mailing_id == mailing_id)).scalar_one()
    )


def add_batches(tx: Connection, mailing_id: int, loads: Sequence[Load], *, number: int, first_seq: int) -> None:
    """Store new batches with their deliveries; the first one gets this number and this first seq.

    Raises:
        BadInput: PostgreSQL refuses a value.
        Unavailable: the database went away, or its disk is full.
    """
    body = io.StringIO()
    seq = first_seq
    for batch_id, load in zip(_insert_batches(tx, mailing_id, loads, number, first_seq), loads, strict=True):
        prefix = f"{mailing_id}\t{batch_id}\t"
        body.writelines([f"{prefix}{place}\t{row}" for place, row in enumerate(load.rows, seq)])
        seq += len(load.rows)
    with _told_in_words(), _driver(tx).cursor() as cursor:
        copy = _COPY.format(partition=partitions.name_of(mailing_id >> 40))
        cursor.copy_expert(copy, io.BytesIO(body.getvalue().encode()), _COPY_BLOCK)


def _insert_batches(tx: Connection, mailing_id: int, loads: Sequence[Load], number: int, first_seq: int) -> list[int]:
    rows = []
    for load in loads:
        last_seq = first_seq + len(load.rows) - 1
        rows.append(
            {
                "mailing_id": mailing_id,
                "number": number,
                "first_seq": first_seq,
                "last_seq": last_seq,
                "watermark": first_seq - 1,
                "num_profiles": len(load.rows),
                "num_skipped": load.num_skipped,
            }
        )
        number, first_seq = number + 1, last_seq + 1
    return list(tx.execute(insert(batch).returning(batch.c.id, sort_by_parameter_order=True), rows).scalars())


# Of equal addresses the first one stays. The counters of the batches follow in the same statement.
# COLLATE "C" sorts by bytes, which is all that equality needs.
_MARK_DUPLICATES = text("""
WITH same AS (
    SELECT seq, min(seq) OVER (PARTITION BY lower(address) COLLATE "C") AS first_seq FROM delivery
     WHERE mailing_id = :mailing_id AND state = 'pending'),
marked AS (
    UPDATE delivery SET state = 'skipped', skip = 'duplicate', settled_at = now(), reply = 'same address as recipient ' || same.first_seq
      FROM same
     WHERE same.seq > same.first_seq AND delivery.mailing_id = :mailing_id AND delivery.seq = same.seq
    RETURNING delivery.batch_id),
counted AS (SELECT batch_id, count(*) AS number FROM marked GROUP BY batch_id)
UPDATE batch SET num_skipped = num_skipped + counted.number FROM counted
 WHERE batch.mailing_id = :mailing_id AND batch.id = counted.batch_id
RETURNING counted.number
""")


def mark_duplicates(tx: Connection, mailing_id: int) -> int:
    """Skip every further delivery to an address of a mailing that is still loading; how many.

    May take longer than other statements, and sorts as many addresses as there are: the limits of its transaction are raised.
    """
    tx.execute(text("SET LOCAL statement_timeout = 0"))
    tx.execute(text("SET LOCAL work_mem = '64MB'"))
    # Nobody has analysed the new rows yet: believing that there are few, the planner would loop over them for each of them.
    tx.execute(text("SET LOCAL enable_nestloop = off"))
    return sum(tx.execute(_MARK_DUPLICATES, {"mailing_id": mailing_id}).scalars())


def finish_empty_batches(tx: Connection, mailing_id: int) -> int:
    """Finish the batches of a loading mailing in which there is nothing to send; how many are left to work."""
    mine = batch.c.mailing_id == mailing_id
    empty = and_(mine, batch.c.state == BatchState.READY, batch.c.num_profiles == batch.c.num_skipped)
    tx.execute(update(batch).where(empty).values(state=BatchState.FINISHED, finished_at=func.now()))
    left = select(func.count()).select_from(batch).where(mine, batch.c.state != BatchState.FINISHED)
    return int(tx.execute(left).scalar_one())


def skip_rest(tx: Connection, batch_id: int, reason: Skip) -> int:
    """Skip what a batch has still to send; how many deliveries that were. For one whose row the caller has locked.

    The caller also adds the number to the batch's counters (none of it is deferred afterwards), and has settled the open
    set before: this takes every delivery that is pending or deferred.
    """
    mine = select(batch.c.mailing_id, batch.c.first_seq, batch.c.last_seq, batch.c.fence).where(batch.c.id == batch_id)
    held = mine.cte("held")
    statement = (
        update(delivery)
        .where(
            delivery.c.mailing_id == held.c.mailing_id,
            delivery.c.seq.between(held.c.first_seq, held.c.last_seq),
            delivery.c.state.in_([DeliveryState.PENDING, DeliveryState.DEFERRED]),
        )
        .values({"state": DeliveryState.SKIPPED, "skip": reason, "pass": held.c.fence, "due_at": None, "settled_at": func.now()})
    )
    return tx.execute(statement).rowcount


def skip_unleased(tx: Connection, mailing_id: int, reason: Skip, *, limit: int) -> int:
    """Cancel up to `limit` batches of a mailing that nobody holds, and skip their rest; how many batches that were.

    Batches that somebody is just claiming or handing back are left to him, or to the next call.
    """
    unleased = (
        select(batch.c.id)
        .where(batch.c.mailing_id == mailing_id, batch.c.state.in_([BatchState.READY, BatchState.WAITING]))
        .order_by(batch.c.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    chosen = list(tx.execute(unleased).scalars())
    for batch_id in chosen:
        skipped = skip_rest(tx, batch_id, reason)
        tx.execute(
            update(batch)
            .where(batch.c.id == batch_id)
            .values(
                state=BatchState.CANCELLED,
                due_at=None,
                finished_at=func.now(),
                num_skipped=batch.c.num_skipped + skipped,
                num_deferred=0,
            )
        )
    return len(chosen)


def delete_last_batches(tx: Connection, mailing_id: int, *, limit: int) -> int:
    """Delete up to `limit` batches of a loading mailing, the last ones, with their deliveries; how many records are left.

    `num_loaded` follows, so that a drop that dies midway leaves a mailing that can be loaded on.
    """
    mine = batch.c.mailing_id == mailing_id
    last = select(batch.c.first_seq).where(mine).order_by(batch.c.number.desc()).limit(limit).subquery()
    first_seq = tx.execute(select(func.min(last.c.first_seq))).scalar_one() or 1
    tx.execute(delete(delivery).where(delivery.c.mailing_id == mailing_id, delivery.c.seq >= first_seq))
    tx.execute(delete(batch).where(mine, batch.c.first_seq >= first_seq))
    tx.execute(update(mailing).where(mailing.c.id == mailing_id).values(num_loaded=first_seq - 1))
    return int(first_seq) - 1


def delete_mailing(tx: Connection, mailing_id: int) -> None:
    """Delete a mailing that has no batches any more."""
    tx.execute(delete(mailing).where(mailing.c.id == mailing_id))


def _driver(tx: Connection) -> Any:
    return tx.connection.driver_connection


@contextmanager
def _told_in_words() -> Iterator[None]:
    """COPY goes past SQLAlchemy, and so do its errors."""
    try:
        yield
    except psycopg2.errors.DiskFull as error:
        raise Unavailable(f"the database has no room left: {_first_line(error)}") from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise Unavailable(f"the database went away while recipients were loaded: {_first_line(error)}") from error
    except psycopg2.DataError as error:
        raise BadInput(f"PostgreSQL refuses a recipient: {_first_line(error)}") from error


def _first_line(error: psycopg2.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
