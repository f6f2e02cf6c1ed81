"""What the relay says about single recipients: not now, never, and nothing at all."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from mailq.core.batch import State as BatchState
from mailq.core.delivery import State
from mailq.core.outcome import Doubt
from mailq.store.tables import batch, delivery
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

ODD_ONE = "r7@example.com"


def test_a_recipient_put_off_once_is_sent_at_the_second_attempt(submit, start_server, sink, database):
    """451 at RCPT: the batch waits until the first retry is due, and is woken by upkeep."""
    sink.rules("tempfail=451 4.2.1 mailbox busy times=1")
    start_server(retry__first="300ms")
    posted = submit(60, batch_size=30)

    eventually(lambda: posted.finished, within=20)

    assert ledgers_agree(posted, sink).num_sent == 60
    assert {row.attempts for row in deliveries(database, posted)} == {2}


@pytest.mark.slow
def test_a_deferred_recipient_is_due_after_the_first_wait_and_its_batch_with_it(submit, start_server, sink, database):
    """The time of a retry is kept in Postgres alone; the others of the batch are sent meanwhile."""
    sink.rules(f"address={ODD_ONE} tempfail=451 4.2.1 mailbox busy")
    start_server(retry__first="1h")
    posted = submit(30)

    eventually(lambda: posted.batches()[0][1] is BatchState.WAITING)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_deferred) == (29, 1)
    (put_off,) = [row for row in deliveries(database, posted) if row.state == State.DEFERRED]
    assert (put_off.address, put_off.attempts, put_off.reply) == (ODD_ONE, 1, "451 4.2.1 mailbox busy")
    with database.begin() as tx:
        now, due_at = tx.execute(select(func.now(), batch.c.due_at)).one()
    assert due_at == put_off.due_at
    assert timedelta(minutes=45) < due_at - now < timedelta(minutes=75)


@pytest.mark.slow
def test_a_recipient_put_off_for_ever_becomes_an_error_when_its_attempts_are_spent(submit, start_server, sink, database):
    """The mailing is finished: one recipient does not keep it open for days."""
    sink.rules(f"address={ODD_ONE} tempfail=451 4.2.1 mailbox busy")
    start_server(retry__first="100ms", retry__factor=1, retry__max_attempts=3)
    posted = submit(30)

    eventually(lambda: posted.finished, within=20)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_errors) == (29, 1)
    (failed,) = [row for row in deliveries(database, posted) if row.state == State.ERROR]
    assert (failed.address, failed.attempts, failed.reply) == (ODD_ONE, 3, "451 4.2.1 mailbox busy")


@pytest.mark.slow  # the demo has such recipients, tests/integration/engine/test_executor.py their words
def test_a_recipient_refused_for_good_is_an_error_with_the_relays_words(submit, start_server, sink, database):
    """550 is the end of it; the pipelined neighbours are not touched."""
    sink.rules("address=r?@example.com reject=550 5.1.1 no such user")
    start_server()
    posted = submit(60, batch_size=30)

    eventually(lambda: posted.finished)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_errors, books.num_deferred) == (51, 9, 0)
    failed = [row for row in deliveries(database, posted) if row.state == State.ERROR]
    assert {row.address for row in failed} == {f"r{number}@example.com" for number in range(1, 10)}
    assert {(row.attempts, row.reply) for row in failed} == {(1, "550 5.1.1 no such user")}


def test_a_message_accepted_without_a_reply_is_in_doubt_and_never_sent_again(submit, start_server, sink, database):
    """The relay took the message and hung up. Under `hold` a person decides; the address is listed."""
    doubts_after(submit, start_server, sink, database, drop="after-dot")
    assert sink.accepted_recipients.count(ODD_ONE) == 1


@pytest.mark.slow
def test_a_message_dropped_after_its_dot_is_in_doubt_as_well(submit, start_server, sink, database):
    """From our side of the wire it looks the same: nobody can know."""
    doubts_after(submit, start_server, sink, database, drop="after-dot-unaccepted")
    assert ODD_ONE not in sink.accepted_recipients


def test_a_message_dropped_before_its_dot_is_sent_again_without_doubt(submit, start_server, sink, database):
    """No dot, no mail (RFC 5321 section 4.1.1.4): trying again is safe, and costs no attempt."""
    sink.rules(f"address={ODD_ONE} at=data drop=now times=1")
    start_server()
    posted = submit(60, batch_size=30)

    eventually(lambda: posted.finished, within=15)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (60, 0)
    assert {row.attempts for row in deliveries(database, posted)} == {1}


@pytest.mark.slow
def test_a_small_message_whose_relay_hangs_up_at_its_first_byte_is_in_doubt(submit, start_server, sink, database):
    """Its dot had left in the same segment: what the relay has read of it nobody on our side can know."""
    doubts_after(submit, start_server, sink, database, drop="before-dot")
    assert ODD_ONE not in sink.accepted_recipients


def doubts_after(submit, start_server, sink, database, *, drop):
    """Send a mailing whose one message gets no reply to its dot, and look at the books."""
    sink.rules(f"address={ODD_ONE} drop={drop}")
    start_server()
    posted = submit(60, batch_size=30)

    eventually(lambda: posted.finished, within=15)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (59, 1)
    (doubt,) = [row for row in deliveries(database, posted) if row.state == State.IN_DOUBT]
    assert (doubt.address, doubt.doubt) == (ODD_ONE, Doubt.RELAY_CLOSED)


def deliveries(database, posted):
    """Every row of a mailing."""
    with database.begin() as tx:
        return tx.execute(select(delivery).where(delivery.c.mailing_id == posted.mailing_id).order_by(delivery.c.seq)).all()
