"""One worker process's hands on a real ledger and a real relay: what it says is sent is what the relay has taken."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from mailq.core.mailing import Books, State
from mailq.core.message import Content
from mailq.engine import steering
from mailq.engine.restarter import Restarter
from mailq.store import batches, leases, mailings
from tests.support.mailings import books_of, make_mailing, make_owner
from tests.support.waiting import eventually
from tests.support.workers import hands


@pytest.fixture
def send(database, sink):
    """Make a mailing and work it to the end; its books, checked against a recount and the sink."""

    def send(sizes=(5,), *, until_idle=True, **options):
        with database.begin() as tx:
            made = make_mailing(tx, sizes, **options)
        with hands(database, sink.url) as worker:
            worker.work_until_idle()
        return made

    return send


def sent_addresses(database, made):
    with database.begin() as tx:
        query = "SELECT address FROM delivery WHERE mailing_id = :id AND state = 'sent'"
        return sorted(tx.execute(text(query), {"id": made.id}).scalars())


def state_of(database, made):
    with database.begin() as tx:
        return mailings.get(tx, made.id).state


def wake(database):
    """Let what waits be due."""
    with database.begin() as tx:
        tx.execute(text("UPDATE batch SET due_at = now() WHERE state = 'waiting'"))
        tx.execute(text("UPDATE delivery SET due_at = now() - interval '1 hour' WHERE state = 'deferred'"))
        batches.wake_due(tx)


def test_every_recipient_gets_one_mail_and_the_mailing_is_finished(database, sink, send):
    made = send([40, 40, 7])
    assert books_of(database, made) == Books(num_profiles=87, num_sent=87)
    assert sorted(sink.accepted_recipients) == sent_addresses(database, made)
    assert state_of(database, made) is State.FINISHED


def test_a_ring_for_what_cannot_be_claimed_does_nothing(database, sink, send):
    made = send()
    with hands(database, sink.url) as worker:
        assert worker.executor.work(made.batches[0]) == "nothing to claim"
        assert worker.executor.work(10**15) == "nothing to claim"
    assert len(sink.accepted) == 5


def test_rejected_recipients_are_errors_with_the_relays_words(database, sink, send):
    sink.rules("address=r2@* reject=550 5.1.1 no such user")
    made = send()
    assert books_of(database, made) == Books(num_profiles=5, num_sent=4, num_errors=1)
    with database.begin() as tx:
        assert tx.execute(text("SELECT reply FROM delivery WHERE state = 'error'")).scalar_one() == "550 5.1.1 no such user"


def test_a_tempfail_is_put_off_and_sent_in_a_later_pass(database, sink, send):
    sink.rules("address=r2@* tempfail times=1")
    made = send()
    assert books_of(database, made).num_deferred == 1
    assert state_of(database, made) is State.RUNNING
    wake(database)
    with hands(database, sink.url) as worker:
        worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=5, num_sent=5)
    assert sorted(sink.accepted_recipients) == sent_addresses(database, made)


def test_attempts_come_to_an_end(database, sink, send):
    sink.rules("address=r2@* tempfail")
    made = send()
    for _ in range(2):
        wake(database)
        with hands(database, sink.url) as worker:
            worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=5, num_sent=4, num_errors=1)
    with database.begin() as tx:
        assert tx.execute(text("SELECT attempts FROM delivery WHERE state = 'error'")).scalar_one() == 3


def test_a_retry_is_the_same_message_byte_for_byte(database, sink, send):
    sink.rules("address=r1@* at=dot tempfail times=1", "address=r2@* drop=after-dot-unaccepted times=1")
    made = send([1])
    wake(database)
    with hands(database, sink.url) as worker:
        worker.work_until_idle()
    first = sink.accepted[0].content
    with database.begin() as tx:
        tx.execute(text("UPDATE delivery SET state = 'pending', pass = 0 WHERE mailing_id = :id"), {"id": made.id})
        tx.execute(text("UPDATE batch SET state = 'ready', num_sent = 0, finished_at = NULL"))
        tx.execute(text("UPDATE mailing SET state = 'running'"))
    with hands(database, sink.url) as worker:
        worker.work_until_idle()
    assert len(sink.accepted) == 2
    assert sink.accepted[1].content == first


def test_a_dot_without_a_reply_is_in_doubt_and_stays_there(database, sink, send):
    sink.rules("address=r3@* drop=after-dot")
    made = send([4])
    assert books_of(database, made) == Books(num_profiles=4, num_sent=3, num_in_doubt=1)
    assert state_of(database, made) is State.FINISHED
    assert sink.accepted_recipients.count("r3@example.org") == 1
    with database.begin() as tx:
        assert tx.execute(text("SELECT doubt FROM delivery WHERE state = 'in_doubt'")).scalar_one() == "relay_closed"


def test_a_dot_that_is_never_answered_is_in_doubt_for_the_timeout(database, sink):
    sink.rules("address=r1@* at=dot delay=60s")
    with database.begin() as tx:
        made = make_mailing(tx, [2])
    with hands(database, sink.url, dot_timeout=timedelta(milliseconds=300)) as worker:
        worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=2, num_sent=1, num_in_doubt=1)
    with database.begin() as tx:
        assert tx.execute(text("SELECT doubt FROM delivery WHERE state = 'in_doubt'")).scalar_one() == "timeout"


def test_a_connection_lost_before_the_dot_is_no_doubt(database, sink, send):
    sink.rules("address=r3@* at=data drop=now times=1")
    made = send([4])
    wake(database)
    with hands(database, sink.url) as worker:
        worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=4, num_sent=4)
    assert sorted(sink.accepted_recipients) == sent_addresses(database, made)


def test_a_relay_that_is_away_costs_no_recipient_an_attempt(database, sink):
    with database.begin() as tx:
        made = make_mailing(tx, [5, 5])
    sink.stop()
    with hands(database, sink.url, rest=timedelta(hours=1), max_rest=timedelta(hours=1)) as worker:
        said = [worker.executor.work(batch_id) for batch_id in made.batches]
        assert "relay rests" in said[1]
    with database.begin() as tx:
        assert set(tx.execute(text("SELECT state FROM batch")).scalars()) == {"waiting"}
        assert set(tx.execute(text("SELECT attempts FROM delivery")).scalars()) == {0}
    sink.start()
    wake(database)
    with hands(database, sink.url) as worker:
        worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=10, num_sent=10)


def test_a_missing_variable_fails_its_recipient_by_name(database, sink, send):
    content = Content(
        subject="Hi", sender="shop@example.org", text="Dear {{ name }}{% if '2' in name %}{{ coupon }}{% endif %}\n"
    )
    made = send([3], content=content)
    assert books_of(database, made) == Books(num_profiles=3, num_sent=2, num_errors=1)
    with database.begin() as tx:
        assert "coupon" in tx.execute(text("SELECT reply FROM delivery WHERE state = 'error'")).scalar_one()


def test_a_content_that_no_longer_compiles_fails_every_recipient_and_ends(database, sink):
    with database.begin() as tx:
        made = make_mailing(tx, [3])
        tx.execute(text("""UPDATE mailing SET content = content || '{"text": "{% if %}"}'"""))
    with hands(database, sink.url) as worker:
        worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=3, num_errors=3)


@pytest.mark.parametrize(("steer", "ends_as"), [(steering.pause, State.PAUSED), (steering.cancel, State.CANCELLED)])
def test_pause_and_cancel_take_effect_in_the_middle_of_a_batch(database, sink, steer, ends_as):
    sink.rules("delay=20ms at=dot")
    with database.begin() as tx:
        made = make_mailing(tx, [1000])
    with hands(database, sink.url) as worker:
        working = threading.Thread(target=worker.executor.work, args=(made.batches[0],))
        working.start()
        eventually(lambda: len(sink.accepted) > 20)
        steer(database, made.public_id)
        working.join(2)
        assert not working.is_alive()
    books = books_of(database, made)
    assert 20 < books.num_sent < 1000
    assert books.num_in_doubt == 0
    assert sorted(sink.accepted_recipients) == sent_addresses(database, made)
    assert state_of(database, made) is ends_as
    assert (books.num_skipped, books.num_pending) == ((1000 - books.num_sent, 0)[:: 1 if ends_as is State.CANCELLED else -1])


def test_a_paused_mailing_goes_on_where_it_stopped(database, sink):
    sink.rules("delay=10ms at=dot")
    with database.begin() as tx:
        made = make_mailing(tx, [200])
    with hands(database, sink.url) as worker:
        working = threading.Thread(target=worker.executor.work, args=(made.batches[0],))
        working.start()
        eventually(lambda: len(sink.accepted) > 20)
        steering.pause(database, made.public_id)
        working.join(5)
        sink.rules()
        steering.resume(database, made.public_id)
        worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=200, num_sent=200)
    assert sorted(sink.accepted_recipients) == sent_addresses(database, made)


def test_a_stopping_worker_waits_for_replies_and_hands_the_batch_back(database, sink):
    sink.rules("delay=100ms at=dot")
    stop = threading.Event()
    with database.begin() as tx:
        made = make_mailing(tx, [500])
    with hands(database, sink.url, stopping=stop.is_set) as worker:
        working = threading.Thread(target=worker.executor.work, args=(made.batches[0],))
        working.start()
        eventually(lambda: len(sink.accepted) > 4)
        stop.set()
        working.join(5)
        assert worker.executor.work(made.batches[0]) == "this worker is stopping"
    books = books_of(database, made)
    assert (books.num_in_doubt, books.num_sent) == (0, len(sink.accepted))
    with database.begin() as tx:
        assert tx.execute(text("SELECT state FROM batch")).scalar_one() == "ready"


def test_what_a_process_held_without_knowing_it_is_reclaimed_before_its_next_claim(database, sink):
    with database.begin() as tx:
        made = make_mailing(tx, [5, 5])
    with hands(database, sink.url) as worker:
        with database.begin() as tx:
            forgotten = batches.claim(tx, made.batches[0], owner=worker.owner)
        worker.executor.work(made.batches[1])
        with database.begin() as tx:
            assert leases.seize(tx, [forgotten]) == {}
        worker.work_until_idle()
    assert books_of(database, made) == Books(num_profiles=10, num_sent=10)


def test_a_batch_taken_away_in_mid_pass_stops_its_old_owner(database, sink):
    sink.rules("delay=20ms at=dot")
    with database.begin() as tx:
        made = make_mailing(tx, [1000])
    with hands(database, sink.url) as worker:
        said: list[str] = []
        working = threading.Thread(target=lambda: said.append(worker.executor.work(made.batches[0])))
        working.start()
        eventually(lambda: len(sink.accepted) > 20)
        assert eventually(lambda: take_away(database, worker.owner)) == 1
        working.join(5)
        assert said == ["the lease was lost"]
        books = books_of(database, made)
    assert books.num_sent <= len(sink.accepted) <= books.num_sent + books.num_in_doubt
    with database.begin() as tx:
        assert tx.execute(text("SELECT fence FROM batch")).scalar_one() == 2


def take_away(database, owner):
    """As another server does that believes this one dead."""
    return Restarter(database).of_server(owner.server_id, owner.incarnation)


def test_a_batch_is_handed_back_when_its_time_is_up(database, sink):
    sink.rules("delay=20ms at=dot")
    with database.begin() as tx:
        made = make_mailing(tx, [1000])
    with hands(database, sink.url, work_for=timedelta(milliseconds=200)) as worker:
        assert "ready" in worker.executor.work(made.batches[0])
    assert 0 < books_of(database, made).num_sent < 1000


def test_a_finishing_batch_tops_up_the_rings(database, sink):
    with database.begin() as tx:
        made = make_mailing(tx, [1] * 20)
        make_owner(tx, "web9:8851", slots={"bulk": 3})
    with hands(database, sink.url) as worker:
        worker.executor.work(made.batches[0])
        assert [ring.batch_id for ring in worker.doorbell.rung] == made.batches[1:11]
        assert worker.doorbell.rung[0].label == "mailing='Spring sale' batch=2/20"


class FailingWire:
    """A wire with a mistake in it: it takes letters, and then its program fails."""

    relay, sessions = "failing", 2

    async def carry(self, feed):
        feed.give_back(await feed.take())
        raise RuntimeError("a mistake")

    async def close(self):
        pass


def test_a_mistake_in_the_wire_puts_nothing_in_doubt_and_leaves_nothing_leased(database):
    with database.begin() as tx:
        made = make_mailing(tx, [20])
    with hands(database, "smtp://unused", wire=FailingWire(), rest=timedelta(hours=1)) as worker, pytest.raises(RuntimeError):
        worker.executor.work(made.batches[0])
    assert books_of(database, made) == Books(num_profiles=20, num_pending=20)
    with database.begin() as tx:
        assert tx.execute(text("SELECT state FROM batch")).scalar_one() == "waiting"


@pytest.mark.parametrize("steer", [steering.pause, steering.cancel])
def test_what_has_not_reached_its_dot_when_the_mailing_stops_does_not_leave(database, sink, steer):
    sink.rules("at=rcpt delay=1500ms")
    with database.begin() as tx:
        made = make_mailing(tx, [100])
    with hands(database, sink.url) as worker:
        working = threading.Thread(target=worker.executor.work, args=(made.batches[0],))
        working.start()
        eventually(lambda: made_progress(database))
        steer(database, made.public_id)
        working.join(10)
    assert sink.accepted == []
    assert books_of(database, made).num_in_doubt == 0


def made_progress(database):
    with database.begin() as tx:
        return tx.execute(text("SELECT watermark > 0 FROM batch")).scalar_one()


@pytest.mark.parametrize("days", [-1, 4])
def test_a_wrong_clock_of_the_worker_neither_hurries_nor_ends_retries(database, sink, days, monkeypatch):
    sink.rules("address=r1@* tempfail")
    with database.begin() as tx:
        made = make_mailing(tx, [1])
    monkeypatch.setattr("mailq.clock.utc_now", lambda: datetime.now(UTC) + timedelta(days=days))
    with hands(database, sink.url) as worker:
        worker.executor.work(made.batches[0])
    with database.begin() as tx:
        soon = "SELECT due_at BETWEEN now() - interval '1 minute' AND now() + interval '1 minute' FROM delivery"
        assert tx.execute(text(soon)).scalar_one()
