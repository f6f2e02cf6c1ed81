"""`mailqctl server drain` in the middle of a mailing: a server is emptied from afar, and another one goes on with its batches."""

from click.testing import CliRunner

from mailq.cli import main
from mailq.core.server import State
from tests.scenarios.brisk import SESSIONS
from tests.scenarios.holdings import held_by
from tests.scenarios.ledgers import ledgers_agree
from tests.support.fleets import seen
from tests.support.waiting import eventually


def test_a_drained_server_hands_back_what_it_held_and_another_one_finishes(submit, start_pair, sink, database, database_url):
    """The command returns when it has stopped: by then it may be switched off."""
    sink.rules("delay=300ms")
    one, _ = start_pair(relay__sessions=SESSIONS, lease__heartbeat="500ms")
    posted = submit(800, batch_size=200)
    eventually(lambda: held_by(database, "one") and held_by(database, "two"), within=20)

    done = CliRunner(env={"MAILQ_DATABASE_URL": database_url}).invoke(main, ["server", "drain", "one"])

    assert (done.exit_code, done.stdout) == (0, "server one has stopped\n")
    assert seen(database, "one").state is State.STOPPED
    assert held_by(database, "one") == 0
    one.process.child.stopped = True
    assert one.wait_ended() == 0
    assert not posted.finished
    sink.rules()
    eventually(lambda: posted.finished, within=20)
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (800, 0)
