"""How a worker server starts, or refuses to: with one clear sentence and an exit code, and no traceback."""

import pytest

from mailq.local import ports


def refusal(server):
    """The exit code and the last words of a server that does not start."""
    code = server.process.child.process.wait(30)
    server.process.child.stopped = True
    return code, server.log


def test_a_server_refuses_a_broker_that_evicts(start_server, broker):
    """It would drop rings without a word."""
    broker.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        code, said = refusal(start_server(wait=False))
    finally:
        broker.redis.config_set("maxmemory-policy", "noeviction")

    assert code == 78
    assert "has maxmemory-policy allkeys-lru; mailq needs noeviction" in said
    assert "Traceback" not in said


def test_a_server_refuses_a_database_that_is_not_migrated(start_server, empty_database_url):
    """And says what to do."""
    code, said = refusal(start_server(wait=False, database_url=empty_database_url))

    assert code == 78
    assert "mailqctl db upgrade" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("setting", ["database_url", "redis_url"])
def test_a_server_names_the_service_that_does_not_answer_without_its_password(start_server, setting):
    """Which URL, and no secret."""
    scheme = {"database_url": "postgresql", "redis_url": "redis"}[setting]
    url = f"{scheme}://user:secret@{ports.HOST}:{ports.free()}/0"

    code, said = refusal(start_server(wait=False, **{setting: url}))

    assert code == 69
    assert f"{ports.HOST}:" in said
    assert "secret" not in said
    assert "Traceback" not in said


def test_a_server_refuses_settings_it_does_not_understand(start_server):
    """Before anything is started."""
    code, said = refusal(start_server(wait=False, relay__sessions="many"))

    assert code == 78
    assert "relay.sessions" in said
    assert "Traceback" not in said


def test_a_server_refuses_a_home_it_cannot_write(start_server, tmp_path):
    """There it keeps its lock, its board and its journals."""
    home = tmp_path / "one"
    home.mkdir()
    (home / "run").write_text("a file where a directory should be")

    code, said = refusal(start_server(wait=False))

    assert code == 78
    assert f"the home {home} cannot be written" in said
    assert "set MAILQ_HOME" in said
    assert "Traceback" not in said
