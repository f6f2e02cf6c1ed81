"""`kill -9` between a final dot and its reply: whether the mail was accepted nobody on our side can know (RFC 1047)."""

from mailq.core.outcome import Doubt
from tests.scenarios.brisk import SESSIONS
from tests.scenarios.holdings import reasons_of_doubt
from tests.scenarios.ledgers import ledgers_agree
from tests.scenarios.looking import num_unanswered_dots
from tests.support.waiting import eventually


def test_just_those_dots_are_in_doubt_by_address_and_never_sent_again(submit, start_server, sink, database):
    """The relay accepts what it was given, as a slow one does. Of all others the journal proves that no dot had left."""
    sink.rules("delay=4s")
    server = start_server(concurrency=1, relay__sessions=SESSIONS)
    posted = submit(100)
    eventually(lambda: num_unanswered_dots(sink) == SESSIONS)

    server.kill()
    sink.rules()
    server.start_again()

    eventually(lambda: posted.finished, within=20)
    doubts = reasons_of_doubt(database, posted)
    assert list(doubts.values()) == [Doubt.WORKER_KILLED] * SESSIONS
    eventually(lambda: doubts.keys() <= set(sink.accepted_recipients))
    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_in_doubt) == (100 - SESSIONS, SESSIONS)
