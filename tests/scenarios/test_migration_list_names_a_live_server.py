"""A migration list is for the dead: a listed server that is alive is reported and not robbed, and taken within seconds of its death."""

import time

from tests.scenarios.holdings import held_by
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

SESSIONS = 5
TAKEN_WITHIN_S = 5.0


def test_a_listed_server_that_is_alive_keeps_its_batches(submit, start_server, sink, database):
    """Both work on the same mailing; nothing is taken, nothing is in doubt, and the log says it once."""
    sink.rules("delay=300ms")
    start_server("one", concurrency=1)
    posted = submit(600, batch_size=300)
    eventually(lambda: held_by(database, "one") == 1)

    two = start_server("two", concurrency=1, migration_list="one")

    eventually(lambda: "server.listed_but_alive" in two.log, within=30)
    sink.rules()
    eventually(lambda: posted.finished, within=30)
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (600, 0)
    assert two.log.count("server.listed_but_alive") == 1
    assert "server.taken_over" not in two.log


def test_one_that_is_killed_is_taken_within_seconds_long_before_its_lease_has_run_out(submit, start_server, sink, database):
    """On the same host its lock file proves it; its journals are at hand, too."""
    sink.rules("delay=300ms")
    one = start_server("one", relay__sessions=SESSIONS)
    two = start_server("two", migration_list="one", upkeep__every="2s", relay__sessions=SESSIONS)
    eventually(lambda: "server.listed_but_alive" in two.log, within=30)
    posted = submit(800, batch_size=200)
    eventually(lambda: held_by(database, "one") and len(sink.accepted) >= 10, within=20)
    at = time.monotonic()

    one.kill()

    eventually(lambda: held_by(database, "one") == 0, within=TAKEN_WITHIN_S + 5)
    took_s = time.monotonic() - at
    assert took_s < TAKEN_WITHIN_S, took_s
    eventually(lambda: "server.taken_over" in two.log)
    sink.rules()
    eventually(lambda: posted.finished, within=20)
    books = ledgers_agree(posted, sink)
    assert books.num_sent + books.num_in_doubt == 800
    assert books.num_in_doubt <= 2 * SESSIONS
