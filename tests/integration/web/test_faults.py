"""What is nobody's fault but ours, or the database's: problems too."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import ProgrammingError

from mailq.admin import mailings
from tests.integration.web.conftest import LETTER, WORDS
from tests.support.api import Caller, problem


def fail(*_: object) -> None:
    """As a fault of ours does."""
    raise ProgrammingError("SELECT secret", {}, Exception("column secret does not exist"))


def test_a_fault_of_ours_is_a_problem_that_tells_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the rest, under the id of the request."""
    monkeypatch.setattr(mailings, "show", fail)

    told = caller.get("/v1/mailings/sale", headers={"X-Request-ID": "job-4711-a"})

    assert "X-Request-ID" in problem(told, 500)["detail"]
    assert "secret" not in told.text
    assert told.headers["x-request-id"] == "job-4711-a"
    assert [str(each.msg) for each in caplog.records if "http.broken" in str(each.msg) and "job-4711-a" in str(each.msg)]


@pytest.fixture
def refusing(caller: Caller, database_url: str) -> Iterator[None]:
    """The database takes nobody any more; the key is still believed."""
    caller.get("/v1/mailings")
    name = make_url(database_url).database
    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as elsewhere:
        elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        elsewhere.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.mark.usefixtures("refusing")
def test_a_database_that_is_away_is_a_problem_that_names_no_address(caller: Caller) -> None:
    """503, and when to ask again; whatever is asked."""
    asked = [
        caller.get("/v1/mailings"),
        caller.post("/v1/mailings", json=LETTER),
        caller.post("/v1/messages", json=WORDS),
        caller.get("/v1/mailings/sale/events"),
        caller.get("/v1/mailings/sale/export"),
    ]

    for each in asked:
        assert "Idempotency-Key" in problem(each, 503)["detail"]
        assert each.headers["retry-after"] == "5"
        assert "127.0.0.1" not in each.text
