"""The extension of Flask."""

import os
from contextlib import suppress

import psycopg
import pytest
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.orm import scoped_session, sessionmaker

from mailq.client import Mailing, Message
from mailq.contrib.flask import Mailq
from mailq.errors import BadInput, Misconfigured
from tests.support.waiting import eventually

SENDER = "shop@mailq.example"
HELLO = Message("ann@x.example", "Hello", SENDER, "Dear Ann,\n")


@pytest.fixture
def mailq():
    """One extension, for whatever apps there are."""
    return Mailq()


@pytest.fixture
def make_app(mailq):
    """Makes an app of a configuration."""

    def make(url=None, **config):
        app = Flask("shop")
        app.config.update(MAILQ_URL=url, **config)
        mailq.init_app(app)
        return app

    return make


@pytest.fixture
def app(make_app, database_url):
    """An app with a door of its own."""
    return make_app(database_url)


@pytest.fixture(params=["psycopg2", "psycopg"])
def make_session(request, database_url):
    """Sessions of the app's own, with either driver."""
    engine = create_engine(database_url.replace("postgresql://", f"postgresql+{request.param}://"))
    yield sessionmaker(engine)
    engine.dispose()


def test_a_message_is_one_line(app, mailq, messages):
    """Through a connection of mailq's own it is there at once."""
    with app.app_context():
        taken = mailq.send(HELLO)

    assert [(row.public_id, row.address) for row in messages()] == [(taken.id, "ann@x.example")]


def test_within_a_session_mail_commits_with_the_apps_data(app, mailq, make_session, messages):
    """And is never there if that is rolled back."""
    with app.app_context():
        with make_session() as session:
            mailq.within(session).send(HELLO)
            assert messages() == []
            session.rollback()
        assert messages() == []
        with make_session.begin() as session:
            session.execute(text("CREATE TABLE shop (id int)"))
            mailq.within(session).send(HELLO)
            assert messages() == []

    assert len(messages()) == 1


def test_within_takes_a_scoped_session_as_flask_sqlalchemy_has_one(app, mailq, make_session, messages):
    """The one of this request."""
    session = scoped_session(make_session)
    with app.app_context():
        mailq.within(session).send(HELLO)
    session.commit()
    session.remove()

    assert len(messages()) == 1


def test_within_takes_a_plain_connection(app, mailq, database_url, messages):
    """Of psycopg."""
    with psycopg.connect(database_url) as connection, app.app_context():
        mailq.within(connection).send(HELLO)
        assert messages() == []

    assert len(messages()) == 1


def test_within_works_without_a_url(make_app, mailq, make_session, messages):
    """An app that only writes in its own transactions needs no door besides; for all else it is said what is missing."""
    app = make_app()
    with app.app_context():
        with make_session.begin() as session:
            mailq.within(session).send(HELLO)
        with pytest.raises(Misconfigured, match="MAILQ_URL"):
            mailq.send(HELLO)

    assert len(messages()) == 1


def test_a_mailing_is_submitted_steered_and_watched(app, mailq, mailings):
    """By its id or its key."""
    with app.app_context():
        taken = mailq.submit(Mailing("News", "News", SENDER, "Dear all,\n", key="news-11"), ["ann@x.example", "bob@x.example"])
        assert mailq.progress("news-11").num_profiles == 2
        assert [delivery.address for delivery in mailq.deliveries(taken.id)] == ["ann@x.example", "bob@x.example"]
        assert mailq.cancel(taken.id).state == "cancelled"

    assert [made.state for made in mailings()] == ["cancelled"]


def test_apps_of_one_process_have_doors_of_their_own(make_app, mailq, databases, database_url, messages):
    """One extension, two configurations; and an app that is not there has none."""
    elsewhere = databases.create()
    here, there = make_app(database_url), make_app(elsewhere)
    with there.app_context():
        mailq.send(HELLO)
        mailq.client.close()
    assert messages() == []
    with here.app_context():
        mailq.send(HELLO)
    assert len(messages()) == 1
    with Flask("stranger").app_context(), pytest.raises(Misconfigured, match="init_app"):
        mailq.send(HELLO)
    databases.drop(elsewhere)


def test_the_end_of_a_request_closes_no_connection(app, mailq, database):
    """The next one finds it warm."""

    @app.post("/hello")
    def hello():
        return mailq.send(HELLO).id

    def sessions():
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with database.begin() as tx:
            return tx.execute(text(asked)).scalar_one()

    assert app.test_client().post("/hello").status_code == 200
    before = eventually(sessions)
    assert [app.test_client().post("/hello").status_code for _ in range(5)] == [200] * 5
    assert sessions() == before


def test_a_forked_worker_makes_connections_of_its_own(app, mailq, messages):
    """What it inherits is its parent's, who goes on with it."""
    with app.app_context():
        mailq.send(HELLO)
        child = os.fork()
        if child == 0:
            code = 1
            with suppress(Exception):
                mailq.send(HELLO)
                code = 0
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        mailq.send(HELLO)

    assert len(messages()) == 3


@pytest.mark.parametrize(
    ("message", "status", "words"),
    [
        (Message("no address", "Hello", SENDER, "Dear you,\n"), 422, "to"),
        (Message("ann@x.example", "Hello\nBcc: eve@evil.example", SENDER, "Dear you,\n"), 422, "subject"),
    ],
)
def test_bad_input_is_answered_with_422_and_a_sentence(app, mailq, message, status, words):
    """Unless the view handles it."""
    app.add_url_rule("/send", view_func=lambda: mailq.send(message).id)

    answer = app.test_client().get("/send")

    assert answer.status_code == status
    assert words in answer.text


def test_a_door_that_does_not_answer_is_503_and_names_nothing(make_app, mailq):
    """What is wrong stands in the log."""
    app = make_app("postgresql://nobody:secret@127.0.0.1:1/mailq")
    app.add_url_rule("/send", view_func=lambda: mailq.send(HELLO).id)

    answer = app.test_client().get("/send")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "127.0.0.1" not in answer.text


def test_an_app_may_answer_errors_itself(database_url):
    """`answer_errors=False`."""
    app = Flask("shop")
    app.config.update(MAILQ_URL=database_url, TESTING=True)
    mailq = Mailq(app, answer_errors=False)
    app.add_url_rule("/send", view_func=lambda: mailq.send(Message("nobody", "Hello", SENDER, "Hi")).id)

    with pytest.raises(BadInput):
        app.test_client().get("/send")


def test_the_commands_look_and_steer(app, mailq):
    """`flask mailq status news-11`, and a sentence for one that is not there."""
    with app.app_context():
        taken = mailq.submit(Mailing("News", "News", SENDER, "Dear all,\n", key="news-11"), ["ann@x.example"])
    run = app.test_cli_runner()

    shown = run.invoke(args=["mailq", "status", "news-11"])
    assert (shown.exit_code, shown.output.split()[:3]) == (0, [taken.id, "loading", "0/1"])
    assert run.invoke(args=["mailq", "cancel", taken.id]).output.split()[1] == "cancelled"
    missing = run.invoke(args=["mailq", "status", "news-12"])
    assert missing.exit_code == 4
    assert "Traceback" not in missing.output
    assert "news-12" in missing.output
