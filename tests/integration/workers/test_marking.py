"""A renewal that was granted before shows a database that has forgotten, until an operator has accepted that."""

from mailq.engine.guard import Guard
from mailq.store import installation
from workers.marking import Marking


def marking(database):
    made = Marking(lambda: Guard(database, [], None), "web1:8851")
    made.granted(100, before=99, life="first")
    return made


def forgotten(database):
    with database.begin() as tx:
        return installation.forgotten(tx)


def test_a_renewal_that_is_granted_twice_stops_the_sending(database):
    marking(database).granted(51, before=100, life="first")
    assert "renewal 100 of server web1:8851 was acknowledged, and now 51 is granted" in forgotten(database).why


def test_a_server_that_was_away_while_a_restore_was_accepted_does_not_stop_it_again(database):
    marking(database).granted(51, before=100, life="second")
    assert forgotten(database) is None
