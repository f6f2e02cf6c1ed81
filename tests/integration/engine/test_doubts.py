"""Settling what is in doubt: the books follow, what is sent again is opened again, and nothing is settled twice."""

import pytest
from sqlalchemy import text

from mailq.core.batch import State as Batch
from mailq.core.delivery import Change, State
from mailq.core.in_doubt import Verdict
from mailq.core.mailing import Books, Lane
from mailq.core.mailing import State as Mailing
from mailq.core.outcome import Doubt
from mailq.engine import doubt_lists, doubts
from mailq.engine.doubt_lists import Named
from mailq.engine.doubts import Settled
from mailq.engine.ledger import Ledger
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import audit, batches, deliveries, leases, mailings
from mailq.store import doubts as store
from mailq.store.deliveries import Settled as Written
from tests.support.doubts import doubtful_mailing, require_balance
from tests.support.mailings import batch_row, make_mailing, make_owner, states

ANN = "ann@desk"


def resolve(database, made, verdict, who=2):
    return doubt_lists.resolve(database, [Named(made.public_id, who, verdict)], actor=ANN)


def row(database, made, seq):
    with database.begin() as tx:
        statement = text("SELECT * FROM delivery WHERE mailing_id = :m AND seq = :s")
        return tx.execute(statement, {"m": made.id, "s": seq}).mappings().one()


def state_of(database, made):
    with database.begin() as tx:
        return mailings.get(tx, made.id).state


def sql(database, statement):
    with database.begin() as tx:
        tx.execute(text(statement))


def snapshot(database):
    with database.begin() as tx:
        return [
            list(tx.execute(text(f"SELECT {table}::text FROM {table} ORDER BY 1")))
            for table in ("mailing", "batch", "delivery", "audit")
        ]


@pytest.fixture
def made(database):
    return doubtful_mailing(database)


def test_taken_for_sent_it_counts_as_sent(database, made):
    assert resolve(database, made, Verdict.SENT) == Settled(1)
    assert require_balance(database, made) == Books(num_profiles=5, num_sent=4, num_in_doubt=1)
    assert (row(database, made, 2)["reply"], state_of(database, made)) == ("taken for sent by ann@desk", Mailing.FINISHED)


def test_given_up_it_counts_as_an_error_and_says_by_whom(database, made):
    assert resolve(database, made, Verdict.ERROR, "R2@EXAMPLE.org") == Settled(1)
    assert require_balance(database, made) == Books(num_profiles=5, num_sent=3, num_errors=1, num_in_doubt=1)
    assert (row(database, made, 2)["reply"], state_of(database, made)) == ("given up by ann@desk", Mailing.FINISHED)


def test_sent_again_it_is_pending_and_opens_its_batch_and_its_mailing(database, made):
    assert resolve(database, made, Verdict.RESEND) == Settled(1, frozenset({Lane.BULK}))
    assert require_balance(database, made) == Books(num_profiles=5, num_sent=3, num_pending=1, num_in_doubt=1)
    assert state_of(database, made) is Mailing.RUNNING
    with database.begin() as tx:
        batch = batch_row(tx, made.batches[0])
        assert (batch["state"], batch["finished_at"]) == (Batch.READY, None)
        held = batches.claim(tx, made.batches[0], owner=make_owner(tx, "web2:8851"))
        assert [one.seq for one in deliveries.worklist(tx, held)] == [2]


def test_sent_again_and_sent_it_finishes_the_mailing_again(database, made):
    resolve(database, made, Verdict.RESEND)
    with database.begin() as tx:
        held = batches.claim(tx, made.batches[0], owner=make_owner(tx))
    ledger = Ledger(database, held, relay="relay:25")
    ledger.commit([Written(2, State.PENDING, Change(State.SENT, reply="250 ok"))], 5)
    ledger.close()
    assert require_balance(database, made) == Books(num_profiles=5, num_sent=4, num_in_doubt=1)
    assert state_of(database, made) is Mailing.FINISHED


def test_each_resolution_is_in_the_audit_with_what_was_known(database, made):
    resolve(database, made, Verdict.SENT)
    with database.begin() as tx:
        (entry,) = audit.of_delivery(tx, made.id, 2)
    assert (entry.actor, entry.action) == (ANN, "doubt.resolve")
    assert entry.details == {"reason": "relay_closed", "verdict": "sent", "relay": "smtp://relay:25"}


