"""Errors sent again: which ones, how often, what the books say of it; and never what was sent or is in doubt."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import text

from mailq.core.batch import State as Batch
from mailq.core.delivery import Change
from mailq.core.delivery import State as Delivery
from mailq.core.in_doubt import Verdict
from mailq.core.mailing import Books, State
from mailq.core.outcome import Doubt
from mailq.engine import doubts, resending, steering
from mailq.errors import BadInput, Conflict, NotFound, Unavailable
from mailq.store import audit, batches, content, deliveries, endings, mailings
from mailq.store.deliveries import Settled
from tests.support.doubts import doubtful_mailing, require_balance
from tests.support.listening import wakes_the_leader
from tests.support.mailings import batch_row, make_mailing, make_owner, states


def end(database, made, errors, *, in_doubt=()):
    """Work a mailing to its end: these deliveries end in an error, those in doubt, the others are sent."""
    with database.begin() as tx:
        owner = make_owner(tx)
        for batch_id in made.batches:
            held = batches.claim(tx, batch_id, owner=owner, relay="relay:25")
            if held is None:
                continue
            settled = [settled_as(work, errors, in_doubt) for work in deliveries.worklist(tx, held)]
            batches.advance(tx, held, ledger_no=held.ledger_no, watermark=held.last_seq, tally=deliveries.tally(settled))
            deliveries.settle(tx, held, settled, relay="relay:25")
            batches.release(tx, held, Batch.FINISHED)
        endings.finish_mailing(tx, made.id)
    return made


def settled_as(work, errors, in_doubt):
    if work.seq in errors:
        return Settled(work.seq, work.state, Change(Delivery.ERROR, reply="550 no such user", attempts=3))
    if work.seq in in_doubt:
        return Settled(work.seq, work.state, Change(Delivery.IN_DOUBT, doubt=Doubt.TIMEOUT))
    return Settled(work.seq, work.state, Change(Delivery.SENT, reply="250 ok"))


@pytest.fixture
def made(database):
    """A finished mailing of two batches: 2 and 5 ended in an error, 3 is in doubt."""
    with database.begin() as tx:
        mailing = make_mailing(tx, (4, 2, 2))
    return end(database, mailing, {2, 5}, in_doubt={3})


@pytest.fixture
def resend(database, made):
    """Sends errors of it again."""
    return lambda *who, **how: resending.resend(database, made.public_id, actor="ann@host", who=who, **how).num


@pytest.fixture
def look(database, made):
    """The states of its deliveries and its own, after a look at the books."""

    def look():
        require_balance(database, made)
        with database.begin() as tx:
            return states(tx, made.id), mailings.get(tx, made.id).state

    return look


def test_all_errors_are_pending_and_the_mailing_runs_again(database, made, resend, look):
    assert resend() == 2

    found, state = look()
    assert (found[2], found[5], found[3], found[1]) == ("pending", "pending", "in_doubt", "sent")
    assert state is State.RUNNING
    with database.begin() as tx:
        assert [batch_row(tx, each)["state"] for each in made.batches] == ["ready", "ready", "finished"]
        assert mailings.books(tx, made.id) == Books(num_profiles=8, num_pending=2, num_sent=5, num_in_doubt=1)
        row = tx.execute(text("SELECT attempts, reply, settled_at FROM delivery WHERE seq = 2")).one()
    assert tuple(row) == (0, None, None)


def test_what_is_sent_again_can_be_sent_to_its_end(database, made, resend, look):
    resend()
    end(database, made, set())
    found, state = look()
    assert set(found.values()) == {"sent", "in_doubt"}
    assert state is State.FINISHED


def test_only_those_who_are_named_are_sent_to_again(made, resend, look):
    assert resend("R2@EXAMPLE.org") == 1
    found, _ = look()
    assert (found[2], found[5]) == ("pending", "error")
    assert resend(5, 5) == 1
    assert look()[0][5] == "pending"


@pytest.mark.parametrize(
    ("who", "error", "words"),
    [
        ([1], Conflict, "it is sent"),
        ([3], Conflict, "it is in_doubt"),
        ([2, "r1@example.org"], Conflict, "it is sent"),
        ([2, 99], NotFound, "no recipient 99"),
        (["nobody@example.org"], NotFound, "no recipient nobody@example.org"),
    ],
)
def test_whoever_cannot_be_sent_to_again_leaves_all_as_it_was(made, resend, look, who, error, words):
    before = look()
    with pytest.raises(error, match=words):
        resend(*who)
    assert look() == before


def test_too_many_names_are_refused(resend):
    with pytest.raises(BadInput) as refused:
        resend(*range(1, 1002))
    assert refused.value.field == "addresses"


def test_an_address_that_was_suppressed_since_is_left_out_and_refused_by_name(database, made, resend, look):
    with database.begin() as tx:
        tx.execute(text("INSERT INTO suppression SELECT id, 'r2@example.org', 'bounced' FROM organization"))
        tx.execute(text("UPDATE delivery SET address = 'R2@example.org' WHERE seq = 2"))
    with pytest.raises(Conflict, match="suppressed"):
        resend(2)
    assert resend() == 1
    assert look()[0][2] == "error"


def test_a_receipt_goes_to_whoever_wants_no_newsletters(database, made, resend):
    with database.begin() as tx:
        tx.execute(text("INSERT INTO suppression SELECT id, 'r2@example.org', 'unsubscribed' FROM organization"))
        tx.execute(text("UPDATE mailing SET lane = 'transactional'"))
    assert resend(2) == 1


def test_who_was_in_doubt_and_given_up_is_sent_to_again_by_name_alone(database, made, resend, look):
    doubts.resolve_mailing(database, made.public_id, Verdict.ERROR, actor="bob@host")
    assert resend() == 2
    assert look()[0][3] == "error"
    assert resend(3) == 1
    assert look()[0][3] == "pending"


def test_a_request_that_is_repeated_sends_nothing_twice(database, made, resend, look):
    resend(key="again 1")
    end(database, made, {2})  # it failed once more
    assert resend(key="again 1") == 0
    assert look()[0][2] == "error"
    assert resend(key="again 2") == 1
    end(database, made, {2})
    assert resend(2, key="again 3") == resend(2, key="again 3") == 1
    with pytest.raises(Conflict, match="again 3"):
        resend(5, key="again 3")


class Between:
    """A database on which something happens just before the transaction of this number."""

    def __init__(self, database, number, happens):
        self.database, self.number, self.happens = database, number, happens

    def begin(self):
        self.number -= 1
        if not self.number:
            self.happens()
        return self.database.begin()


def test_a_request_that_broke_off_is_done_to_its_end_by_the_next(database, made, resend, look):
    def die():
        raise Unavailable("the database went away")

    with pytest.raises(Unavailable):
        resending.resend(Between(database, 3, die), made.public_id, actor="ann@host", key="again")
    found, _ = look()
    assert (found[2], found[5]) == ("pending", "error")
    end(database, made, {2})
    assert resend(key="again") == 1
    found, _ = look()
    assert (found[2], found[5]) == ("error", "pending")


def test_a_batch_that_is_held_keeps_its_holder_who_does_not_see_it_in_this_pass(database, made, resend, look):
    resend(2)
    with database.begin() as tx:
        held = batches.claim(tx, made.batches[0], owner=make_owner(tx))
        work = deliveries.worklist(tx, held)
        failed = [Settled(each.seq, each.state, Change(Delivery.ERROR, reply="550 no")) for each in work]
        batches.advance(tx, held, ledger_no=held.ledger_no, watermark=held.last_seq, tally=deliveries.tally(failed))
        deliveries.settle(tx, held, failed, relay="relay:25")

    assert resend(2) == 1
    with database.begin() as tx:
        assert batch_row(tx, made.batches[0])["state"] == "leased"
        assert deliveries.worklist(tx, held) == []
        assert deliveries.left(tx, held).pending == 1
    look()


def test_what_had_failed_before_is_not_seen_by_who_holds_its_batch_now(database):
    """It is stamped with the fence of the batch: the holder neither begins it in this pass nor takes it for open."""
    with database.begin() as tx:
        mailing = make_mailing(tx, (4,))
    end(database, mailing, {1, 2})
    resending.resend(database, mailing.public_id, actor="ann@host", who=[1])
    with database.begin() as tx:
        held = batches.claim(tx, mailing.batches[0], owner=make_owner(tx))
    resending.resend(database, mailing.public_id, actor="ann@host", who=[2])
    with database.begin() as tx:
        assert [work.seq for work in deliveries.worklist(tx, held)] == [1]
    require_balance(database, mailing)


def test_the_age_of_retries_is_counted_from_the_resend(database, made, resend):
    long_ago = datetime.now(UTC) - timedelta(days=90)
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET started_at = :long_ago"), {"long_ago": long_ago})
        assert content.of_mailing(tx, made.id).began(long_ago) == long_ago
    resend()
    with database.begin() as tx:
        assert content.of_mailing(tx, made.id).began(long_ago) > long_ago + timedelta(days=89)
        assert mailings.get(tx, made.id).started_at == long_ago


def test_nothing_is_sent_again_of_what_has_not_started_or_is_over(database, made, resend):
    for change in ("state = 'cancelled'", "state = 'expired'", "state = 'loading'", "state = 'finished', expires_at = now()"):
        with database.begin() as tx:
            tx.execute(text(f"UPDATE mailing SET {change}"))
        with pytest.raises(Conflict, match="nothing of it can be sent again"):
            resend()
        with pytest.raises(Conflict, match="nothing of it can be sent again"):
            resend(2)


def test_a_mailing_that_ends_meanwhile_keeps_its_errors(database, made, look):
    def end_it():
        with database.begin() as tx:
            tx.execute(text("UPDATE mailing SET state = 'cancelled'"))

    with pytest.raises(Conflict, match="is cancelled"):
        resending.resend(Between(database, 2, end_it), made.public_id, actor="ann@host")
    assert look()[0][2] == "error"


def test_a_paused_mailing_stays_paused(database, made, resend, look):
    resend(2)
    steering.pause(database, made.public_id)
    assert resend() == 1
    assert look()[1] is State.PAUSED


def test_it_is_noted_who_said_so(database, made, resend):
    resend(2)
    resend()
    with database.begin() as tx:
        (named,) = audit.of_delivery(tx, made.id, 2)
        assert (named.actor, named.action) == ("ann@host", "mailing.resend")
        row = tx.execute(text("SELECT details FROM audit WHERE action = 'mailing.resend' AND seq IS NULL")).scalar_one()
    assert row == {"batch_id": made.batches[1], "num": 1}


def test_the_leader_is_woken(database, resend):
    with wakes_the_leader(database):
        resend(2)


def test_another_organizations_mailing_is_not_found(database, made):
    with pytest.raises(NotFound):
        resending.resend(database, made.public_id, actor="them", organization_id=10**6)


def test_several_deliveries_to_one_address_are_sent_again_together(database, made, resend, look):
    with database.begin() as tx:
        tx.execute(text("UPDATE delivery SET address = 'R2@example.org' WHERE seq IN (1, 5)"))
    assert resend("r2@example.org") == 2
    found, _ = look()
    assert (found[1], found[2], found[5]) == ("sent", "pending", "pending")


def test_doubts_are_never_touched(database):
    doubtful = doubtful_mailing(database)
    assert resending.resend(database, doubtful.public_id, actor="ann@host").num == 0
    with database.begin() as tx:
        assert mailings.get(tx, doubtful.id).state is State.FINISHED
    assert require_balance(database, doubtful).num_in_doubt == 2


def test_two_requests_with_keys_at_once_do_not_wait_for_each_other(database, made, resend, look, monkeypatch):
    """Each has noted its key, which holds the mailing's row, before either takes what it needs to open the mailing again."""
    both = Barrier(2)
    begun = resending._begun

    def begun_together(*given):
        both.wait(10)
        return begun(*given)

    monkeypatch.setattr(resending, "_begun", begun_together)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda seq: resend(seq, key=f"again-{seq}"), (2, 5))) == [1, 1]
    assert look()[1] is State.RUNNING
