"""A host dies with its servers, and what its disk has kept of their journals proves nothing: all that was open is in doubt."""

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import text

from mailq.core.outcome import Doubt
from mailq.transports.journal import HEADER_SIZE, Header
from tests.scenarios.brisk import SESSIONS, WINDOW
from tests.scenarios.holdings import held_by, reasons_of_doubt
from tests.scenarios.ledgers import ledgers_agree
from tests.scenarios.looking import num_unanswered_dots
from tests.support.waiting import eventually

PROCESSES = 3


@pytest.mark.slow
def test_the_whole_open_set_is_in_doubt_and_no_more_than_a_window_for_each_process(
    submit, start_server, sink, database, tmp_path
):
    """One journal is of another boot, so its end may be missing; one is torn in its header, one is gone."""
    sink.rules("delay=60s")
    server = start_server(concurrency=PROCESSES, relay__sessions=SESSIONS)
    posted = submit(300, batch_size=100)
    eventually(lambda: held_by(database, "one") == PROCESSES and num_unanswered_dots(sink) == PROCESSES * SESSIONS, within=20)
    server.kill()
    was_open = opened(database, posted)

    of_another_boot, torn, gone = (tmp_path / "one" / "journal").glob("*.journal")
    let_it_be_of_another_boot(of_another_boot)
    torn.write_bytes(torn.read_bytes()[: HEADER_SIZE // 2])
    gone.unlink()
    sink.rules()
    server.start_again()

    eventually(lambda: posted.finished, within=20)
    doubts = reasons_of_doubt(database, posted)
    assert doubts.keys() == was_open
    assert set(doubts.values()) == {Doubt.HOST_LOST}
    assert PROCESSES * SESSIONS <= len(doubts) <= PROCESSES * WINDOW
    books = ledgers_agree(posted, sink)
    assert books.num_sent == 300 - len(doubts)


def let_it_be_of_another_boot(journal):
    """As its host has it after a power cut, when the last pages were not written."""
    octets = journal.read_bytes()
    header = replace(Header.unpack(octets), boot=str(uuid.uuid4()))
    journal.write_bytes(header.pack() + octets[HEADER_SIZE:])


def opened(database, posted):
    """Who had begun in a batch that is still leased, and was not settled."""
    statement = """SELECT address FROM delivery JOIN batch ON batch.id = delivery.batch_id
                    WHERE delivery.mailing_id = :mailing AND batch.state = 'leased' AND seq <= watermark
                      AND delivery.state = 'pending' AND pass < fence"""
    with database.begin() as tx:
        return set(tx.execute(text(statement), {"mailing": posted.mailing_id}).scalars())