@pytest.mark.parametrize("again", Verdict)
@pytest.mark.parametrize("first", Verdict)
def test_a_doubt_is_resolved_once(database, made, first, again):
    resolve(database, made, first)
    before = snapshot(database)
    with pytest.raises(Conflict, match=rf"2 of mailing {made.public_id} is not in doubt: it is \w+\. Nothing was changed"):
        resolve(database, made, again)
    assert snapshot(database) == before


@pytest.mark.parametrize("verdict", Verdict)
def test_what_is_not_in_doubt_cannot_be_resolved(database, made, verdict):
    before = snapshot(database)
    with pytest.raises(Conflict, match="it is sent"):
        resolve(database, made, verdict, "r1@example.org")
    assert snapshot(database) == before


@pytest.mark.parametrize("who", [77, 2**40, "nobody@example.org"])
def test_who_is_no_recipient_is_not_found(database, made, who):
    with pytest.raises(NotFound, match=f"has no recipient {who}"):
        resolve(database, made, Verdict.SENT, who)


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_nothing_of_a_mailing_that_ended_early_is_sent_again(database, made, state):
    sql(database, f"UPDATE mailing SET state = '{state}'")
    before = snapshot(database)
    for attempt in (
        lambda: resolve(database, made, Verdict.RESEND),
        lambda: doubts.resolve_mailing(database, made.public_id, Verdict.RESEND, actor=ANN),
    ):
        with pytest.raises(Conflict, match=f"is {state}: nothing of it is sent any more"):
            attempt()
    assert snapshot(database) == before
    assert resolve(database, made, Verdict.SENT).num == 1


def test_nothing_is_sent_again_after_the_expiry_of_a_finished_mailing(database, made):
    sql(database, "UPDATE mailing SET expires_at = now() - interval '1 second'")
    with pytest.raises(Conflict, match="past its expiry"):
        resolve(database, made, Verdict.RESEND)


def test_a_whole_mailing_is_resolved_batch_by_batch(database):
    made = doubtful_mailing(database, [3, 3, 3], dict.fromkeys((1, 5, 6, 9), Doubt.TIMEOUT))
    assert doubts.resolve_mailing(database, made.public_id, Verdict.ERROR, actor=ANN) == Settled(4)
    assert require_balance(database, made) == Books(num_profiles=9, num_sent=5, num_errors=4)


def test_one_reason_is_resolved_and_the_others_stay(database):
    made = doubtful_mailing(database, [3, 3], {1: Doubt.TIMEOUT, 2: Doubt.HOST_LOST, 5: Doubt.HOST_LOST})
    settled = doubts.resolve_mailing(database, made.public_id, Verdict.RESEND, actor=ANN, reason=Doubt.HOST_LOST)
    assert settled.num == 2
    assert require_balance(database, made) == Books(num_profiles=6, num_sent=3, num_pending=2, num_in_doubt=1)
    with database.begin() as tx:
        assert states(tx, made.id)[1] == "in_doubt"


def test_a_mailing_without_doubt_is_refused(database, made):
    doubts.resolve_mailing(database, made.public_id, Verdict.SENT, actor=ANN)
    before = snapshot(database)
    with pytest.raises(Conflict, match=r"nothing of mailing .* is in doubt; nothing was changed"):
        doubts.resolve_mailing(database, made.public_id, Verdict.SENT, actor=ANN)
    with pytest.raises(Conflict, match="in doubt for the reason timeout"):
        doubts.resolve_mailing(database, made.public_id, Verdict.SENT, actor=ANN, reason=Doubt.TIMEOUT)
    assert snapshot(database) == before


def test_a_list_is_resolved_whole_each_by_its_own_verdict(database, made):
    other = doubtful_mailing(database, [3, 3], dict.fromkeys((1, 6), Doubt.TIMEOUT))
    named = [
        Named(other.public_id, 6, Verdict.RESEND, "line 2"),
        Named(made.public_id, "r4@example.org", Verdict.ERROR, "line 3"),
        Named(other.public_id, "R1@example.org", Verdict.SENT, "line 4"),
        Named(made.public_id, 2, Verdict.SENT, "line 5"),
    ]
    assert doubt_lists.check(database, named) == 4
    assert doubt_lists.resolve(database, named, actor=ANN) == Settled(4, frozenset({Lane.BULK}))
    assert require_balance(database, made) == Books(num_profiles=5, num_sent=4, num_errors=1)
    assert require_balance(database, other) == Books(num_profiles=6, num_sent=5, num_pending=1)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        (lambda made: Named("mlg_none", 2, Verdict.SENT, "line 3"), NotFound, "line 3: there is no mailing `mlg_none`"),
        (lambda made: Named(made.public_id, 99, Verdict.SENT, "line 3"), NotFound, "line 3: .* has no recipient 99"),
        (lambda made: Named(made.public_id, 1, Verdict.SENT, "line 3"), Conflict, "line 3: 1 of .* is not in doubt: it is sent"),
        (lambda made: Named(made.public_id, 2, Verdict.SENT, "line 3"), BadInput, "line 3: 2 is named already in line 2"),
    ],
)
def test_a_list_with_one_wrong_line_is_refused_whole(database, made, wrong, error, says):
    named = [Named(made.public_id, "r2@example.org", Verdict.SENT, "line 2"), wrong(made)]
    before = snapshot(database)
    for attempt in (lambda: doubt_lists.check(database, named), lambda: doubt_lists.resolve(database, named, actor=ANN)):
        with pytest.raises(error, match=says):
            attempt()
    assert snapshot(database) == before


