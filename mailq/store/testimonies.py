"""What was put in doubt by a reclaimer that could not see the journal, for when the journal speaks after all."""

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from mailq.core.delivery import State
from mailq.core.outcome import Doubt
from mailq.store.doubts import Doubtful, Locked
from mailq.store.tables import delivery

_BY_A_RECLAIMER = (Doubt.HOST_LOST, Doubt.WORKER_KILLED)


def in_doubt_since(tx: Connection, locked: Locked, fence: int) -> list[Doubtful]:
    """What a reclaimer put in doubt of the pass under this fence; the caller has locked the batch's row."""
    columns = (delivery.c.seq, delivery.c.address, delivery.c.doubt, delivery.c.relay, delivery.c.settled_at)
    statement = select(*columns).where(
        delivery.c.mailing_id == locked.mailing_id,
        delivery.c.seq.between(locked.first_seq, locked.last_seq),
        delivery.c.state == State.IN_DOUBT,
        delivery.c["pass"] == fence,
        delivery.c.doubt.in_(_BY_A_RECLAIMER),
    )
    return [Doubtful(row[0], row[1], Doubt(row[2]), row[3], row[4]) for row in tx.execute(statement)]


def note_dots(tx: Connection, locked: Locked, seqs: Sequence[int]) -> None:
    """Say of deliveries in doubt that their dot had left for all that is known: more than that their host was lost."""
    if seqs:
        tx.execute(
            update(delivery)
            .where(
                delivery.c.mailing_id == locked.mailing_id,
                delivery.c.seq.in_(seqs),
                delivery.c.state == State.IN_DOUBT,
                delivery.c.doubt == Doubt.HOST_LOST,
            )
            .values(doubt=Doubt.WORKER_KILLED)
        )
