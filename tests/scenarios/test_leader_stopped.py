"""The leading warden is stopped, with its connections open: an advisory lock would be held for ever, a lease row is not."""

import signal
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually


def leader(database):
    """Who leads, as `server/pid`."""
    with database.begin() as tx:
        return tx.execute(text("SELECT holder FROM leader WHERE role = 'upkeep'")).scalar_one_or_none()


@pytest.fixture
def stop(request):
    """Stops a process until the end of the test."""

    def stop(process):
        process.send_signal(signal.SIGSTOP)
        request.addfinalizer(lambda: process.is_running() and process.send_signal(signal.SIGCONT))

    return stop


def test_another_leads_within_moments_and_upkeep_goes_on(submit, start_pair, sink, database, stop):
    """What is scheduled starts, and what was put off is tried again: both are upkeep's work alone."""
    sink.rules("tempfail=451 4.2.1 mailbox busy times=1")
    servers = dict(zip(("one", "two"), start_pair(retry__first="500ms"), strict=True))
    led = eventually(lambda: leader(database))
    name, _, pid = led.partition("/")
    assert servers[name].warden.pid == int(pid)

    stop(servers[name].warden)
    posted = submit(60, batch_size=30, scheduled_at=datetime.now(UTC) + timedelta(seconds=1))

    eventually(lambda: leader(database) not in {None, led}, within=20)
    eventually(lambda: posted.finished, within=20)
    assert ledgers_agree(posted, sink).num_sent == 60
    assert all(server.alive for server in servers.values())
