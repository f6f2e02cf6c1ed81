"""Recipients on their way into the ledger, and out of it again: loading, skipping the rest, dropping."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from sqlalchemy import Connection, and_, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from mailq.core.batch import State as BatchState
from mailq.core.delivery import Skip
from mailq.core.delivery import State as DeliveryState
from mailq.errors import BadInput, Conflict, Unavailable
from mailq.store import inbox, partitions
from mailq.store.tables import batch, delivery, mailing

# Into the partition itself: routing every row through the parent costs a quarter of the server's time. What is pending is left to
# the defaults, so that nothing is sent and read that is the same in every row.
_COPY_PENDING = "COPY {partition} (mailing_id, batch_id, seq, address, variables) FROM STDIN"
_COPY_SKIPPED = "COPY {partition} (mailing_id, batch_id, seq, address, state, skip, reply, settled_at) FROM STDIN"
# Large, because for each block the writer waits until whoever parses lets go of Python's lock.
_COPY_BLOCK = 1 << 20


@dataclass(slots=True)
class Load:
    """The deliveries of one new batch, with seqs from `first_seq` without a gap.

    Attributes:
        pending: those to be sent, as `pending_row` makes them.
        skipped: those that get no mail, as `skipped_row` makes them.
    """

    first_seq: int
    pending: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    num_chars: int = 0

    @property
    def num_profiles(self) -> int:
        """How many deliveries."""
        return len(self.pending) + len(self.skipped)

    @property
    def next_seq(self) -> int:
        """The seq behind them."""
        return self.first_seq + self.num_profiles

    def add_pending(self, rows: Sequence[str]) -> None:
        """Add deliveries to be sent."""
        self.pending += rows
        self.num_chars += sum(map(len, rows))

    def add_skipped(self, row: str) -> None:
        """Add one that gets no mail."""
        self.skipped.append(row)
        self.num_chars += len(row)


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": None})
_MAX_ADDRESS = 320


def pending_row(seq: int | str, address: str, variables_json: str) -> str:
    """A delivery to be sent, as COPY's text format has it.

    Args:
        seq: its number; a placeholder in a template.
        address: in its normal form, and so without tabs or newlines.
        variables_json: JSON as a standard encoder writes it: control characters escaped.
    """
    if "\\" in variables_json:
        variables_json = variables_json.replace("\\", "\\\\")
    return f"{seq}\t{address}\t{variables_json}"


def skipped_row(seq: int, address: str, skip: Skip, reason: str) -> str:
    """A recipient that gets no mail, with the address as it was given (cut to 320 characters) and the reason."""
    shown = _storable(address[:_MAX_ADDRESS]).translate(_ESCAPES)
    return f"{seq}\t{shown}\tskipped\t{skip}\t{_storable(reason).translate(_ESCAPES)}\tnow"


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def last_batch_number(tx: Connection, mailing_id: int) -> int:
    """The number of a mailing's last batch; 0 if it has none."""
    return int(
        tx.execute(select(func.coalesce(func.max(batch.c.number), 0)).where(batch.c.mailing_id == mailing_id)).scalar_one()
    )


_NAMES = text("""
SELECT count(DISTINCT sample.seq), array_agg(DISTINCT name) FILTER (WHERE name IS NOT NULL)
  FROM (SELECT seq, variables FROM delivery WHERE mailing_id = :mailing_id AND state = 'pending' ORDER BY seq LIMIT 1000) AS sample
  LEFT JOIN LATERAL jsonb_object_keys(sample.variables) AS name ON true
""")


def names_of_loaded(tx: Connection, mailing_id: int) -> frozenset[str] | None:
    """The variables that the first 1,000 recipients of a mailing have; None if it has no recipients yet."""
    num, found = tx.execute(_NAMES, {"mailing_id": mailing_id}).one()
    return frozenset(found or ()) if num else None


def add_batches(tx: Connection, mailing_id: int, loads: Sequence[Load], *, number: int) -> None:
    """Store new batches with their deliveries; the first one gets this number.

    Raises:
        Conflict: another process has stored batches of these numbers.
        BadInput: PostgreSQL refuses a value.
        Unavailable: the database went away, or its disk is full.
    """
    with told_in_words():
        prefixes = [f"{mailing_id}\t{batch_id}\t" for batch_id in _insert_batches(tx, mailing_id, loads, number)]
        _copy(tx, mailing_id, _COPY_PENDING, [(prefix, load.pending) for prefix, load in zip(prefixes, loads, strict=True)])
        _copy(tx, mailing_id, _COPY_SKIPPED, [(prefix, load.skipped) for prefix, load in zip(prefixes, loads, strict=True)])


def _copy(tx: Connection, mailing_id: int, statement: str, prefixed: Sequence[tuple[str, Sequence[str]]]) -> None:
    lines = [prefix + f"\n{prefix}".join(rows) + "\n" for prefix, rows in prefixed if rows]
    if lines:
        copy_text(tx, statement.format(partition=partitions.name_of(partitions.month_in(mailing_id))), "".join(lines))


def copy_text(tx: Connection, statement: str, lines: str) -> None:
    """Send lines of COPY's text format; within `told_in_words`."""
    with _driver(tx).cursor() as cursor:
        cursor.copy_expert(statement, io.BytesIO(lines.encode()), _COPY_BLOCK)


def _insert_batches(tx: Connection, mailing_id: int, loads: Sequence[Load], number: int) -> list[int]:
    rows = [
        {
            "mailing_id": mailing_id,
            "number": place,
            "first_seq": load.first_seq,
            "last_seq": load.next_seq - 1,
            "watermark": load.first_seq - 1,
            "num_profiles": load.num_profiles,
            "num_skipped": len(load.skipped),
        }
        for place, load in enumerate(loads, number)
    ]
    return list(tx.execute(insert(batch).returning(batch.c.id, sort_by_parameter_order=True), rows).scalars())


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
    inbox.forget(tx, [mailing_id], from_seq=first_seq)
    tx.execute(delete(batch).where(mine, batch.c.first_seq >= first_seq))
    tx.execute(update(mailing).where(mailing.c.id == mailing_id).values(num_loaded=first_seq - 1))
    return int(first_seq) - 1


def delete_mailing(tx: Connection, mailing_id: int) -> None:
    """Delete a mailing that has no batches any more."""
    tx.execute(delete(mailing).where(mailing.c.id == mailing_id))


def _driver(tx: Connection) -> Any:
    return tx.connection.driver_connection


@contextmanager
def told_in_words() -> Iterator[None]:
    """COPY goes past SQLAlchemy, and so do its errors."""
    try:
        yield
    except (IntegrityError, psycopg2.IntegrityError) as error:
        raise Conflict("another process stores the same batches of this mailing; look how far it is, and submit again") from error
    except psycopg2.errors.DiskFull as error:
        raise Unavailable(f"the database has no room left: {_first_line(error)}") from error
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise Unavailable(f"the database went away while recipients were loaded: {_first_line(error)}") from error
    except psycopg2.DataError as error:
        raise BadInput(f"PostgreSQL refuses a recipient: {_first_line(error)}") from error


def _first_line(error: psycopg2.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
