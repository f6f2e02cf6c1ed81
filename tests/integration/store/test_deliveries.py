"""What became of deliveries is written as it was decided, whatever a relay said."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from mailq.core.delivery import Change, State
from mailq.core.outcome import Doubt
from mailq.errors import BooksDiffer
from mailq.store import batches, deliveries
from mailq.store.deliveries import Settled
from tests.support.mailings import make_mailing, make_owner

LATER = datetime(2031, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
_AWKWARD = [
    "",
    " ",
    "NULL",
    "null",
    '"',
    "\\",
    '\\"',
    "{}",
    "{a,b}",
    "a,b",
    "250 it's fine",
    "line\nbreak\r",
    "%s %(x)s :y",
    "Grüße €",
]


@pytest.fixture
def held(tx):
    """A batch of many deliveries, claimed."""
    claim = batches.claim(tx, make_mailing(tx, [20]).batches[0], owner=make_owner(tx))
    assert claim is not None
    return claim


def stored(tx, held):
    statement = text("SELECT state, attempts, due_at, relay, reply, doubt FROM delivery WHERE mailing_id = :id ORDER BY seq")
    return [tuple(row) for row in tx.execute(statement, {"id": held.mailing_id})]


@pytest.mark.parametrize(
    "change",
    [
        Change(State.SENT, reply="250 2.0.0 Ok"),
        Change(State.ERROR, reply="550 5.1.1 no such user"),
        Change(State.DEFERRED, reply="450 later", due_at=LATER),
        Change(State.DEFERRED, reply="421 busy", due_at=LATER + timedelta(microseconds=1), attempts=0),
        Change(State.IN_DOUBT, doubt=Doubt.RELAY_CLOSED),
    ],
    ids=lambda change: change.state,
)
def test_every_change_is_written_as_it_was_decided(tx, held, change):
    deliveries.settle(tx, held, [Settled(held.first_seq, State.PENDING, change)], relay="relay:25")
    first, second, *_ = stored(tx, held)
    assert first == (change.state, change.attempts, change.due_at, "relay:25", change.reply, change.doubt)
    assert second == (State.PENDING, 0, None, None, None, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(_AWKWARD) | st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1, max_size=20)
)
def test_what_a_relay_said_is_kept_to_the_letter(tx, held, replies):
    point = tx.begin_nested()
    changes = [Settled(seq, State.PENDING, Change(State.ERROR, reply=reply)) for seq, reply in enumerate(replies, held.first_seq)]
    deliveries.settle(tx, held, changes, relay=None)
    assert [row[4] for row in stored(tx, held)][: len(replies)] == replies
    point.rollback()


def test_a_delivery_that_is_not_as_its_owner_knew_it_is_not_settled(tx, held):
    sent = Settled(held.first_seq, State.PENDING, Change(State.SENT, reply="250 ok"))
    deliveries.settle(tx, held, [sent], relay=None)
    with pytest.raises(BooksDiffer, match="1 deliveries to settle, 0 were as expected"):
        deliveries.settle(tx, held, [sent], relay=None)