def test_a_waiting_batch_is_ready_at_once_for_what_is_sent_again(database, made):
    sql(database, "UPDATE mailing SET state = 'running', finished_at = NULL")
    sql(database, "UPDATE batch SET state = 'waiting', due_at = now() + interval '1 hour', finished_at = NULL, rung_at = now()")
    resolve(database, made, Verdict.RESEND)
    with database.begin() as tx:
        batch = batch_row(tx, made.batches[0])
    assert (batch["state"], batch["due_at"], batch["rung_at"]) == (Batch.READY, None, None)


def test_a_waiting_batch_keeps_waiting_if_nothing_is_sent_again(database, made):
    sql(database, "UPDATE batch SET state = 'waiting', due_at = now() + interval '1 hour', finished_at = NULL")
    resolve(database, made, Verdict.ERROR)
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["state"] == Batch.WAITING


@pytest.fixture
def leased(database):
    """A batch of six whose holder has begun four, of which 1 is in doubt and 2 is sent; 3 and 4 are open."""
    with database.begin() as tx:
        made = make_mailing(tx, [6])
        held = batches.claim(tx, made.batches[0], owner=make_owner(tx))
    ledger = Ledger(database, held, relay="relay:25")
    doubt = Written(1, State.PENDING, Change(State.IN_DOUBT, doubt=Doubt.TIMEOUT))
    ledger.commit([doubt, Written(2, State.PENDING, Change(State.SENT, reply="250 ok"))], 4)
    return made, ledger


def sent(*seqs):
    return [Written(seq, State.PENDING, Change(State.SENT, reply="250 ok")) for seq in seqs]


def test_the_holder_of_a_batch_goes_on_and_hands_back_what_is_sent_again(database, leased):
    made, ledger = leased
    resolve(database, made, Verdict.RESEND, 1)
    require_balance(database, made)
    ledger.commit(sent(3, 4), 6)
    ledger.commit(sent(5, 6), 6)
    assert ledger.close() is Batch.READY
    assert require_balance(database, made) == Books(num_profiles=6, num_sent=5, num_pending=1)
    assert state_of(database, made) is Mailing.RUNNING


@pytest.mark.parametrize("verdict", [Verdict.SENT, Verdict.ERROR])
def test_a_batch_that_is_held_is_finished_by_its_holder(database, leased, verdict):
    made, ledger = leased
    resolve(database, made, verdict, 1)
    ledger.commit(sent(3, 4, 5, 6), 6)
    assert ledger.close() is Batch.FINISHED
    assert require_balance(database, made).complete
    assert state_of(database, made) is Mailing.FINISHED


def test_what_is_sent_again_is_not_open_when_its_batch_is_reclaimed(database, leased):
    """It stands below the watermark, and has not begun in this pass."""
    made, _ = leased
    resolve(database, made, Verdict.RESEND, 1)
    with database.begin() as tx:
        now = make_owner(tx)
        (held,) = (one.claim for one in leases.before(tx, now.server_id, now.incarnation))
        opened = leases.opened(tx, [(held, leases.seize(tx, [held])[held.batch_id])])
        assert {one.seq for one in opened[held.batch_id]} == {3, 4}
    require_balance(database, made)


def test_a_resend_that_comes_too_late_for_its_mailing_changes_nothing(database, made):
    """It was cancelled between the look and the lock."""
    with database.begin() as tx:
        locked = store.lock(tx, made.batches[0])
        (one, _) = store.in_batch(tx, locked)
        sql(database, "UPDATE mailing SET state = 'cancelled'")
        before = snapshot(database)
        with pytest.raises(Conflict, match="is cancelled"):
            doubts.settle(tx, [(locked, [doubts.judged(one, Verdict.RESEND, by=ANN)])], actor=ANN)
        tx.rollback()
    assert snapshot(database) == before
