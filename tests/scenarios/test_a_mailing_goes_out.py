"""A mailing goes out: from a file to balanced books, through the producer, the doorbell, two worker processes and SMTP."""

import pytest
from sqlalchemy import select

from mailq.core.delivery import Skip
from mailq.store.tables import batch, delivery
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

GOOD, DUPLICATES, INVALID = 2_980, 15, 5


def test_a_mailing_of_three_thousand_goes_out_and_the_books_balance(submit, start_server, sink, database):
    """Everybody gets the mail once, with his own name in it; who is invalid or there twice is skipped, and it is said why."""
    recipients = [f"r{number}@example.com" for number in range(1, GOOD + 1)]
    recipients += recipients[:DUPLICATES] + [f"no-address-{number}" for number in range(INVALID)]
    start_server(relay__sessions=20)
    posted = submit(recipients, batch_size=500)

    eventually(lambda: posted.finished, within=30)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_skipped, books.num_errors, books.num_in_doubt) == (GOOD, DUPLICATES + INVALID, 0, 0)
    with database.begin() as tx:
        skips = tx.execute(select(delivery.c.skip).where(delivery.c.skip.is_not(None)).order_by(delivery.c.seq)).scalars().all()
    assert skips == [Skip.DUPLICATE] * DUPLICATES + [Skip.INVALID] * INVALID
    for mail in sink.accepted:
        number = mail.recipient.partition("@")[0][1:]
        assert f"Dear Name {number}," in mail.content.decode()
    assert len({mail.message_id for mail in sink.accepted}) == GOOD


@pytest.mark.slow
def test_both_worker_processes_take_part(submit, start_server, sink, database):
    """A process that has finished its batch finds the next ring waiting: the other one does not work alone."""
    sink.rules("delay=20ms")
    server = start_server()
    posted = submit(400, batch_size=100)
    owners: set[str] = set()

    def all_have_worked() -> bool:
        with database.begin() as tx:
            owners.update(tx.execute(select(batch.c.owner).where(batch.c.owner.is_not(None))).scalars())
        return posted.finished

    eventually(all_have_worked, within=20)

    ledgers_agree(posted, sink)
    assert owners == {f"one#1/{child.pid}" for child in server.children}
