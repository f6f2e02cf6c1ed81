"""A lease as one renewal after the other makes it, on a real board and a real database."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.core.lease import LeaseTerms
from mailq.core.server import Place, State
from mailq.engine import maintenance
from mailq.store import fleet, servers
from mailq.store.database import Database, KeptConnection
from workers.renewal import Renewal
from workers.signboard import EXPIRED, Lease, Signboard, boottime_s

TERMS = LeaseTerms(ttl=timedelta(seconds=20), heartbeat=timedelta(seconds=5), margin=timedelta(seconds=2))


class Noted:
    """Marks that remember what they were told."""

    def __init__(self):
        self.beats = []
        self.times_replaced = 0

    def granted(self, beat, *, before, life=None):
        assert beat > before
        self.beats.append(beat)

    def replaced(self):
        self.times_replaced += 1


class Server:
    """A started server without its processes."""

    def __init__(self, database, path):
        self.database = database
        self.board = Signboard.create(path)
        self.marks = Noted()
        with database.begin() as tx:
            self.id, incarnation = servers.start(tx, "one", Place("web1", 1, lock="nonce"), version="test", slots={})
        self.board.grant(Lease(incarnation, boottime_s() + 18, 1))
        self.board.show_life()
        self.renewal = self.renewing(database)

    def renewing(self, database):
        return Renewal(KeptConnection(database), self.board, TERMS, server_id=self.id, lock="nonce", marks=self.marks)

    def execute(self, statement):
        with self.database.begin() as tx:
            tx.execute(text(statement))

    @property
    def standing(self):
        with self.database.begin() as tx:
            return fleet.standing(tx, "one")


@pytest.fixture
def server(database, tmp_path):
    return Server(database, tmp_path / "one.1.board")


def test_every_renewal_moves_the_deadline_which_ends_a_margin_before_the_lease(server):
    asked = boottime_s()
    assert server.renewal.beat()

    lease = server.board.lease
    assert (lease.incarnation, lease.beat) == (1, 2)
    assert asked + 18 <= lease.deadline_s <= boottime_s() + 18
    assert server.marks.beats == [2]


def test_a_main_process_without_a_pulse_gets_no_renewal(server):
    server.board._mapped[64:72] = int((boottime_s() - 16) * 1e9).to_bytes(8, "little")

    assert not server.renewal.beat()
    assert server.standing.beat == 1


def test_maintenance_is_told_once_when_it_begins_and_once_when_it_ends(server, caplog):
    for word in (maintenance.on, maintenance.off):
        word(server.database, actor="ann@web1")
        with caplog.at_level("WARNING", "workers.renewal"):
            server.renewal.beat()
            server.renewal.beat()
    told = [str(each.msg) for each in caplog.records if each.name == "workers.renewal"]
    assert [word in line for word, line in zip(("maintenance.on", "maintenance.off"), told, strict=True)] == [True, True]


def test_a_lease_that_ran_out_is_followed_by_the_next_incarnation(server):
    server.execute("UPDATE server SET lease_until = now() - interval '1 second'")

    assert server.renewal.beat()

    assert server.board.lease.incarnation == server.standing.incarnation == 2
    assert not server.board.may_send(1)
    assert server.board.may_send(2)


def test_a_board_whose_writer_died_over_it_is_mended_by_the_next_incarnation(server):
    server.board.grant(EXPIRED)

    assert server.renewal.beat()
    assert server.board.may_send(2)


def test_a_server_whose_row_another_start_has_taken_is_told_to_stop(server):
    with server.database.begin() as tx:
        servers.start(tx, "one", Place("web2", 2, lock="another"), version="test", slots={})
    before = server.board.lease

    server.renewal.beat()

    assert server.board.says_stop
    assert server.board.lease == before
    assert server.marks.times_replaced == 1


def test_a_server_that_was_told_to_drain_says_so_on_its_board_and_keeps_its_lease(server):
    with server.database.begin() as tx:
        fleet.drain(tx, server.id)

    assert server.renewal.beat()

    assert server.board.says_stop
    assert server.board.may_send(1)


def test_a_stop_on_the_board_reaches_the_books(server):
    server.board.say_stop()

    assert server.renewal.beat()
    assert server.standing.state is State.DRAINING


def test_a_stopping_server_whose_lease_ran_out_takes_no_new_incarnation(server):
    """Nothing new begins; what is under way is settled under the fences it has."""
    server.board.say_stop()
    server.execute("UPDATE server SET lease_until = now() - interval '1 second'")

    server.renewal.beat()

    assert server.standing.incarnation == server.board.lease.incarnation == 1


def test_without_an_answer_the_deadline_stays_where_it_is(server):
    away = Database("postgresql://nobody@127.0.0.1:9/none", connect_timeout_s=2)
    before = server.board.lease

    assert not server.renewing(away).beat()
    assert server.board.lease == before
    away.close()
