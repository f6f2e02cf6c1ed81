"""An operator takes the batches of a server that is alive: its open set is in doubt, nobody is mailed twice, and it goes on afresh."""

import json
import os
import signal

import pytest
from click.testing import CliRunner

from mailq.cli import main
from tests.scenarios.holdings import beat, held_by, incarnation
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

SESSIONS = 5
WINDOW = 2 * SESSIONS


def migrate(database_url, *words):
    return CliRunner(env={"MAILQ_DATABASE_URL": database_url}).invoke(
        main, ["server", "migrate", "--from", "one", "--to", "two", *words]
    )


@pytest.mark.slow
def test_a_server_that_stands_still_is_taken_by_force_and_finds_that_when_it_wakes(
    submit, start_server, sink, database, database_url
):
    """Stopped with its lease running: without --force nothing is taken."""
    sink.rules("delay=300ms")
    one = start_server("one", concurrency=1, relay__sessions=SESSIONS)
    two = start_server("two", concurrency=1, relay__sessions=SESSIONS)
    eventually(lambda: beat(database, "two") > 1, within=30)
    posted = submit(400, batch_size=200)
    eventually(lambda: held_by(database, "one") and held_by(database, "two"), within=20)

    os.killpg(one.pid, signal.SIGSTOP)
    refused = migrate(database_url)
    assert (refused.exit_code, "is alive" in refused.stderr) == (5, True), refused.stderr
    held = held_by(database, "one")
    done = migrate(database_url, "--force", "--json")

    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["forced"], said["batches"]) == (True, held)
    assert held_by(database, "one") == 0
    assert said["in_doubt"] <= WINDOW
    os.killpg(one.pid, signal.SIGCONT)
    eventually(lambda: incarnation(database, "one") == 2, within=30)
    sink.rules()
    eventually(lambda: posted.finished, within=30)
    books = ledgers_agree(posted, sink)
    assert books.num_sent + books.num_in_doubt == 400
    assert books.num_in_doubt <= WINDOW
    assert one.alive
    assert two.alive
