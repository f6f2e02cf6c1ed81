"""A database restored from a backup has forgotten: its guard finds that out from what is kept outside, and stops all sending."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.broker.marks import RedisMarks
from mailq.core.batch import State
from mailq.engine.guard import COMPARE_EVERY, Guard
from mailq.errors import BooksForgotten, Unavailable
from mailq.store import batches, installation, servers
from mailq.store.database import Database
from mailq.transports.marks_file import FileMarks
from tests.support.backups import Backup
from tests.support.mailings import make_mailing, make_owner

SERVER = "web1:8851"


class Away:
    """A keeper that does not answer."""

    def read(self, life):
        raise Unavailable("away")

    def note(self, life, server, mark):
        raise Unavailable("away")

    def raised(self, life, batch_id, fence):
        raise Unavailable("away")


@pytest.fixture
def redis_marks(redis_url):
    """In the run's Redis: every database has a life of its own. A copy of the template has not."""
    return RedisMarks(redis_url)


@pytest.fixture
def database(database_url):
    opened = Database(database_url, application="tests")
    with opened.begin() as tx:
        tx.execute(text("UPDATE installation SET uuid = :uuid"), {"uuid": str(uuid.uuid4())})
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path):
    return FileMarks(tmp_path / "journal")


@pytest.fixture
def guard(database, redis_marks, files):
    return Guard(database, [redis_marks, files], redis_marks)


@pytest.fixture
def owner(database):
    with database.begin() as tx:
        return make_owner(tx)


@pytest.fixture
def backup(database, database_url, owner):
    taken = Backup.take(database_url)
    yield taken
    taken.drop()


def renewed(database, owner, guard, times=1):
    """Renew a server's lease, and note it as its warden does; the beat."""
    for _ in range(times):
        with database.begin() as tx:
            servers.renew(tx, owner.server_id, owner.incarnation)
            beat = tx.execute(text("SELECT beat FROM server WHERE id = :id"), {"id": owner.server_id}).scalar_one()
        guard.note(SERVER, beat)
    return beat


def claimed(database, owner, guard, batch_id):
    with database.begin() as tx:
        held = batches.claim(tx, batch_id, owner=owner)
    guard.claimed(held)
    return held


def test_a_database_that_goes_on_is_never_behind(database, owner, guard):
    renewed(database, owner, guard, COMPARE_EVERY + 1)
    guard.check()

    assert guard.standing() is None


def test_a_restored_database_is_behind_before_anything_is_renewed(database, owner, guard, backup):
    renewed(database, owner, guard, 3)
    backup.restore()

    guard.check()

    assert "renewal 4 of server web1:8851 was acknowledged at" in guard.standing().why
    assert guard.standing().why.endswith("and the database knows of 1 alone")


@pytest.mark.parametrize("forgotten", [1, 5])
def test_the_first_renewal_on_a_restored_database_shows_it(database, owner, guard, backup, forgotten):
    """Even if it has forgotten a single one, and grants the same number again."""
    renewed(database, owner, guard, forgotten)
    backup.restore()

    renewed(database, owner, guard)

    assert guard.standing() is not None


def test_a_server_that_starts_for_the_first_time_after_the_backup_shows_it(database, owner, guard, backup):
    """The restored database does not know it at all."""
    with database.begin() as tx:
        make_owner(tx, "web2:8851")
    guard.note("web2:8851", 1)
    backup.restore()

    guard.check()

    assert "does not know that server" in guard.standing().why


@pytest.mark.parametrize("lost", ["redis", "files"])
def test_one_keeper_is_enough(database, owner, guard, backup, redis_marks, files, lost):
    """Redis was flushed or is away, or the host is a new one."""
    renewed(database, owner, guard, 2)
    backup.restore()

    keepers = [Away(), files] if lost == "redis" else [redis_marks, FileMarks(files._directory / "elsewhere")]
    Guard(database, keepers, None).check()

    assert guard.standing() is not None


def test_without_any_keeper_nothing_is_said_and_nothing_fails(database, owner):
    guard = Guard(database, [Away(), Away()], Away())

    renewed(database, owner, guard, COMPARE_EVERY)
    with database.begin() as tx:
        made = make_mailing(tx, [3])
    claimed(database, owner, guard, made.batches[0])

    assert guard.standing() is None


def test_another_installation_on_the_same_redis_is_not_behind(database, owner, guard, databases, redis_marks, files):
    renewed(database, owner, guard, 5)
    with database.begin() as tx:
        installation.accept(tx)  # the marks are of another life now

    guard.check()
    renewed(database, owner, guard, 2)

    assert guard.standing() is None


def test_a_server_that_slept_while_others_were_granted_more_raises_no_alarm(database, owner, guard):
    """A zombie's warden notes an old renewal, when its successor has noted later ones."""
    with database.begin() as tx:
        servers.renew(tx, owner.server_id, owner.incarnation)
    successor = renewed(database, owner, guard, 3)

    guard.note(SERVER, 2)

    assert successor > 2
    assert guard.standing() is None


def test_a_restore_by_a_single_claim_is_noticed_before_its_first_mail(database, owner, guard, database_url):
    """No renewal came in between; the claim is made with a fence that was used already."""
    with database.begin() as tx:
        made = make_mailing(tx, [3])
    backup = Backup.take(database_url)
    claimed(database, owner, guard, made.batches[0])
    backup.restore()

    with pytest.raises(BooksForgotten, match="had been claimed with fence 1, and was now with 1 again"):
        claimed(database, owner, guard, made.batches[0])
    backup.drop()


@pytest.mark.parametrize("process", ["same", "other"])
def test_who_claims_again_knows_it_by_himself_or_by_redis(database, owner, guard, database_url, redis_marks, process):
    """A process remembers its own claims; those of others are kept in Redis."""
    with database.begin() as tx:
        made = make_mailing(tx, [3])
    backup = Backup.take(database_url)
    mine = Guard(database, [], None) if process == "same" else guard
    claimed(database, owner, mine, made.batches[0])
    backup.restore()

    with pytest.raises(BooksForgotten):
        claimed(database, owner, mine if process == "same" else Guard(database, [], redis_marks), made.batches[0])
    backup.drop()


def test_passes_of_the_same_batch_raise_no_alarm_however_late_they_are_noted(database, owner, guard, redis_marks):
    """A zombie notes its claim when the batch was reclaimed and claimed by another."""
    with database.begin() as tx:
        made = make_mailing(tx, [3])
        first = batches.claim(tx, made.batches[0], owner=owner)
        batches.release(tx, first, State.READY)
    claimed(database, owner, guard, made.batches[0])

    Guard(database, [], redis_marks).claimed(first)

    assert guard.standing() is None


def test_the_latch_keeps_its_first_reason_and_time(database, guard):
    guard.forgotten("the first")
    since = guard.standing().since
    guard.forgotten("the second")

    assert (guard.standing().why, guard.standing().since - since) == ("the first", timedelta(0))
