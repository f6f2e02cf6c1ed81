"""A database that has forgotten: the doctor and the mailing say so, and an operator ends it knowing what may be mailed twice."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq import bootstrap
from mailq.broker.marks import RedisMarks
from mailq.clock import utc_now
from mailq.core.forgetting import Mark
from mailq.core.mailing import Lane
from mailq.settings import Settings
from mailq.store import batches, installation, ringing
from tests.support.mailings import make_owner

AGAIN = timedelta(seconds=15)


@pytest.fixture
def guard(database, database_url, redis_url):
    """Of a life of its own: databases made of the same template share one otherwise."""
    with database.begin() as tx:
        tx.execute(text("UPDATE installation SET uuid = :uuid"), {"uuid": str(uuid.uuid4())})
    return bootstrap.guard(Settings(database_url=database_url, redis_url=redis_url), database)


@pytest.fixture
def forgotten(database, guard, redis_url, submitted):
    """Ann and Bob are still to be mailed by these books, and web1 was further than they are."""
    with database.begin() as tx:
        owner, life = make_owner(tx), installation.uuid(tx)
    RedisMarks(redis_url).note(life, "web1:8851", Mark(812, utc_now()))
    return owner


def claims(database, owner):
    with database.begin() as tx:
        return batches.claim(tx, tx.execute(text("SELECT min(id) FROM batch")).scalar_one(), owner=owner)


def test_the_doctor_and_the_mailing_say_why_nothing_is_sent(mailqctl, forgotten, guard, submitted):
    guard.check()

    doctor = mailqctl("doctor")
    assert doctor.code == 1
    assert "it has forgotten what was sent, so nothing is sent since" in doctor.out
    assert "renewal 812 of server web1:8851 was acknowledged at" in doctor.out
    assert "mailqctl db accept-restore" in doctor.out
    shown = mailqctl("mailing", "show", submitted)
    assert "this database has forgotten what was sent (renewal 812 of server web1:8851" in shown.out


def test_the_doctor_notices_it_before_any_server_has_started(mailqctl, forgotten, guard):
    assert "it has forgotten what was sent: renewal 812" in mailqctl("doctor").out
    assert guard.standing() is None


def test_who_does_not_say_yes_sees_what_may_be_doubled_and_changes_nothing(mailqctl, forgotten, guard, submitted, database):
    done = mailqctl("db", "accept-restore")

    assert done.code == 65
    assert "say --yes" in done.err
    (mark,) = [line for line in done.out.splitlines() if line.startswith("web1:8851")]
    assert mark.split()[1:3] == ["812", "1"]
    (line,) = [line for line in done.out.splitlines() if line.startswith(submitted)]
    assert line.split()[-1] == "2"
    assert "at most 2 recipients may be mailed twice" in done.out
    assert guard.standing() is not None
    assert claims(database, forgotten) is None


def test_an_accepted_restore_goes_on_and_is_audited(mailqctl, forgotten, guard, database):
    """And the marks of before, wherever they are kept, show nothing any more."""
    done = mailqctl("db", "accept-restore", "--yes")

    assert done.code == 0, done.err
    guard.check()
    assert guard.standing() is None
    with database.begin() as tx:
        entry = tx.execute(text("SELECT actor, action, details FROM audit")).one()
        fresh = make_owner(tx)
    assert (entry.action, "@" in entry.actor) == ("db.accept_restore", True)
    assert "renewal 812" in entry.details["why"]
    assert claims(database, fresh) is not None
    assert mailqctl("db", "accept-restore", "--yes").code == 5


def test_running_mailings_can_be_paused_first(mailqctl, forgotten, submitted):
    done = mailqctl("db", "accept-restore", "--yes", "--pause")

    assert f"mailing {submitted} is paused" in done.err
    assert mailqctl("mailing", "show", submitted, "--json").document["state"] == "paused"


def test_servers_go_on_under_new_incarnations(mailqctl, forgotten, database):
    """What their processes remember of the time that is forgotten must not count any more."""
    assert mailqctl("db", "accept-restore", "--yes").code == 0

    assert claims(database, forgotten) is None


def test_a_database_that_knows_everything_has_nothing_to_accept(mailqctl, guard, database):
    before = _everything(database)

    done = mailqctl("db", "accept-restore", "--yes")

    assert done.code == 5
    assert done.err.startswith("mailqctl: this database has forgotten nothing")
    assert _everything(database) == before


def test_programs_get_it_as_json(mailqctl, forgotten, submitted, guard):
    document = mailqctl("db", "accept-restore", "--json").document

    assert document["may_be_mailed_twice"] == 2
    assert [each["mailing"] for each in document["mailings"]] == [submitted]
    assert document["marks_ahead"][0]["acknowledged"] == 812
    assert guard.standing() is not None


def _everything(database):
    with database.begin() as tx:
        return tx.execute(text("SELECT * FROM installation")).all(), tx.execute(text("SELECT * FROM audit")).all()


def test_rings_of_the_time_that_is_forgotten_do_not_hold_up_who_goes_on(mailqctl, forgotten, guard, submitted, database):
    """They pass for rings on the way, and nobody who heard them could send."""
    guard.check()
    with database.begin() as tx:
        assert ringing.outstanding(tx, Lane.BULK, ring_again_after=AGAIN) > 0

    assert mailqctl("db", "accept-restore", "--yes").code == 0

    with database.begin() as tx:
        assert ringing.outstanding(tx, Lane.BULK, ring_again_after=AGAIN) == 0
