"""What is accepted gets its place in a stream: once, in order, and with the books right, whoever moves it."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from mailq.core.delivery import State as Delivery
from mailq.core.mailing import Books, Lane, State
from mailq.core.outcome import Rejected
from mailq.core.suppression import Reason
from mailq.engine import messages, steering, streams
from mailq.engine.letters import LetterPress
from mailq.engine.mover import Mover
from mailq.store import content, mailings, suppressions
from mailq.store.database import Database
from mailq.store.deliveries import Work
from tests.support.mailings import recount
from tests.support.waiting import eventually

ORGANIZATION = 1
WORDS = {"subject": "Your code", "sender": "Shop <shop@x.example>", "text": "It is 42."}


def order(to="ann@x.example", **changed):
    return messages.order(to=to, **(WORDS | changed))


def accept(database, *orders):
    with database.begin() as tx:
        return messages.accept(tx, ORGANIZATION, orders)


def found(database, taken):
    with database.begin() as tx:
        return messages.find(tx, ORGANIZATION, taken.public_id)


def standing(database):
    """The streams, the oldest first, as their summaries."""
    with database.begin() as tx:
        return mailings.summaries(tx)[::-1]


def rows(database, statement, **facts):
    with database.begin() as tx:
        return tx.execute(text(statement), facts).all()


def test_messages_get_consecutive_seqs_in_one_batch_of_a_running_stream(database):
    taken = accept(database, *[order(f"r{number}@x.example") for number in range(5)])
    assert streams.move(database) == streams.Moved(5, frozenset({Lane.TRANSACTIONAL}))
    [stream] = standing(database)
    assert (stream.mailing.name, stream.mailing.state, stream.num_batches) == ("messages", State.RUNNING, 1)
    assert stream.books == Books(num_profiles=5, num_pending=5)
    assert [(each.mailing, each.seq, each.state) for each in (found(database, one) for one in taken)] == [
        (stream.mailing.public_id, seq, "pending") for seq in range(1, 6)
    ]


def test_the_next_messages_follow_in_a_new_batch(database):
    for count in (2, 3):
        accept(database, *[order()] * count)
        streams.move(database)
    [stream] = standing(database)
    assert (stream.mailing.num_loaded, stream.num_batches) == (5, 2)
    spans = rows(database, "SELECT number, first_seq, last_seq FROM batch ORDER BY number")
    assert spans == [(1, 1, 2), (2, 3, 5)]


def test_what_has_a_place_is_kept_short_in_the_inbox_and_the_delivery_has_the_words(database):
    accept(database, order(text="It is {{ 7 }}", to_name="Ann"))
    streams.move(database)
    [row] = rows(database, "SELECT content, address, variables, seq FROM inbox")
    assert row == (None, None, None, 1)
    [sent] = rows(database, "SELECT address, variables FROM delivery")
    assert sent.address == "ann@x.example"
    assert sent.variables["text"] == "It is {{ 7 }}"


def test_an_empty_inbox_moves_nothing(database):
    assert streams.move(database) == streams.Moved()
    assert standing(database) == []


def test_messages_of_different_content_lane_or_policy_go_into_streams_of_their_own_in_one_step(database):
    kinds = [
        order(),
        order(html="<b>42</b>"),
        order(lane="bulk"),
        order(doubt_policy="resend"),
        order(subject="Code for {{ name }}", variables={"name": "Ann"}),
        messages.ready_made(b"From: shop@x.example\r\nSubject: x\r\n\r\nhello\r\n", "ann@x.example", "bounces@x.example"),
    ]
    accept(database, *kinds, *kinds)
    assert streams.move(database) == streams.Moved(12, frozenset({Lane.TRANSACTIONAL, Lane.BULK}))
    names = Counter(each.mailing.name for each in standing(database))
    assert names == {"messages": 4, f"messages of template {kinds[4].content.digest()[:8]}": 1, "ready-made messages": 1}
    assert {each.books.num_profiles for each in standing(database)} == {2}


def test_an_address_may_get_as_many_messages_as_it_is_sent(database):
    accept(database, order(), order(), order("ANN@x.example"))
    streams.move(database)
    assert standing(database)[0].books.num_pending == 3


def test_who_complained_or_bounced_gets_no_message_and_who_unsubscribed_gets_his_receipt(database):
    with database.begin() as tx:
        for reason in Reason:
            suppressions.add(tx, ORGANIZATION, f"{reason}@x.example", reason)
    accept(database, *[order(f"{reason.upper()}@x.example") for reason in Reason], order())
    accept(database, *[order(f"{reason}@x.example", lane="normal") for reason in Reason])
    streams.move(database)
    skipped = rows(
        database, "SELECT lower(address) AS address, reply, variables FROM delivery WHERE state = 'skipped' ORDER BY seq"
    )
    transactional = ["complained", "bounced", "manual"]
    assert sorted(row.reply for row in skipped) == sorted(f"suppressed: {reason}" for reason in [*transactional, *Reason])
    assert {row.address == f"{row.reply.removeprefix('suppressed: ')}@x.example" for row in skipped} == {True}
    assert [row.variables for row in skipped] == [{}] * 7
    books = {each.mailing.lane: (each.books.num_pending, each.books.num_skipped) for each in standing(database)}
    assert books == {Lane.TRANSACTIONAL: (2, 3), Lane.NORMAL: (0, 4)}
    assert [row.state for row in rows(database, "SELECT state FROM batch ORDER BY num_profiles")] == ["finished", "ready"]


def test_a_batch_takes_so_many_messages_and_so_many_bytes(database, monkeypatch):
    monkeypatch.setattr("mailq.core.stream.MOST_DELIVERIES", 3)
    monkeypatch.setattr("mailq.core.stream.MOST_BYTES", 1000)
    large = {"text": "x" * 900}
    accept(database, *[order()] * 4, order(**large), order(**large), order())
    streams.move(database)
    assert rows(database, "SELECT num_profiles FROM batch ORDER BY number") == [(3,), (1,), (1,), (1,), (1,)]


def test_a_step_takes_so_many_bytes_and_always_one_message(database, monkeypatch):
    monkeypatch.setattr(streams, "BYTES_A_STEP", 10)
    accept(database, order(), order())
    steps = [streams.move(database) for _ in range(3)]
    assert [(moved.num, moved.more) for moved in steps] == [(1, True), (1, False), (0, False)]


def test_a_step_takes_so_many_messages_and_says_that_there_are_more(database, monkeypatch):
    monkeypatch.setattr(streams, "MESSAGES_A_STEP", 2)
    accept(database, *[order()] * 5)
    steps = [streams.move(database) for _ in range(3)]
    assert [(moved.num, moved.more) for moved in steps] == [(2, True), (2, True), (1, False)]


def test_a_step_that_dies_leaves_everything_as_it_was(database, monkeypatch):
    """Between the new deliveries and the inbox that forgets them."""
    accept(database, order(), order())
    with monkeypatch.context() as patched:
        patched.setattr("mailq.store.streams._COUNTED", text("SELECT 1 / 0, :ids, :nums"))
        with pytest.raises(Exception, match="division by zero"):
            streams.move(database)
    assert rows(database, "SELECT FROM delivery") == rows(database, "SELECT FROM batch") == []
    assert streams.move(database).num == 2
    assert standing(database)[0].books == Books(num_profiles=2, num_pending=2)


def test_messages_that_commit_late_are_moved_all_the_same(database):
    """Producers commit in any order: an earlier row may appear after a later one has its place."""
    with database.engine.connect() as connection, connection.begin() as slow:
        [late] = messages.accept(connection, ORGANIZATION, [order("late@x.example")])
        [early] = accept(database, order("early@x.example"))
        assert streams.move(database).num == 1
        slow.commit()
    assert streams.move(database).num == 1
    assert [found(database, one).seq for one in (early, late)] == [1, 2]


def test_two_movers_at_once_give_every_message_one_place(database):
    """Each takes what the other has not locked; seqs stay without a gap, batches too."""
    orders = [order(f"r{number}@x.example", lane=lane) for number in range(150) for lane in ("transactional", "bulk")]
    for start in range(0, 300, 20):
        accept(database, *orders[start : start + 20])

    def move(_):
        return sum(iter(lambda: streams.move(database).num, 0))

    def moved_at_last():
        return streams.move(database).num if rows(database, "SELECT FROM inbox WHERE mailing_id IS NULL") else 0

    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(4) as pool:
        patched.setattr(streams, "MESSAGES_A_STEP", 7)
        num = sum(pool.map(move, range(4)))
        # Who finds all streams locked ends early; he does not wait.
        assert num + sum(iter(moved_at_last, 0)) == 300
    assert rows(database, "SELECT FROM inbox WHERE mailing_id IS NULL") == []
    with database.begin() as tx:
        for each in mailings.summaries(tx):
            assert each.books == recount(tx, each.mailing.id) == Books(num_profiles=150, num_pending=150)
            seqs = tx.execute(text("SELECT seq FROM delivery WHERE mailing_id = :id ORDER BY seq"), {"id": each.mailing.id})
            assert list(seqs.scalars()) == list(range(1, 151))
            spans = tx.execute(
                text("SELECT number, first_seq, last_seq FROM batch WHERE mailing_id = :id ORDER BY 1"), {"id": each.mailing.id}
            ).all()
            assert [row.number for row in spans] == list(range(1, len(spans) + 1))
            assert [row.first_seq for row in spans] == [1, *[row.last_seq + 1 for row in spans[:-1]]]


def test_a_mover_leaves_alone_what_another_one_has_locked(database):
    accept(database, order("a@x.example"))
    with database.engine.connect() as connection, connection.begin():
        connection.execute(text("SELECT FROM inbox FOR UPDATE"))
        accept(database, order("b@x.example"))
        assert streams.move(database).num == 1
    assert streams.move(database).num == 1


def test_two_movers_open_a_stream_once(database):
    with ThreadPoolExecutor(1) as pool:
        accept(database, order("a@x.example"))
        with database.engine.connect() as connection, connection.begin() as first:
            mover = Lent(connection)
            assert streams.move(mover).num == 1
            accept(database, order("b@x.example"))
            second = pool.submit(streams.move, database)
            eventually(lambda: rows(database, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), within=10)
            first.commit()
        assert second.result(10).num == 1
    [stream] = standing(database)
    assert (stream.mailing.num_loaded, stream.num_batches) == (2, 2)


def test_a_stream_that_a_producer_steers_in_an_open_transaction_keeps_no_other_waiting(database, monkeypatch):
    """However many messages it has; they get their places when he is done."""
    accept(database, order())
    streams.move(database)
    [steered] = standing(database)
    monkeypatch.setattr(streams, "MESSAGES_A_STEP", 2)
    with database.engine.connect() as connection, connection.begin() as producers:
        connection.execute(text("SET LOCAL statement_timeout = '5s'"))
        steering.pause(Lent(connection), steered.mailing.public_id)
        accept(database, *[order()] * 5, order(lane="bulk"))
        assert Mover(impatient(database), Ringing()).move() == 1
        assert [each.mailing.num_loaded for each in standing(database)] == [1, 1]
        producers.commit()
    assert Mover(database, Ringing()).move() == 5
    assert [(each.mailing.state, each.mailing.num_loaded) for each in standing(database)] == [
        (State.PAUSED, 6),
        (State.RUNNING, 1),
    ]


def test_messages_of_a_locked_stream_open_no_second_one_and_are_left_out_of_the_next_step(database):
    accept(database, order())
    streams.move(database)
    with database.engine.connect() as connection, connection.begin():
        connection.execute(text("SELECT FROM mailing FOR UPDATE"))
        accept(database, order())
        moved = streams.move(impatient(database))
        assert (moved.num, moved.lanes, moved.more, len(moved.busy)) == (0, frozenset(), True, 1)
        assert streams.move(database, without=moved.busy) == streams.Moved()
    assert len(standing(database)) == 1


@pytest.mark.parametrize(
    "unreadable", ['{"subject": "s", "sender": "a@x.example", "text": "t", "colour": "red"}', "{}", "[1]", "null"]
)
def test_a_message_that_the_leader_cannot_read_keeps_no_other_waiting(database, unreadable):
    """Written by a later release, or by hand. It becomes a delivery that its worker cannot make."""
    with database.begin() as tx:
        messages.accept(tx, ORGANIZATION, [order(lane="bulk")])
        tx.execute(text("UPDATE inbox SET content = CAST(:content AS jsonb)"), {"content": unreadable})
    accept(database, order())
    assert streams.move(database).num == 2
    assert [(each.mailing.name, each.books.num_pending) for each in standing(database)] == [("messages", 1)] * 2
    with database.begin() as tx:
        [bulk] = [each.mailing for each in mailings.summaries(tx) if each.mailing.lane is Lane.BULK]
        facts = content.of_mailing(tx, bulk.id)
    make = LetterPress("secret", domain=None, clock=time.monotonic).maker(facts, datetime.now(UTC))
    assert isinstance(make(Work(1, "ann@x.example", {}, 0, Delivery.PENDING)), Rejected)


class Ringing:
    """Rings for nothing."""

    def top_up(self, lane):
        """As a dispatcher."""


def impatient(database):
    """The same database, for whom no statement waits long."""
    return Database(database.url.render_as_string(hide_password=False), statement_timeout_ms=3000)


class Lent:
    """A transaction that its owner commits."""

    def __init__(self, connection):
        self._connection = connection

    def begin(self):
        return nullcontext(self._connection)


def test_a_new_month_opens_a_new_stream(database):
    accept(database, order())
    streams.move(database)
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET open_until = date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"))
    accept(database, order())
    streams.move(database)
    first, second = standing(database)
    assert (first.mailing.num_loaded, second.mailing.num_loaded) == (1, 1)
    assert second.mailing.open_until > datetime.now(UTC) >= first.mailing.open_until


def test_a_paused_stream_takes_messages_and_sends_them_when_it_goes_on(database):
    accept(database, order())
    streams.move(database)
    [stream] = standing(database)
    steering.pause(database, stream.mailing.public_id)
    accept(database, order())
    streams.move(database)
    assert standing(database)[0].books.num_pending == 2
    assert steering.resume(database, stream.mailing.public_id).state is State.RUNNING


def test_a_cancelled_stream_keeps_what_it_had_and_the_next_message_opens_another(database):
    accept(database, order())
    streams.move(database)
    steering.cancel(database, standing(database)[0].mailing.public_id)
    [taken] = accept(database, order())
    streams.move(database)
    cancelled, running = standing(database)
    assert (cancelled.mailing.state, cancelled.books) == (State.CANCELLED, Books(num_profiles=1, num_skipped=1))
    assert (running.mailing.state, running.books) == (State.RUNNING, Books(num_profiles=1, num_pending=1))
    assert found(database, taken).mailing == running.mailing.public_id


def test_a_message_counts_its_age_from_its_own_batch(database):
    """The stream may be weeks old."""
    accept(database, order())
    streams.move(database)
    [stream] = standing(database)
    claimed = datetime(2030, 1, 1, tzinfo=UTC)
    with database.begin() as tx:
        assert content.of_mailing(tx, stream.mailing.id).began(claimed) == claimed
