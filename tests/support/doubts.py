"""Deliveries in doubt, put there as a worker or a reclaimer would have."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from mailq.core.batch import Owner
from mailq.core.delivery import Change, State
from mailq.core.mailing import Books
from mailq.core.outcome import Doubt
from mailq.engine import aftermath
from mailq.store import batches, deliveries, endings, mailings
from mailq.store.database import Database
from mailq.store.deliveries import Settled
from tests.support.mailings import Made, make_mailing, make_owner, recount


def work(tx: Connection, batch_id: int, owner: Owner, unknown: Mapping[int, Doubt]) -> None:
    """Work a batch to its end: these deliveries end in doubt, the others are sent."""
    held = batches.claim(tx, batch_id, owner=owner, relay="smtp://relay:25")
    assert held is not None
    settled = [
        Settled(work.seq, work.state, _doubtful(unknown[work.seq]) if work.seq in unknown else Change(State.SENT, reply="250 ok"))
        for work in deliveries.worklist(tx, held)
    ]
    batches.advance(tx, held, ledger_no=held.ledger_no, watermark=held.last_seq, tally=deliveries.tally(settled))
    deliveries.settle(tx, held, settled, relay="smtp://relay:25")
    after = aftermath.of_pass(tx, held)
    batches.release(tx, held, after.state, due_at=after.due_at)


def doubtful_mailing(database: Database, sizes: Sequence[int] = (5,), unknown: Mapping[int, Doubt] | None = None) -> Made:
    """A finished mailing of which some deliveries are in doubt; unless told, 2 and 4, whose relay had closed the connection."""
    unknown = dict.fromkeys((2, 4), Doubt.RELAY_CLOSED) if unknown is None else unknown
    with database.begin() as tx:
        made = make_mailing(tx, sizes)
        owner = make_owner(tx)
        for batch_id in made.batches:
            work(tx, batch_id, owner, unknown)
        endings.finish_mailing(tx, made.id)
    return made


def age(database: Database, seconds: int = 3600) -> None:
    """Let all doubts be so much older."""
    with database.begin() as tx:
        tx.execute(
            text("UPDATE delivery SET settled_at = settled_at - make_interval(secs => :s) WHERE state = 'in_doubt'"),
            {"s": seconds},
        )


def require_balance(database: Database, made: Made) -> Books:
    """The books of a mailing, after a look that they are those of its deliveries, batch by batch."""
    with database.begin() as tx:
        books = mailings.books(tx, made.id)
        assert books == recount(tx, made.id)
        assert books.balanced
        assert list(tx.execute(_DIFFERING)) == []
    return books


def _doubtful(reason: Doubt) -> Change:
    return Change(State.IN_DOUBT, doubt=reason)


_DIFFERING = text("""
SELECT batch.id, batch.num_sent, batch.num_errors, batch.num_in_doubt, batch.num_deferred, found.*
  FROM batch CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE state = 'sent') AS sent, count(*) FILTER (WHERE state = 'error') AS errors,
              count(*) FILTER (WHERE state = 'in_doubt') AS in_doubt, count(*) FILTER (WHERE state = 'deferred') AS deferred
         FROM delivery WHERE delivery.mailing_id = batch.mailing_id AND seq BETWEEN first_seq AND last_seq) AS found
 WHERE (num_sent, num_errors, num_in_doubt, num_deferred) <> (sent, errors, in_doubt, deferred)
""")
