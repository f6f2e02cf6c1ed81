"""Readiness, with a word about each part."""

from sqlalchemy import text

from mailq.admin import health, servers
from mailq.store.database import Database
from tests.support.mailings import make_owner


def words(readiness):
    return {each.name: (each.ok, each.words) for each in readiness.findings}


def test_all_is_well(database, redis_url):
    found = health.ready(database, redis_url)
    assert found.ready
    assert {name: ok for name, (ok, _) in words(found).items()} == {"database": True, "schema": True, "broker": True}
    assert "broker" not in words(health.ready(database))


def test_a_database_that_does_not_answer_is_named_without_its_password():
    away = Database("postgresql://mailq:secret@127.0.0.1:1/mailq", connect_timeout_s=1)
    found = health.ready(away)
    assert not found.ready
    ok, said = words(found)["database"]
    assert not ok
    assert "127.0.0.1:1" in said
    assert "secret" not in said


def test_another_revision_does_not_fit(database):
    with database.begin() as tx:
        tx.execute(text("UPDATE schema_revision SET version_num = '0001'"))
    found = health.ready(database)
    assert not found.ready
    assert "mailqctl db upgrade" in words(found)["schema"][1]


def test_without_a_broker_requests_are_served_all_the_same(database):
    found = health.ready(database, "redis://127.0.0.1:1/0")
    assert found.ready
    assert words(found)["broker"][0] is False


def test_servers_are_listed(database):
    with database.begin() as tx:
        make_owner(tx, "web2:8851")
        make_owner(tx, "web1:8851")
    assert [each.standing.name for each in servers.list_(database)] == ["web1:8851", "web2:8851"]
