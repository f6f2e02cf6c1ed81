"""Batches: one owner at a time, and nothing a former owner writes counts."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.clock import utc_now
from mailq.core.batch import State, Tally
from mailq.core.delivery import Change
from mailq.core.delivery import State as Delivery
from mailq.core.mailing import State as Mailing
from mailq.core.transitions import IllegalStep
from mailq.errors import BooksDiffer, LeaseLost
from mailq.store import batches, deliveries, leases, mailings, servers
from mailq.store.deliveries import Settled
from mailq.store.leases import Open, Taking
from tests.support.mailings import batch_row, make_mailing, make_owner, recount, states

SENT = Change(Delivery.SENT, reply="250 ok")


@pytest.fixture
def mailing(tx):
    return make_mailing(tx, [5])


@pytest.fixture
def owner(tx):
    return make_owner(tx)


@pytest.fixture
def held(tx, mailing, owner):
    return batches.claim(tx, mailing.batches[0], owner=owner)


def settle(tx, held, seqs, change=SENT, *, ledger_no=None, watermark=None):
    """One window transaction, as the ledger writes it."""
    was = {work.seq: work.state for work in deliveries.worklist(tx, held)}
    settled = [Settled(seq, was.get(seq, Delivery.PENDING), change) for seq in seqs]
    number = batches.standing(tx, held)[0] if ledger_no is None else ledger_no
    tally = deliveries.tally(settled)
    state = batches.advance(tx, held, ledger_no=number, watermark=watermark or max(seqs, default=held.first_seq - 1), tally=tally)
    deliveries.settle(tx, held, settled, relay="relay:25")
    return state


def test_a_claim_raises_the_fence_and_resets_the_watermark(tx, mailing, owner):
    held = batches.claim(tx, mailing.batches[0], owner=owner)
    row = batch_row(tx, held.batch_id)
    assert (held.fence, row["state"], row["owner"], row["watermark"]) == (1, "leased", owner.process, 0)


def test_a_leased_batch_cannot_be_claimed(tx, held):
    assert batches.claim(tx, held.batch_id, owner=make_owner(tx, "web2:8851")) is None


@pytest.mark.parametrize("state", [Mailing.PAUSED, Mailing.SCHEDULED, Mailing.CANCELLED])
def test_only_batches_of_a_running_mailing_can_be_claimed(tx, owner, state):
    stopped = make_mailing(tx, [3], state=state)
    assert batches.claim(tx, stopped.batches[0], owner=owner) is None


def test_a_batch_of_a_mailing_that_is_still_loading_cannot_be_claimed(tx, owner, mailing):
    tx.execute(text("UPDATE mailing SET state = 'loading' WHERE id = :id"), {"id": mailing.id})
    assert batches.claim(tx, mailing.batches[0], owner=owner) is None


def test_a_replaced_incarnation_cannot_claim(tx, mailing, owner):
    make_owner(tx)
    assert batches.claim(tx, mailing.batches[0], owner=owner) is None


def test_a_stopped_server_cannot_claim(tx, mailing, owner):
    servers.step(tx, owner.server_id, owner.incarnation, servers.State.STOPPED)
    assert batches.claim(tx, mailing.batches[0], owner=owner) is None


def test_a_batch_that_does_not_exist_cannot_be_claimed(tx, owner):
    assert batches.claim(tx, 10**12, owner=owner) is None


def test_the_date_of_the_messages_is_the_first_claim_of_all(tx, mailing, owner, held):
    batches.release(tx, held, State.READY)
    again = batches.claim(tx, mailing.batches[0], owner=owner, now=utc_now() + timedelta(seconds=10))
    assert again.first_claimed_at == held.first_claimed_at
    assert again.pass_started_at > held.pass_started_at


def test_settling_counts_and_moves_the_watermark_in_one_step(tx, mailing, held):
    settle(tx, held, [1, 2], watermark=4)
    row = batch_row(tx, held.batch_id)
    assert (row["num_sent"], row["watermark"], row["ledger_no"]) == (2, 4, 1)
    assert states(tx, mailing.id) == {1: "sent", 2: "sent", 3: "pending", 4: "pending", 5: "pending"}


def test_a_window_transaction_tells_how_the_mailing_stands(tx, mailing, held):
    assert settle(tx, held, [1]) is Mailing.RUNNING
    mailings.step(tx, mailing.id, Mailing.PAUSED)
    assert settle(tx, held, [2]) is Mailing.PAUSED


def test_a_server_that_lost_its_batch_writes_nothing(tx, mailing, held):
    leases.take(tx, [Taking(held, State.READY, None, Tally())])
    with pytest.raises(LeaseLost):
        settle(tx, held, [1], ledger_no=held.ledger_no)
    with pytest.raises(LeaseLost):
        batches.hold(tx, held)
    with pytest.raises(LeaseLost):
        batches.release(tx, held, State.FINISHED)
    assert set(states(tx, mailing.id).values()) == {"pending"}


def test_the_same_owner_with_an_old_fence_writes_nothing(tx, mailing, owner, held):
    batches.release(tx, held, State.READY)
    batches.claim(tx, mailing.batches[0], owner=owner)
    with pytest.raises(LeaseLost):
        settle(tx, held, [1], ledger_no=held.ledger_no)


def test_another_process_with_the_right_fence_writes_nothing(tx, held):
    other = replace(held, owner=replace(held.owner, process="web1:8851#1/2"))
    with pytest.raises(LeaseLost):
        settle(tx, other, [1], ledger_no=held.ledger_no)


def test_a_window_that_was_committed_cannot_be_written_again(tx, held):
    settle(tx, held, [1], ledger_no=0)
    with pytest.raises(LeaseLost):
        settle(tx, held, [2], ledger_no=0)


def test_settling_a_delivery_that_somebody_else_changed_is_refused(tx, held):
    settle(tx, held, [1])
    with pytest.raises(BooksDiffer):
        deliveries.settle(tx, held, [Settled(1, Delivery.PENDING, SENT)], relay="relay:25")


def test_a_step_that_no_state_machine_allows_is_not_even_tried(tx, held):
    with pytest.raises(IllegalStep):
        deliveries.settle(tx, held, [Settled(1, Delivery.SENT, SENT)], relay="relay:25")


def test_counters_follow_a_delivery_from_deferred_to_sent(tx, mailing, owner, held):
    due = utc_now() - timedelta(seconds=1)
    settle(tx, held, [1], Change(Delivery.DEFERRED, reply="450 later", due_at=due))
    assert batch_row(tx, held.batch_id)["num_deferred"] == 1
    batches.release(tx, held, State.READY)
    again = batches.claim(tx, mailing.batches[0], owner=owner)
    settle(tx, again, [1])
    row = batch_row(tx, held.batch_id)
    assert (row["num_deferred"], row["num_sent"]) == (0, 1)
    assert mailings.books(tx, mailing.id) == recount(tx, mailing.id)


def test_what_was_deferred_in_this_pass_is_not_worked_in_it_again_whatever_the_clocks_say(tx, held):
    settle(tx, held, [1], Change(Delivery.DEFERRED, reply="450 later", due_at=held.pass_started_at - timedelta(days=1)))
    assert 1 not in [work.seq for work in deliveries.worklist(tx, held)]


def test_what_is_not_yet_due_is_left_for_a_later_pass(tx, mailing, owner, held):
    settle(tx, held, [1], Change(Delivery.DEFERRED, reply="450 later", due_at=utc_now() + timedelta(hours=1)))
    batches.release(tx, held, State.READY)
    again = batches.claim(tx, mailing.batches[0], owner=owner)
    assert [work.seq for work in deliveries.worklist(tx, again)] == [2, 3, 4, 5]


def test_the_open_set_is_what_has_begun_and_is_not_settled(tx, held):
    settle(tx, held, [1, 3], watermark=4)
    seized = leases.seize(tx, [held])[held.batch_id]
    assert leases.opened(tx, [(held, seized)]) == {held.batch_id: [Open(2, Delivery.PENDING, 0), Open(4, Delivery.PENDING, 0)]}


def test_a_reclaimer_passes_over_what_has_changed_hands(tx, mailing, owner, held):
    batches.release(tx, held, State.READY)
    assert leases.seize(tx, [held]) == {}
    batches.claim(tx, mailing.batches[0], owner=owner)
    assert leases.seize(tx, [held]) == {}


def test_a_reclaimer_passes_over_a_batch_whose_owner_is_just_writing(database):
    with database.begin() as tx:
        made = make_mailing(tx, [3])
        held = batches.claim(tx, made.batches[0], owner=make_owner(tx))
    with database.begin() as writing, database.begin() as reclaiming:
        batches.hold(writing, held)
        assert leases.seize(reclaiming, [held]) == {}


def test_waiting_batches_become_ready_when_they_are_due(tx, held):
    now = utc_now()
    batches.release(tx, held, State.WAITING, due_at=now + timedelta(minutes=5))
    assert batches.wake_due(tx, now=now) == 0
    assert batches.wake_due(tx, now=now + timedelta(minutes=6)) == 1
    assert batch_row(tx, held.batch_id)["state"] == "ready"


def test_batches_of_former_incarnations_are_found(tx, owner, held):
    now = make_owner(tx)
    assert [seen.claim for seen in leases.before(tx, now.server_id, now.incarnation)] == [held]
    assert leases.before(tx, owner.server_id, owner.incarnation) == []


def test_what_a_process_holds_by_the_books_is_found(tx, owner, held):
    assert [seen.claim for seen in leases.of_process(tx, owner.process)] == [held]
    assert leases.of_process(tx, "somebody else") == []
