"""Mailings made straight in the ledger, for tests that begin where the producer ends."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from sqlalchemy import Connection, text

from mailq.core.batch import Owner
from mailq.core.batch import State as Batch
from mailq.core.delivery import Change
from mailq.core.delivery import State as Delivery
from mailq.core.mailing import Books, DoubtPolicy, Lane, State
from mailq.core.message import Content
from mailq.core.server import Place
from mailq.store import batches, deliveries, mailings, organizations, recipients, servers
from mailq.store.database import Database
from mailq.store.deliveries import Settled
from mailq.store.mailings import Draft

CONTENT = Content(subject="Hello {{ name }}", sender="Shop <shop@example.org>", text="Dear {{ name }}\n")


@dataclass(frozen=True)
class Made:
    """A mailing with its batches, by their ids."""

    id: int
    public_id: str
    batches: Sequence[int]


def make_mailing(
    tx: Connection,
    sizes: Sequence[int] = (5,),
    *,
    state: State = State.RUNNING,
    lane: Lane = Lane.BULK,
    content: Content = CONTENT,
    now: datetime | None = None,
) -> Made:
    """A mailing with batches of these sizes, its recipients `r1@example.org` and so on; submitted `now`, or in an earlier month."""
    public_id = f"mlg_{secrets.token_hex(8)}"
    draft = Draft(
        public_id=public_id,
        organization_id=organizations.id_of(tx, "default"),
        key=None,
        name="Spring sale",
        lane=lane,
        doubt_policy=DoubtPolicy.HOLD,
        content=content.as_mapping(),
        content_digest="content",
        source_digest="source",
        batch_size=max(sizes),
    )
    made = mailings.create(tx, draft, now=now)
    assert made is not None
    firsts = accumulate(sizes, initial=1)
    loads = [recipients.Load(first, [_row(seq) for seq in range(first, first + size)]) for first, size in zip(firsts, sizes)]  # noqa: B905
    recipients.add_batches(tx, made.id, loads, number=1)
    for step in (State.RUNNING, state) if state is State.PAUSED else () if state is State.LOADING else (state,):
        mailings.step(tx, made.id, step)
    found = tx.execute(text("SELECT id FROM batch WHERE mailing_id = :id ORDER BY number"), {"id": made.id})
    return Made(made.id, public_id, list(found.scalars()))


def finish_batch(tx: Connection, batch_id: int, owner: Owner) -> None:
    """Send a whole batch, as its owner would."""
    held = batches.claim(tx, batch_id, owner=owner)
    assert held is not None
    settled = [Settled(work.seq, work.state, Change(Delivery.SENT, reply="250 ok")) for work in deliveries.worklist(tx, held)]
    tally = deliveries.tally(settled)
    batches.advance(tx, held, ledger_no=held.ledger_no, watermark=held.last_seq, tally=tally)
    deliveries.settle(tx, held, settled, relay="relay:25")
    batches.release(tx, held, Batch.FINISHED)


def make_owner(tx: Connection, name: str = "web1:8851", *, pid: int = 1, slots: Mapping[str, int] | None = None) -> Owner:
    """A worker process of a server that has just started (again)."""
    server_id, incarnation = servers.start(tx, name, Place("web1", pid), version="test", slots=slots or {"bulk": 2})
    return Owner(server_id, incarnation, f"{name}#{incarnation}/{pid}")


def states(tx: Connection, mailing_id: int) -> dict[int, str]:
    """Every delivery's state, by seq."""
    rows = tx.execute(text("SELECT seq, state FROM delivery WHERE mailing_id = :id ORDER BY seq"), {"id": mailing_id})
    return {row.seq: row.state for row in rows}


def batch_row(tx: Connection, batch_id: int) -> Mapping[str, object]:
    """A batch as its row has it."""
    return tx.execute(text("SELECT * FROM batch WHERE id = :id"), {"id": batch_id}).mappings().one()


def recount(tx: Connection, mailing_id: int) -> Books:
    """The books counted from the deliveries: what the counters must say."""
    rows = tx.execute(text("SELECT state, count(*) AS n FROM delivery WHERE mailing_id = :id GROUP BY state"), {"id": mailing_id})
    found = {row.state: row.n for row in rows}
    return Books(
        num_profiles=sum(found.values()),
        num_pending=found.get("pending", 0),
        num_deferred=found.get("deferred", 0),
        num_sent=found.get("sent", 0),
        num_errors=found.get("error", 0),
        num_skipped=found.get("skipped", 0),
        num_in_doubt=found.get("in_doubt", 0),
    )


def _row(seq: int) -> str:
    return recipients.pending_row(seq, f"r{seq}@example.org", f'{{"name": "Name {seq}"}}')


def books_of(database: Database, made: Made) -> Books:
    """The books, which must balance and equal what the deliveries say."""
    with database.begin() as tx:
        books = mailings.books(tx, made.id)
        assert books.balanced
        assert books == recount(tx, made.id)
    return books
