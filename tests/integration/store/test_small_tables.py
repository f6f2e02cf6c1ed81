"""Servers, leadership, rings, endings and the schedule."""

from datetime import timedelta

from sqlalchemy import text

from mailq.core.batch import State as Batch
from mailq.core.mailing import Lane, State
from mailq.core.server import State as Server
from mailq.store import batches, endings, installation, leader, mailings, partitions, ringing, schedule, servers
from tests.support.mailings import finish_batch, make_mailing, make_owner

MINUTE = timedelta(minutes=1)


def ring(tx, room, lane=Lane.BULK, again=MINUTE):
    return [row.id for row in ringing.choose(tx, lane, room=room, ring_again_after=again)]


def test_every_start_of_a_server_takes_the_next_incarnation(tx):
    first, second, other = make_owner(tx), make_owner(tx), make_owner(tx, "web2:8851")
    assert (first.incarnation, second.incarnation, other.incarnation) == (1, 2, 1)
    assert first.server_id == second.server_id != other.server_id


def test_a_replaced_or_stopped_server_learns_it_when_it_renews(tx):
    old = make_owner(tx)
    now = make_owner(tx)
    assert servers.renew(tx, old.server_id, old.incarnation) is None
    assert servers.renew(tx, now.server_id, now.incarnation) == (Server.ALIVE, 3)
    servers.step(tx, now.server_id, now.incarnation, Server.STOPPED)
    assert servers.renew(tx, now.server_id, now.incarnation) is None


def test_slots_are_those_of_servers_heard_of_lately(tx):
    make_owner(tx, "web1:8851", slots={"bulk": 2, "normal": 1})
    make_owner(tx, "web2:8851", slots={"bulk": 3})
    gone = make_owner(tx, "web3:8851", slots={"bulk": 50})
    servers.step(tx, gone.server_id, gone.incarnation, Server.STOPPED)
    silent = make_owner(tx, "web4:8851", slots={"bulk": 50})
    tx.execute(text("UPDATE server SET renewed_at = now() - interval '2 minutes' WHERE id = :id"), {"id": silent.server_id})
    assert servers.slots(tx, "bulk", seen_within=MINUTE) == 5
    assert servers.slots(tx, "normal", seen_within=MINUTE) == 1
    assert servers.slots(tx, "transactional", seen_within=MINUTE) == 0


def test_one_leads_until_its_lease_runs_out_or_it_resigns(tx):
    assert leader.lead(tx, "upkeep", holder="a", ttl=MINUTE)
    assert leader.lead(tx, "upkeep", holder="a", ttl=MINUTE)
    assert not leader.lead(tx, "upkeep", holder="b", ttl=MINUTE)
    leader.resign(tx, "upkeep", holder="b")
    assert not leader.lead(tx, "upkeep", holder="b", ttl=MINUTE)
    leader.resign(tx, "upkeep", holder="a")
    assert leader.lead(tx, "upkeep", holder="b", ttl=-MINUTE)
    assert leader.lead(tx, "upkeep", holder="a", ttl=MINUTE)


def test_rings_go_round_the_mailings_of_a_lane(tx):
    first, second = make_mailing(tx, [1, 1, 1]), make_mailing(tx, [1, 1, 1])
    assert set(ring(tx, 4)) == {*first.batches[:2], *second.batches[:2]}
    assert set(ring(tx, 4)) == {first.batches[2], second.batches[2]}


def test_a_ring_is_not_repeated_until_it_must_have_been_lost(tx):
    made = make_mailing(tx, [1])
    assert ring(tx, 5) == made.batches
    assert ringing.outstanding(tx, Lane.BULK, ring_again_after=MINUTE) == 1
    assert ring(tx, 5) == []
    assert ring(tx, 5, again=-MINUTE) == made.batches


def test_nothing_is_rung_for_mailings_that_do_not_run_or_other_lanes(tx):
    for state in (State.PAUSED, State.SCHEDULED, State.CANCELLED):
        make_mailing(tx, [1], state=state)
    make_mailing(tx, [1], lane=Lane.NORMAL)
    assert ring(tx, 10) == []


def test_no_room_rings_nothing(tx):
    make_mailing(tx, [1])
    assert ring(tx, 0) == ring(tx, -3) == []


def test_forgotten_rings_are_rung_again(tx):
    made = make_mailing(tx, [1])
    ring(tx, 1)
    assert ringing.forget(tx) == 1
    assert ring(tx, 1) == made.batches


def test_another_generation_of_the_broker_is_noticed_once(tx):
    assert installation.note_generation(tx, "a")
    assert not installation.note_generation(tx, "a")
    assert installation.note_generation(tx, "b")


def test_a_mailing_is_finished_with_its_last_batch(tx):
    made = make_mailing(tx, [1, 1])
    owner = make_owner(tx)
    for number, batch_id in enumerate(made.batches):
        assert endings.overlooked(tx) == []
        finish_batch(tx, batch_id, owner)
        assert endings.finish_mailing(tx, made.id) is (number == 1)
    assert mailings.get(tx, made.id).state is State.FINISHED


def test_a_mailing_that_nobody_finished_is_overlooked(tx):
    made = make_mailing(tx, [1])
    finish_batch(tx, made.batches[0], make_owner(tx))
    assert endings.overlooked(tx) == [made.id]


def test_a_waiting_batch_keeps_its_mailing_going(tx):
    made = make_mailing(tx, [1])
    held = batches.claim(tx, made.batches[0], owner=make_owner(tx))
    batches.release(tx, held, Batch.WAITING, due_at=held.pass_started_at)
    assert not endings.finish_mailing(tx, made.id)


def test_scheduled_mailings_start_when_their_time_has_come(tx):
    due, later = make_mailing(tx, [1], state=State.SCHEDULED), make_mailing(tx, [1], state=State.SCHEDULED)
    tx.execute(text("UPDATE mailing SET scheduled_at = now() - interval '1 second' WHERE id = :id"), {"id": due.id})
    tx.execute(text("UPDATE mailing SET scheduled_at = now() + interval '1 hour' WHERE id = :id"), {"id": later.id})
    assert schedule.start_due(tx) == [due.id]
    assert mailings.get(tx, due.id).started_at is not None


def test_mailings_past_their_time_expire(tx):
    made = make_mailing(tx, [1])
    assert schedule.expire_due(tx) == []
    tx.execute(text("UPDATE mailing SET expires_at = now() - interval '1 second' WHERE id = :id"), {"id": made.id})
    assert schedule.expire_due(tx) == [made.id]
    assert schedule.with_batches_to_end(tx) == [(made.id, State.EXPIRED)]


def test_partitions_are_made_once(tx):
    assert partitions.ensure(tx, months_ahead=6) != []
    assert partitions.ensure(tx, months_ahead=6) == []


def test_a_mailing_whose_books_do_not_balance_is_not_finished(tx):
    made = make_mailing(tx, [1])
    finish_batch(tx, made.batches[0], make_owner(tx))
    tx.execute(text("UPDATE batch SET num_profiles = num_profiles + 1"))
    assert not endings.finish_mailing(tx, made.id)
    assert endings.overlooked(tx) == []
