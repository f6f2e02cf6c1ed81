"""What upkeep does with doubts of its own accord: what the mailing's policy says, and not before a lease has gone by."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from mailq.clock import Clock
from mailq.core.mailing import Books
from mailq.core.mailing import State as Mailing
from mailq.core.outcome import Doubt
from mailq.core.verp import Verp
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.doubts import apply_policies
from mailq.engine.relay_evidence import Evidence
from mailq.engine.upkeep import Upkeep
from mailq.store import audit, installation, mailings
from mailq.transports.postfix_log import PostfixLog
from tests.support.doubts import age, doubtful_mailing, require_balance
from tests.support.workers import QuietDoorbell

LEASE = timedelta(seconds=20)
EACH_REASON = dict(enumerate(Doubt, start=1))


def with_policy(database, policy, state=None):
    """A finished mailing of five: 1 to 4 are in doubt for each of the reasons."""
    made = doubtful_mailing(database, [5], EACH_REASON)
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET doubt_policy = :p WHERE id = :id"), {"p": policy, "id": made.id})
        if state:
            tx.execute(text("UPDATE mailing SET state = :s WHERE id = :id"), {"s": state, "id": made.id})
    return made


def test_resend_sends_again_and_rings_in_the_same_tick(database):
    doorbell = QuietDoorbell()
    made = with_policy(database, "resend")
    age(database)
    Upkeep(database, Dispatcher(database, doorbell)).tick()
    assert require_balance(database, made) == Books(num_profiles=5, num_sent=1, num_pending=4)
    with database.begin() as tx:
        assert mailings.get(tx, made.id).state is Mailing.RUNNING
        (entry,) = audit.of_delivery(tx, made.id, 1)
    assert (entry.actor, entry.details["verdict"]) == ("policy", "resend")
    assert [ring.batch_id for ring in doorbell.rung] == made.batches


def test_assume_sent_leaves_what_may_never_have_begun(database):
    made = with_policy(database, "assume_sent")
    age(database)
    assert apply_policies(database, older_than=LEASE).num == 3
    assert require_balance(database, made) == Books(num_profiles=5, num_sent=4, num_in_doubt=1)
    with database.begin() as tx:
        rows = tx.execute(text("SELECT doubt FROM delivery WHERE state = 'in_doubt'")).scalars()
        assert list(rows) == ["host_lost"]
        assert "taken for sent by the policy assume_sent" in set(tx.execute(text("SELECT reply FROM delivery")).scalars())
    assert apply_policies(database, older_than=LEASE).num == 0


def test_hold_leaves_everything(database):
    made = with_policy(database, "hold")
    age(database)
    assert apply_policies(database, older_than=LEASE).num == 0
    assert require_balance(database, made).num_in_doubt == 4


@pytest.mark.parametrize("policy", ["resend", "assume_sent"])
def test_a_doubt_younger_than_a_lease_is_left_to_evidence(database, policy):
    """Its former holder may still send, and a log may still tell."""
    made = with_policy(database, policy)
    Upkeep(database, Dispatcher(database, QuietDoorbell()), doubts_wait=LEASE).tick()
    assert require_balance(database, made).num_in_doubt == 4


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_nothing_of_a_mailing_that_ended_early_is_sent_again(database, state):
    made = with_policy(database, "resend", state)
    age(database)
    assert apply_policies(database, older_than=LEASE).num == 0
    assert require_balance(database, made).num_in_doubt == 4


def test_what_no_policy_settles_does_not_keep_others_waiting(database):
    """Host-lost deliveries stay in doubt under assume_sent, however many batches of them there are."""
    for _ in range(3):
        with_policy(database, "assume_sent")
    age(database)
    apply_policies(database, older_than=LEASE)
    later = with_policy(database, "resend")
    age(database)
    assert apply_policies(database, older_than=LEASE, limit=1).num == 4
    assert require_balance(database, later).num_in_doubt == 0


@pytest.fixture
def log(database, tmp_path):
    """A Postfix log that had 1 and 4 of a mailing in its queue."""

    def write(made):
        with database.begin() as tx:
            verp = Verp("bounces@example.com", installation.secret(tx))
        line = "Nov 21 10:00:00 mx1 postfix/qmgr[1]: 4F2A1B3C4D: from=<{}>, size=9, nrcpt=1 (queue active)\n"
        path = tmp_path / "mail.log"
        path.write_text("".join(line.format(verp.sender(made.id, seq)) for seq in (1, 4)))
        return path

    return write


def test_evidence_comes_before_policy(database, log):
    made = with_policy(database, "resend")
    evidence = Evidence(database, PostfixLog(log(made)), "bounces@example.com")
    assert evidence.gather().num == 2
    age(database)
    apply_policies(database, older_than=LEASE)
    assert require_balance(database, made) == Books(num_profiles=5, num_sent=3, num_pending=2)


def test_a_log_is_not_asked_at_every_tick(database, log):
    now = [0.0]
    made = with_policy(database, "hold")
    path = log(made)
    lines, _ = path.read_text(), path.write_text("")
    evidence = Evidence(
        database, PostfixLog(path), "bounces@example.com", every=timedelta(seconds=10), clock=Clock(monotonic=lambda: now[0])
    )
    assert evidence.gather().num == 0
    Path(path).write_text(lines)
    assert evidence.gather().num == 0
    now[0] = 10.0
    assert evidence.gather().num == 2


def test_a_log_shows_nothing_of_what_was_sent_under_another_address(database, log):
    made = with_policy(database, "hold")
    assert Evidence(database, PostfixLog(log(made)), "other@example.com").ask().num == 0
    assert require_balance(database, made).num_in_doubt == 4
