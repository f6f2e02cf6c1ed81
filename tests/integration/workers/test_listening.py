"""The leading warden acts on what producers commit, and leaves the long work to its upkeep."""

import pytest
from sqlalchemy import text

from mailq.core.mailing import State
from mailq.engine import messages, streams
from mailq.engine import mover as movers
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.mover import Mover
from mailq.store.waking import Ear, wake
from tests.support.mailings import make_mailing
from tests.support.workers import QuietDoorbell
from workers import listening
from workers.listening import Listening

ORGANIZATION = 1


class Leader:
    """A warden that leads or not, and counts the ticks it is asked for."""

    leads = True
    ticks = 0

    def tick(self):
        self.ticks += 1


@pytest.fixture
def leader(monkeypatch):
    monkeypatch.setattr(listening, "LOOK_EVERY_S", 0.01)
    return Leader()


@pytest.fixture
def doorbell():
    return QuietDoorbell()


@pytest.fixture
def strand(database, leader, doorbell):
    ear = Ear(database)
    mover = Mover(database, Dispatcher(database, doorbell))
    made = Listening(ear, lambda: mover, leads=lambda: leader.leads, tick=leader.tick)
    yield made
    ear.close()


def send(database, *, to="ann@x.example", lane="transactional"):
    order = messages.order(to=to, subject="Code", sender="shop@x.example", text="42", lane=lane)
    with database.begin() as tx:
        messages.accept(tx, ORGANIZATION, [order])


def waiting(database):
    with database.begin() as tx:
        return tx.execute(text("SELECT count(*) FROM inbox WHERE mailing_id IS NULL")).scalar_one()


def test_what_is_committed_is_moved_and_rung_for_by_lane(database, strand, doorbell, leader):
    strand.look()
    asked = leader.ticks
    send(database)
    send(database, lane="bulk")
    strand.look()
    assert waiting(database) == 0
    assert sorted(ring.lane for ring in doorbell.rung) == ["bulk", "transactional"]
    assert leader.ticks == asked


def test_a_warden_that_does_not_lead_leaves_it_alone(database, strand, doorbell, leader):
    leader.leads = False
    send(database)
    strand.look()
    assert (waiting(database), doorbell.rung) == (1, [])


def test_who_comes_to_lead_moves_what_he_has_not_heard_of(database, strand, leader):
    leader.leads = False
    strand.look()
    send(database)
    leader.leads = True
    strand.look()
    assert waiting(database) == 0


def test_a_mailing_that_is_complete_is_left_to_the_upkeep_which_is_told(database, strand, leader):
    strand.look()
    asked = leader.ticks
    with database.begin() as tx:
        made = make_mailing(tx, state=State.LOADING)
        tx.execute(text("UPDATE mailing SET loaded_at = now() WHERE id = :id"), {"id": made.id})
        wake(tx)
    send(database)
    strand.look()
    assert leader.ticks == asked + 1
    with database.begin() as tx:
        assert tx.execute(text("SELECT state FROM mailing WHERE id = :id"), {"id": made.id}).scalar_one() == "loading"
    assert waiting(database) == 0


def test_a_mailing_that_stays_unsealed_is_told_about_once_a_minute(database, doorbell):
    """It may never be sealed: then it costs no tick of the upkeep for every message that is committed."""
    now_s = [1000.0]
    mover = Mover(database, Dispatcher(database, doorbell), monotonic=lambda: now_s[0])
    with database.begin() as tx:
        make_mailing(tx, state=State.LOADING)
        tx.execute(text("UPDATE mailing SET loaded_at = now()"))
    told = []
    for _ in range(3):
        send(database)
        told.append(mover.heed())
    now_s[0] += 60
    send(database)
    assert [*told, mover.heed()] == [True, False, False, True]


def test_more_than_is_moved_at_once_is_told_to_the_upkeep(database, doorbell, monkeypatch):
    monkeypatch.setattr(streams, "MESSAGES_A_STEP", 1)
    monkeypatch.setattr(movers, "_MOST_STEPS", 2)
    mover = Mover(database, Dispatcher(database, doorbell))
    for _ in range(3):
        send(database)
    assert (mover.heed(), waiting(database)) == (True, 1)
    send(database)
    assert (mover.heed(), waiting(database)) == (False, 0)


def test_news_about_something_else_is_the_upkeeps(database, strand, leader):
    """Such as a mailing that goes on."""
    strand.look()
    asked = leader.ticks
    with database.begin() as tx:
        wake(tx)
    strand.look()
    assert leader.ticks == asked + 1


def test_silence_asks_for_nothing(strand, leader):
    strand.look()
    asked = leader.ticks
    strand.look()
    assert leader.ticks == asked
