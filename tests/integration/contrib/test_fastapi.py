"""The dependencies of FastAPI."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session

from mailq.client import Mailing, Message
from mailq.contrib.fastapi import ClientDep, MailqDep, MailqLifespan, SyncClientDep, answer_errors, connect
from tests.support.waiting import eventually

SENDER = "shop@mailq.example"
HELLO = Message("ann@x.example", "Hello", SENDER, "Dear Ann,\n")


@pytest.fixture
def app(database_url):
    """An app whose lifespan is mailq's, and which answers mailq's errors."""
    app = FastAPI(lifespan=MailqLifespan(database_url))
    answer_errors(app)
    return app


def test_an_asynchronous_endpoint_sends_a_message(app, messages):
    """It asks for the client, and awaits it."""

    @app.post("/hello")
    async def hello(mailq: ClientDep) -> str:
        return (await mailq.send(HELLO)).id

    with TestClient(app) as browser:
        answer = browser.post("/hello")

    assert [(row.public_id, row.address) for row in messages()] == [(answer.json(), "ann@x.example")]


def test_a_synchronous_endpoint_sends_a_message(app, messages):
    """In FastAPI's thread."""

    @app.post("/hello")
    def hello(mailq: SyncClientDep) -> str:
        return mailq.send(HELLO).id

    with TestClient(app) as browser:
        assert browser.post("/hello").status_code == 200

    assert len(messages()) == 1


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_within_a_session_mail_commits_with_the_apps_data(app, database_url, messages, driver):
    """And is never there if the endpoint fails."""
    url = database_url.replace("postgresql://", f"postgresql+{driver}://")

    @app.post("/hello")
    async def hello(mailq: MailqDep, fails: bool = False) -> None:
        engine = create_async_engine(url)
        try:
            async with engine.begin() as connection:
                await mailq.within(connection).send(HELLO)
                if fails:
                    raise HTTPException(402)
        finally:
            await engine.dispose()

    with TestClient(app) as browser:
        assert browser.post("/hello?fails=true").status_code == 402
        assert messages() == []
        assert browser.post("/hello").status_code == 200
        assert len(messages()) == 1


def test_within_sync_takes_a_session(app, database_url, messages):
    """For `def` endpoints."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg2://"))

    @app.post("/hello")
    def hello(mailq: MailqDep) -> None:
        with Session(engine) as session, session.begin():
            mailq.within_sync(session).send(HELLO)

    with TestClient(app) as browser:
        assert browser.post("/hello").status_code == 200
    engine.dispose()

    assert len(messages()) == 1


def test_connect_lives_within_a_lifespan_of_the_apps_own(database_url, mailings):
    """Two ends of one thing."""
    lived = []

    @asynccontextmanager
    async def lifespan(app):
        async with connect(app, database_url, organization="default"):
            lived.append("began")
            yield
        lived.append("ended")

    app = FastAPI(lifespan=lifespan)

    @app.post("/news")
    async def news(mailq: ClientDep) -> int:
        taken = await mailq.submit(Mailing("News", "News", SENDER, "Dear all,\n"), ["ann@x.example", "bob@x.example"])
        return taken.num_profiles

    with TestClient(app) as browser:
        assert browser.post("/news").json() == 2

    assert (lived, len(mailings())) == (["began", "ended"], 1)


def test_the_end_of_the_app_closes_its_connections(app, database):
    """Those of both clients."""

    @app.post("/hello")
    async def hello(mailq: MailqDep) -> None:
        await mailq.client.send(HELLO)
        await asyncio.to_thread(mailq.sync.send, HELLO)

    def sessions():
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'mailq client'"
        with database.begin() as tx:
            return tx.execute(text(asked)).scalar_one()

    with TestClient(app) as browser:
        assert browser.post("/hello").status_code == 200
        assert sessions() == 2

    eventually(lambda: sessions() == 0)


def test_a_refusal_is_a_problem_that_names_the_field(app):
    """RFC 9457."""

    @app.post("/hello")
    async def hello(mailq: ClientDep, to: str) -> None:
        await mailq.send(Message(to, "Hello", SENDER, "Dear you,\n"))

    with TestClient(app) as browser:
        answer = browser.post("/hello?to=nobody")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    [error] = answer.json()["errors"]
    assert error["field"] == "to"


def test_what_is_not_there_is_404(app):
    """As the client says it."""

    @app.get("/news/{mailing}")
    async def news(mailq: ClientDep, mailing: str) -> None:
        await mailq.progress(mailing)

    with TestClient(app) as browser:
        answer = browser.get("/news/mlg_none")

    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


def test_a_door_that_does_not_answer_is_503_and_names_nothing(caplog):
    """What is wrong stands in the log."""
    app = FastAPI(lifespan=MailqLifespan("postgresql://nobody:secret@127.0.0.1:1/mailq"))
    answer_errors(app)

    @app.post("/hello")
    async def hello(mailq: ClientDep) -> None:
        await mailq.send(HELLO)

    with TestClient(app) as browser:
        answer = browser.post("/hello")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    [told] = [each.getMessage() for each in caplog.records if each.name.startswith("mailq.contrib")]
    assert told.startswith("mailq: ")
    assert "127.0.0.1" not in answer.text


def test_an_app_that_did_not_connect_is_told_how():
    """Its log says what is missing, its users that something is wrong."""
    app = FastAPI()
    answer_errors(app)

    @app.post("/hello")
    async def hello(mailq: ClientDep) -> None: ...

    with TestClient(app) as browser:
        answer = browser.post("/hello")

    assert (answer.status_code, answer.json()["detail"]) == (500, "mail is not set up as it should be")
