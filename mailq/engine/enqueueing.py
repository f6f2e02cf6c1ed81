"""A mailing with all its recipients in one transaction, which may be its producer's: it is there when he commits, or never was.

Recipients are taken over a chunk at a time and never held all at once. The leader seals and starts the mailing after the commit.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from mailq import telemetry
from mailq.engine import drafting
from mailq.engine.intake.given import Written, names_of
from mailq.engine.intake.order import MailingOrder, require_names
from mailq.engine.intake.taking import Batch, Chunk, Taking
from mailq.errors import BadInput, Conflict
from mailq.store import enqueued, waking
from mailq.store.database import moment
from mailq.store.enqueued import StoredBatch
from mailq.store.mailings import Mailing

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer.

    Attributes:
        created: False if an earlier transaction had made the mailing.
        num_profiles: recipients it has; `num_skipped` of them are no addresses, or cannot be stored.
    """

    public_id: str
    created: bool
    num_profiles: int
    num_skipped: int


def enqueue(
    tx: Connection, organization_id: int, order: MailingOrder, recipients: Iterable[Any], *, ahead: bool = False
) -> Submitted:
    """Make a mailing with all its recipients. With a key that is known: the same order and recipients are the same mailing.

    Args:
        recipients: see `intake.given.take`. Iterated once.
        ahead: iterate them while others are on their way to the database, too. They must not come over the connection of `tx` then.

    Raises:
        BadInput: the order, or what a recipient is given as, is at fault; or there is none.
        Conflict: the key belongs to another order, to other recipients, or to a mailing that is made in steps.
        Unavailable: there is no room for the deliveries of this month.
    """
    now = moment(tx)  # asked once: between two answers a month may end
    table = enqueued.require_partition(tx, now)
    mailing, created = drafting.create(tx, organization_id, order, now=now)
    taking, digest = Taking(recipients, batch_size=order.batch_size), _Digest()
    chunks = _chunks(taking, order)
    if not created:
        return _compared(mailing, order, chunks, digest)
    storing = _Storing(tx, table, mailing.id, digest, taking if ahead else None)
    for chunk in chunks:
        storing.store(chunk)
    enqueued.complete(tx, mailing.id, num_loaded=taking.num_taken, source_digest=digest.hex())
    waking.wake(tx)
    log.info("mailing.enqueued", mailing=mailing.public_id, num_profiles=taking.num_taken)
    return Submitted(mailing.public_id, True, taking.num_taken, digest.num_skipped)


def runs_no_code(recipients: Iterable[Any]) -> bool:
    """Whether to iterate them runs nothing of their producer's, who may read them over the very connection they are stored by."""
    return isinstance(recipients, list | tuple | set | frozenset)


class _Digest:
    """SHA-256 over all recipients, however they were cut."""

    def __init__(self) -> None:
        self._pending, self._skipped = hashlib.sha256(), hashlib.sha256()
        self.num_skipped = 0

    def add(self, written: Written) -> None:
        """Some more rows."""
        self._pending.update("\n".join([*written.pending, ""]).encode())
        self._skipped.update("\n".join([*written.skipped, ""]).encode())
        self.num_skipped += len(written.skipped)

    def hex(self) -> str:
        """Told from that of a file."""
        return f"recipients:{hashlib.sha256(self._pending.digest() + self._skipped.digest()).hexdigest()}"


def _chunks(taking: Taking, order: MailingOrder) -> Iterator[Chunk]:
    chunk = taking.next_chunk()
    if not chunk:
        raise BadInput("the mailing has no recipients", field="recipients")
    require_names(order.content, names_of(part for batch in chunk for part in batch.parts), "its recipients")
    while chunk:
        yield chunk
        chunk = taking.next_chunk()


@dataclass(slots=True)
class _Storing:
    """Stores chunks: deliveries first, written while PostgreSQL takes them in, and then their batches.

    Attributes:
        ahead: what may take over recipients meanwhile.
    """

    tx: Connection
    table: str
    mailing_id: int
    digest: _Digest
    ahead: Taking | None
    num_batches: int = 0
    skipped: list[str] = field(default_factory=list)

    def store(self, chunk: Chunk) -> None:
        """Store one, behind those before."""
        ids, stored = enqueued.reserve_batches(self.tx, len(chunk)), list[StoredBatch]()
        enqueued.store_pending(self.tx, self.table, filter(None, self._blocks(chunk, ids, stored)))
        if self.skipped:
            enqueued.store_skipped(self.tx, self.table, self.skipped)
            self.skipped.clear()
        enqueued.store_batches(self.tx, self.mailing_id, stored)
        self.num_batches += len(stored)

    def _blocks(self, chunk: Chunk, ids: list[int], stored: list[StoredBatch]) -> Iterator[bytes]:
        for number, batch in enumerate(chunk):
            before = self.digest.num_skipped
            yield from self._of_batch(batch, ids[number])
            num_skipped = self.digest.num_skipped - before
            place = self.num_batches + number + 1
            stored.append(StoredBatch(ids[number], place, batch.first_seq, batch.next_seq - 1, num_skipped))

    def _of_batch(self, batch: Batch, batch_id: int) -> Iterator[bytes]:
        seq, prefix = batch.first_seq, f"{self.mailing_id}\t{batch_id}\t"
        for part in batch.parts:
            written = part.write(seq)
            self.digest.add(written)
            self.skipped += [f"{prefix}{row}\n" for row in written.skipped]
            yield _lines(prefix, written.pending)
            seq += len(part)
            if self.ahead is not None:
                self.ahead.ahead()


def _lines(prefix: str, rows: Collection[str]) -> bytes:
    between = f"\n{prefix}"
    return f"{prefix}{between.join(rows)}\n".encode() if rows else b""


def _compared(mailing: Mailing, order: MailingOrder, chunks: Iterator[Chunk], digest: _Digest) -> Submitted:
    """The mailing that is there, if its recipients are those that are given now."""
    num_profiles = 0
    for chunk in chunks:
        for batch in chunk:
            for part in batch.parts:
                digest.add(part.write(num_profiles + 1))
                num_profiles += len(part)
    if mailing.source_digest != digest.hex():
        raise Conflict(
            f"the key `{mailing.key}` belongs to mailing {mailing.public_id} (`{mailing.name}`, {mailing.created_at:%Y-%m-%d %H:%M} UTC), "
            f"which has other recipients than `{order.name}`; give this one a key of its own"
        )
    return Submitted(mailing.public_id, False, num_profiles, digest.num_skipped)
