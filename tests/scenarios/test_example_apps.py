"""Each example app, started as its README says, on a running stack: who signs up is welcomed, and everybody gets the newsletter."""

import os
import subprocess
import sys
from email import message_from_bytes, policy

import pytest

from tests.support.example_apps import ROOT, ExampleApp
from tests.support.waiting import eventually

LANES = "mailq.transactional,mailq.normal,mailq.bulk"
PEOPLE = {"Ann": "ann@x.example", "Zoë": "zoe@x.example", "Cy": "cy@x.example"}
SERVE = {
    "django": ("manage.py", "runserver", "--noreload", "PORT"),
    "flask": ("-m", "flask", "--app", "app", "run", "--port", "PORT"),
    "fastapi": ("-m", "uvicorn", "app:app", "--port", "PORT"),
}


@pytest.fixture
def make_app(node_supervisor, database_url):
    """Makes the app of an example, not started yet."""
    made = []

    def make(name):
        made.append(ExampleApp(name, database_url, node_supervisor))
        return made[-1]

    yield make
    for app in made:
        app.close()


def mails(sink):
    """What was accepted, as (recipient, subject, first line)."""
    read = [(mail.recipient, message_from_bytes(mail.content, policy=policy.default)) for mail in sink.accepted]
    return sorted((to, mail["Subject"], mail.get_body().get_content().splitlines()[0]) for to, mail in read)


WELCOMES = sorted((address, "Welcome", f"Dear {name},") for name, address in PEOPLE.items())
NEWS = sorted((address, f"News for {name}", f"Dear {name}, hello") for name, address in PEOPLE.items())
NEWSLETTER = {"subject": "News for {{ name }}", "text": "Dear {{ name }}, hello\n"}


@pytest.mark.parametrize("name", SERVE)
@pytest.mark.parametrize("given", [{}, {"DATABASE_URL": ""}], ids=["unset", "empty"])
def test_an_app_without_a_database_says_what_to_do(name, given):
    """Instead of a traceback."""
    argv = [sys.executable, *(word.replace("PORT", "0") for word in SERVE[name])]
    environment = {word: value for word, value in os.environ.items() if word != "DATABASE_URL"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | given
    directory = ROOT / "examples" / name
    done = subprocess.run(argv, cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert done.stderr == "set DATABASE_URL; ./run up --with-worker starts a stack\n"


@pytest.mark.parametrize("name", ["django", "flask"])
def test_an_app_with_forms_commits_its_mail_with_its_data(make_app, start_server, sink, name):
    """Who pays is a member and welcomed; who does not is neither; all members get the newsletter, and its page shows it."""
    app = make_app(name)
    app.run("manage.py", "migrate") if name == "django" else app.run("-m", "flask", "--app", "app", "migrate")
    app.start(*SERVE[name])
    start_server(queues=LANES)

    for person, address in PEOPLE.items():
        assert app.submit("/sign-up", name=person, address=address, card="good").status_code == 200
    assert app.submit("/sign-up", name="Bob", address="bob@x.example", card="declined").status_code == 402
    assert app.submit("/sign-up", name="Ann", address="ann@x.example", card="good").status_code == 409
    assert "<h1>3 members</h1>" in app.browser.get("/").text
    eventually(lambda: mails(sink) == WELCOMES, within=30)

    page = app.submit("/newsletters", **NEWSLETTER)
    assert page.url.path.startswith("/newsletters/mlg_")
    eventually(lambda: "newsletter: finished" in app.browser.get(page.url).text, within=30)
    assert "3 of 3 sent" in app.browser.get(page.url).text
    assert mails(sink) == sorted([*WELCOMES, *NEWS])


def test_an_api_commits_its_mail_with_its_data(make_app, start_server, sink):
    """The same, with JSON and an asynchronous session."""
    app = make_app("fastapi").start(*SERVE["fastapi"])
    start_server(queues=LANES)

    for person, address in PEOPLE.items():
        assert app.browser.post("/members", json={"name": person, "address": address, "card": "good"}).status_code == 201
    declined = app.browser.post("/members", json={"name": "Bob", "address": "bob@x.example", "card": "declined"})
    assert declined.status_code == 402
    again = app.browser.post("/members", json={"name": "Ann", "address": "ann@x.example", "card": "good"})
    assert again.status_code == 409
    eventually(lambda: mails(sink) == WELCOMES, within=30)

    taken = app.browser.post("/newsletters", json=NEWSLETTER)
    assert (taken.status_code, taken.json()["num_profiles"]) == (202, 3)
    progress = f"/newsletters/{taken.json()['id']}"
    eventually(lambda: app.browser.get(progress).json()["state"] == "finished", within=30)
    assert app.browser.get(progress).json()["num_sent"] == 3
    assert mails(sink) == sorted([*WELCOMES, *NEWS])
    assert app.browser.post("/newsletters", json={"subject": "Hi\nBcc: x@y.example", "text": "Hi"}).status_code == 422
