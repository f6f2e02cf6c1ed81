"""Maintenance stops a server that is sending, and holds back what is accepted meanwhile; its end sends it, at once."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from mailq.core.batch import State
from mailq.core.mailing import State as MailingState
from mailq.engine import maintenance, messages
from tests.scenarios.ledgers import ledgers_agree
from tests.support.call_running import send, suppress
from tests.support.mailings import make_mailing
from tests.support.waiting import eventually

BY = {"actor": "ann@web1"}
BOTH = "mailq.bulk,mailq.transactional"
DELAY = timedelta(milliseconds=50)
EFFECT_WITHIN = timedelta(seconds=2)


@pytest.fixture
def accept(database, submit):
    """Producers at work: a mailing, a message and a call are accepted."""

    def accept():
        with database.begin() as tx:
            order = messages.order(to="one@example.com", subject="Code", sender="shop@mailq.example", text="42")
            messages.accept(tx, 1, [order])
        send(database, suppress("eve@example.com"))
        return submit(30, batch_size=10)

    return accept


def asked(database, statement):
    with database.begin() as tx:
        return tx.execute(text(statement)).scalar_one()


def has_run(database):
    """Whether the call has."""
    return asked(database, "SELECT state FROM call") == "finished"


def test_what_is_accepted_in_maintenance_is_held_back(start_server, sink, accept, database):
    """Also while the upkeep goes on: it expires a mailing, and the server is alive."""
    server = start_server(queues=BOTH)
    maintenance.on(database, why="the relay moves", **BY)
    posted = accept()
    with database.begin() as tx:
        late = make_mailing(tx, [3])
        tx.execute(text("UPDATE mailing SET expires_at = now() WHERE id = :id"), {"id": late.id})
    eventually(lambda: asked(database, f"SELECT state FROM mailing WHERE id = {late.id}") == MailingState.EXPIRED)
    eventually(lambda: asked(database, f"SELECT state FROM batch WHERE mailing_id = {late.id}") == State.CANCELLED)

    assert sink.accepted == []
    assert {state for _, state in posted.batches()} == {State.READY}
    assert asked(database, "SELECT count(*) FROM inbox WHERE mailing_id IS NULL") == 1
    assert not has_run(database)
    eventually(lambda: server.log.count("maintenance.on") == 1)

    maintenance.off(database, **BY)

    eventually(lambda: posted.finished and has_run(database) and len(sink.accepted) == 31, within=20)
    assert sorted(sink.accepted_recipients) == sorted([*posted.recipients, "one@example.com"])
    eventually(lambda: server.log.count("maintenance.off") == 1)


def test_the_end_waits_for_no_tick_of_the_upkeep(start_server, sink, accept, database):
    """There is none for ten minutes."""
    start_server(queues=BOTH, upkeep__every="10m")
    maintenance.on(database, **BY)
    posted = accept()

    maintenance.off(database, **BY)

    eventually(lambda: posted.finished and has_run(database) and len(sink.accepted) == 31, within=20)


def test_a_mailing_under_way_stops_within_two_seconds_and_goes_on_at_the_end(start_server, submit, sink, database):
    """What is on the wire is settled, and the batches are handed back; nothing is in doubt."""
    sink.rules("delay=50ms")
    start_server()
    posted = submit(400, batch_size=200)
    eventually(lambda: leased(posted) == 2 and len(sink.accepted) >= 30)

    maintenance.on(database, **BY)
    begun_at = datetime.now(UTC)

    eventually(lambda: leased(posted) == 0)
    books = ledgers_agree(posted, sink)
    assert {state for _, state in posted.batches()} == {State.READY}
    assert (posted.state, books.num_in_doubt) == (MailingState.RUNNING, 0)
    assert 0 < books.num_sent < 400
    assert max(mail.at for mail in sink.accepted) <= begun_at + EFFECT_WITHIN + DELAY

    sink.rules()
    maintenance.off(database, **BY)

    eventually(lambda: posted.finished, within=20)
    assert ledgers_agree(posted, sink).num_sent == 400


def leased(posted):
    """How many batches somebody holds."""
    return [state for _, state in posted.batches()].count(State.LEASED)
