"""The database is restored from a backup in the middle of a mailing: it has forgotten what was sent since, and nothing more is sent
until an operator has seen what may be mailed twice."""

from collections import Counter

import pytest
from click.testing import CliRunner

from mailq.cli import main
from mailq.core.delivery import State
from mailq.core.mailing import State as MailingState
from mailq.store import installation
from tests.scenarios.looking import num_unanswered_dots
from tests.support.backups import Backup
from tests.support.waiting import eventually

BRISK = {"lease__ttl": "6s", "lease__heartbeat": "500ms", "lease__margin": "1s", "failover_after": "8s"}


@pytest.fixture
def back_up(database_url, database):
    """Backs this test's database up; whoever is connected comes back by himself."""
    taken = []

    def back_up():
        database.close()
        taken.append(Backup.take(database_url))
        return taken[-1]

    yield back_up
    for backup in taken:
        backup.drop()


@pytest.fixture
def mailqctl(database_url, broker, sink, tmp_path):
    """Run mailqctl as the operator of this installation would, on a machine that is none of its servers."""
    settings = {"MAILQ_DATABASE_URL": database_url, "MAILQ_REDIS_URL": broker.url, "MAILQ_RELAY_URL": sink.url}
    operator = CliRunner(env={**settings, "MAILQ_HOME": str(tmp_path / "operator")})
    return lambda *words: operator.invoke(main, words)


def restore(backup, database):
    database.close()
    backup.restore()


def forgotten(database):
    with database.begin() as tx:
        return installation.forgotten(tx)


def num_sent(posted):
    return posted.books.num_sent


def test_nothing_is_sent_until_an_operator_has_accepted_it(submit, start_server, sink, database, back_up, mailqctl):
    """Half of it was sent after the backup. Then it goes on, without a restart of any server, and who is mailed twice was named."""
    sink.rules("delay=20ms")
    server = start_server(**BRISK)
    posted = submit(600, batch_size=100)
    eventually(lambda: num_sent(posted) >= 50)
    backup = back_up()
    eventually(lambda: num_sent(posted) >= 350, within=20)

    restore(backup, database)
    eventually(lambda: forgotten(database) is not None, within=20)
    eventually(lambda: server.log.count("nothing is sent until an operator") >= 2, within=30)
    eventually(lambda: not num_unanswered_dots(sink))
    accepted = list(sink.accepted_recipients)

    assert posted.state is MailingState.RUNNING
    assert Counter(accepted).most_common(1)[0][1] == 1
    assert "this database has forgotten what was sent" in mailqctl("mailing", "show", posted.public_id).output
    assert mailqctl("doctor").exit_code == 1
    refused = mailqctl("db", "accept-restore")
    assert refused.exit_code == 65
    assert sink.accepted_recipients == accepted
    may_be_twice = posted.addresses(State.PENDING) | posted.addresses(State.DEFERRED)

    sink.rules()
    assert mailqctl("db", "accept-restore", "--yes").exit_code == 0
    eventually(lambda: posted.finished, within=60)

    twice = {address for address, times in Counter(sink.accepted_recipients).items() if times > 1}
    assert twice
    assert twice <= may_be_twice
    assert set(sink.accepted_recipients) | posted.addresses(State.IN_DOUBT) == set(posted.recipients)
    assert posted.books.balanced
    assert server.alive


@pytest.mark.slow
def test_servers_that_start_on_a_restored_database_send_nothing(submit, start_server, sink, database, back_up, mailqctl):
    """All of it was sent after the backup, and every server had been stopped when it was restored; Redis was flushed, too."""
    server = start_server(**BRISK)
    submit(10, key="before")
    eventually(lambda: len(sink.accepted) == 10)
    backup = back_up()
    posted = submit(100)
    eventually(lambda: posted.finished)
    server.terminate()
    server.wait_ended()

    restore(backup, database)
    server.start_again()
    posted = submit(100)

    eventually(lambda: forgotten(database) is not None, within=20)
    assert "server.sends_nothing" in server.log
    assert posted.books.num_sent == 0
    assert len(sink.accepted) == 110
