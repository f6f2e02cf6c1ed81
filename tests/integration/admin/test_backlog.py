"""The backlog: counted where it is, as old as it is, and of mailings that run alone."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.admin import backlog
from mailq.core.mailing import Lane, State
from mailq.store import batches
from tests.support.mailings import finish_batch, make_owner


@pytest.fixture
def lanes(database):
    """What waits, by lane."""
    return lambda: {each.lane: each for each in backlog.of(database)}


def age(database, made, seconds):
    """Let a mailing have run for so long."""
    with database.begin() as tx:
        facts = {"id": made.id, "by": timedelta(seconds=seconds)}
        tx.execute(text("UPDATE mailing SET started_at = started_at - :by WHERE id = :id"), facts)
        tx.execute(text("UPDATE batch SET ready_at = ready_at - :by WHERE mailing_id = :id"), facts)


def test_where_there_is_nothing_nothing_waits(lanes):
    assert list(lanes()) == list(Lane)
    for each in lanes().values():
        assert (each.num_ready, each.num_pending, each.num_inbox, each.num_slots) == (0, 0, 0, 0)
        assert each.oldest_ready_age is None
        assert each.oldest_inbox_age is None


def test_batches_and_deliveries_are_counted_in_their_lane(database, lanes, make):
    made = make((3, 4, 5, 6))
    make((7,), lane=Lane.NORMAL)
    make((9,), state=State.PAUSED)
    make((9,), state=State.CANCELLED)
    with database.begin() as tx:
        owner = make_owner(tx, slots={"bulk": 3})
        finish_batch(tx, made.batches[0], owner)
        batches.claim(tx, made.batches[1], owner=owner)
        waiting = "UPDATE batch SET state = 'waiting', due_at = now() WHERE id = :id"
        tx.execute(text(waiting), {"id": made.batches[2]})

    bulk, normal = lanes()[Lane.BULK], lanes()[Lane.NORMAL]
    assert (bulk.num_ready, bulk.num_leased, bulk.num_waiting, bulk.num_pending) == (1, 1, 1, 15)
    assert bulk.num_slots == 3
    assert (normal.num_ready, normal.num_pending, normal.num_slots) == (1, 7, 0)


def test_the_oldest_batch_that_nobody_works_says_how_late_we_are(database, lanes, make):
    old, young = make(), make()
    age(database, old, 600)
    age(database, young, 60)
    assert timedelta(seconds=600) <= lanes()[Lane.BULK].oldest_ready_age < timedelta(seconds=660)
    with database.begin() as tx:
        batches.claim(tx, old.batches[0], owner=make_owner(tx))
    assert timedelta(seconds=60) <= lanes()[Lane.BULK].oldest_ready_age < timedelta(seconds=120)


def test_a_batch_that_was_not_due_has_not_waited(database, lanes, make):
    made = make()
    age(database, made, 600)
    with database.begin() as tx:
        tx.execute(text("UPDATE batch SET state = 'waiting', due_at = now()"))
        assert batches.wake_due(tx) == 1
    assert lanes()[Lane.BULK].oldest_ready_age < timedelta(seconds=60)


def test_messages_that_are_in_no_stream_yet_wait_too(database, lanes, us):
    with database.begin() as tx:
        tx.execute(
            text("""
            INSERT INTO inbox (public_id, organization_id, digest, stream, lane, doubt_policy, content, address, variables,
                               size_bytes, accepted_at)
            VALUES ('msg_1', :us, '', '', 'transactional', 'hold', '{}', 'a@x.example', '{}', 0, now() - interval '5 minutes')"""),
            {"us": us},
        )
    found = lanes()[Lane.TRANSACTIONAL]
    assert found.num_inbox == 1
    assert timedelta(minutes=5) <= found.oldest_inbox_age < timedelta(minutes=6)
