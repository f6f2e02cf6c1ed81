"""What became of deliveries is written as it was decided, whatever a relay said."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from mailq.core.delivery import WORKABLE, Change, State
from mailq.core.outcome import Doubt
from mailq.errors import BooksDiffer
from mailq.store import batches, deliveries
from mailq.store.deliveries import Settled
from tests.support.mailings import make_mailing, make_owner

THIS_MONTH, NEXT_MONTH = datetime(2030, 1, 31, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC)
EARLIER = datetime(2021, 2, 3, tzinfo=UTC)
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


def test_a_worklist_holds_what_is_workable_and_nothing_else(tx):
    claim = batches.claim(tx, make_mailing(tx, [len(State)]).batches[0], owner=make_owner(tx))
    statement = text("""
UPDATE delivery SET state = :state, due_at = :due_at, doubt = :doubt, skip = :skip WHERE mailing_id = :id AND seq = :seq
""")
    told = {
        State.DEFERRED: {"due_at": EARLIER},
        State.IN_DOUBT: {"doubt": Doubt.TIMEOUT},
        State.SKIPPED: {"skip": "invalid"},
    }
    for seq, state in enumerate(State, claim.first_seq):
        facts = dict.fromkeys(("due_at", "doubt", "skip")) | told.get(state, {})
        tx.execute(statement, facts | {"state": state, "id": claim.mailing_id, "seq": seq})
    assert {work.state for work in deliveries.worklist(tx, claim)} == WORKABLE


def test_one_connection_works_mailings_of_several_months(tx):
    """What it prepared for one month it does not take for another, whichever comes first."""
    owner = make_owner(tx)
    both = [batches.claim(tx, make_mailing(tx, [3], now=month).batches[0], owner=owner) for month in (THIS_MONTH, NEXT_MONTH)]
    for held in both + both:
        [first, *_] = deliveries.worklist(tx, held)
        deliveries.settle(tx, held, [Settled(first.seq, first.state, Change(State.SENT, reply="250 ok"))], relay=None)
    assert [deliveries.left(tx, held).pending for held in both] == [1, 1]
