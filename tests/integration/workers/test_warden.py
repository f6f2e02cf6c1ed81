"""A server without its warden would stand still: nothing would be rung for again, and no row would say that it lives."""

from sqlalchemy import text

from tests.support.waiting import eventually


def renewed_at(database):
    with database.begin() as tx:
        return tx.execute(text("SELECT renewed_at FROM server")).scalar_one()


def test_a_killed_warden_is_replaced_and_the_server_goes_on_renewing(server, database):
    """Celery's heartbeat, every two seconds, looks after it."""
    died = server.warden

    died.kill()

    eventually(lambda: server.log.count("warden.started") == 2, within=20)
    assert server.warden.pid != died.pid
    before = renewed_at(database)
    eventually(lambda: renewed_at(database) > before, within=20)
    assert "warden.died" in server.log
