"""A whole server stands still for longer than its lease, as a suspended machine does, and wakes as a zombie."""

import signal
from contextlib import contextmanager

import pytest

from mailq.core.outcome import Doubt
from mailq.core.server import State
from tests.scenarios.brisk import SESSIONS, SHORT_LEASE, WINDOW
from tests.scenarios.holdings import at_work, held_by, incarnation, reasons_of_doubt
from tests.scenarios.ledgers import ledgers_agree
from tests.support.fleets import seen
from tests.support.waiting import eventually


@contextmanager
def stalled(server):
    """Stop every process of a server, and let them go on afterwards."""
    server.process.send(signal.SIGSTOP, group=True)
    try:
        yield
    finally:
        server.process.send(signal.SIGCONT, group=True)


def test_another_takes_over_and_the_zombie_writes_nothing_but_its_testimony(submit, start_pair, sink, database):
    """Silent for FAILOVER_AFTER, its open set is in doubt; awake again it is refused, and tells what its journal knows."""
    sink.rules("delay=300ms")
    one, _ = start_pair(relay__sessions=SESSIONS, **SHORT_LEASE)
    eventually(lambda: at_work(database, "one", "two"), within=30)
    before = incarnation(database, "one")
    posted = submit(800, batch_size=200)
    eventually(lambda: held_by(database, "one") and held_by(database, "two") and len(sink.accepted) >= 10, within=20)

    with stalled(one):
        eventually(lambda: held_by(database, "one") == 0, within=30)
        doubts = reasons_of_doubt(database, posted)
        assert SESSIONS <= len(doubts) <= WINDOW
        assert set(doubts.values()) == {Doubt.HOST_LOST}

    eventually(lambda: "batch.lease_lost" in one.log)
    eventually(lambda: incarnation(database, "one") > before)
    eventually(lambda: "journal.testified" in one.log)
    sink.rules()
    eventually(lambda: posted.finished, within=30)
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (800, 0)


@pytest.mark.slow
def test_one_that_nobody_took_over_commits_what_came_back_and_goes_on(submit, start_server, sink, database):
    """The fence is still its own: nothing is in doubt. Nothing new begins under the lease that ran out."""
    sink.rules("delay=300ms")
    server = start_server(concurrency=1, relay__sessions=SESSIONS, **{**SHORT_LEASE, "failover_after": "never"})
    eventually(lambda: at_work(database, "one"), within=30)
    before = incarnation(database, "one")
    posted = submit(200, batch_size=100)
    eventually(lambda: len(sink.accepted) >= 10, within=20)

    with stalled(server):
        eventually(lambda: lease_ran_out(database, "one"))

    eventually(lambda: incarnation(database, "one") > before)
    sink.rules()
    eventually(lambda: posted.finished, within=20)
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (200, 0)


def lease_ran_out(database, name):
    """Whether a server's lease is past, by the database's clock."""
    return seen(database, name).state is State.SILENT
