"""`mailing verify` counts again: right books pass, a doctored one is an alarm with numbers, and nothing is repaired."""

import pytest
from sqlalchemy import text

from mailq.store import batches, mailings
from tests.support.mailings import finish_batch, make_mailing, make_owner


@pytest.fixture
def made(database):
    """Two batches, the first of them sent."""
    with database.begin() as tx:
        made = make_mailing(tx, [3, 3])
        tx.execute(text("UPDATE mailing SET num_loaded = 6"))
        finish_batch(tx, made.batches[0], make_owner(tx))
    return made


def doctor(database, statement):
    with database.begin() as tx:
        tx.execute(text(statement))


def test_books_that_are_right_say_so(mailqctl, made):
    done = mailqctl("mailing", "verify", made.public_id)

    assert done.code == 0, done.out
    assert "counted 6 deliveries of 1 mailings: the books are right" in done.err


def test_a_batch_in_work_is_judged_at_one_moment(mailqctl, made, database):
    with database.begin() as tx:
        batches.claim(tx, made.batches[1], owner=make_owner(tx))

    assert mailqctl("mailing", "verify", made.public_id).code == 0


@pytest.mark.parametrize(
    ("statement", "batch", "what", "books", "deliveries"),
    [
        ("UPDATE batch SET num_sent = 2, num_errors = 1 WHERE number = 1", 1, "num_sent", "2", "3"),
        ("UPDATE delivery SET state = 'pending' WHERE seq = 2", 1, "finished, with deliveries still to send", "0", "1"),
        ("UPDATE batch SET num_skipped = 1 WHERE number = 2", 2, "num_skipped", "1", "0"),
        ("DELETE FROM delivery WHERE seq = 6", 2, "seqs", "4-6", "4-5"),
        ("DELETE FROM batch WHERE number = 2", None, "deliveries of a batch that is not there", "0", "3"),
        ("UPDATE mailing SET num_loaded = 7", None, "num_loaded", "7", "6"),
        ("UPDATE mailing SET state = 'finished'", None, "finished, with batches that are not done", "0", "1"),
    ],
)
def test_a_doctored_book_is_an_alarm_and_stays_as_it_is(mailqctl, made, database, statement, batch, what, books, deliveries):
    doctor(database, statement)

    done = mailqctl("mailing", "verify", made.public_id, "--json")

    assert done.code == 1
    assert "nothing was changed" in done.err
    assert {"batch": batch, "what": what, "kept": books, "counted": deliveries} in done.document[0]["differences"]
    assert mailqctl("mailing", "verify", made.public_id, "--json").document == done.document


def test_all_mailings_can_be_verified_at_once(mailqctl, made, database):
    with database.begin() as tx:
        other = make_mailing(tx, [2])
        tx.execute(text("UPDATE mailing SET num_loaded = 2 WHERE id = :id"), {"id": other.id})
    assert mailqctl("mailing", "verify", "--all").code == 0

    doctor(database, f"UPDATE batch SET num_errors = 1 WHERE mailing_id = {other.id}")

    done = mailqctl("mailing", "verify", "--all")
    assert done.code == 1
    assert [line.split()[:5] for line in done.out.splitlines()[1:]] == [
        [other.public_id, "1", "num_pending", "1", "2"],
        [other.public_id, "1", "num_errors", "1", "0"],
    ]


def test_one_mailing_or_all_must_be_said(mailqctl, made):
    assert mailqctl("mailing", "verify").code == 2
    assert mailqctl("mailing", "verify", made.public_id, "--all").code == 2
    assert mailqctl("mailing", "verify", "none").code == 4


def test_show_says_where_to_look_when_a_mailing_does_not_finish(mailqctl, made, database):
    with database.begin() as tx:
        finish_batch(tx, made.batches[1], make_owner(tx))
        assert not mailings.get(tx, made.id).finished_at

    assert f"`mailqctl mailing verify {made.public_id}` shows where" in mailqctl("mailing", "show", made.public_id).out
