"""Every documented extra works with its own packages: what the others bring is not installed in these processes."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mailq.store.database import Database
from mailq.store.outbox_database import OutboxDatabase
from mailq.store.tables import inbox

API = {"fastapi", "starlette", "uvicorn", "httptools", "limits"}
HTTP = {"httpx2", "stamina"}
FRAMEWORKS = {"django", "flask"}
# What SQLAlchemy brings on some machines alone, or an extra of its own brings.
ASYNCHRONOUS = {"greenlet", "asyncpg", "psycopg"}
ALL = API | HTTP | FRAMEWORKS | ASYNCHRONOUS

EVERY_TRANSACTION = """
    import sqlite3, psycopg2
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session
    from mailq import Client, Message, Outbox

    message = Message("ann@x.example", "Hello", "shop@x.example", text="Dear you")
    with Client({url!r}) as own:
        own.send(message)
    joined = psycopg2.connect({url!r})
    Client(joined).send(message)
    joined.commit()
    with Session(create_engine({url!r}.replace("://", "+psycopg2://", 1))) as session:
        Client(session).send(message)
        session.commit()
    shop = sqlite3.connect({shop!r})
    Client(Outbox(shop)).send(message)
    shop.commit()
"""
DJANGO = """
    import django
    from django.conf import settings
    from tests.support.django_project import BACKEND, connection_settings

    database = {{"ENGINE": "django.db.backends.postgresql", **connection_settings({url!r})}}
    APPS = ["mailq.contrib.django"]
    mailers = {{"MAILERS": {{"default": {{"BACKEND": BACKEND}}}}}} if django.VERSION >= (6, 1) else {{"EMAIL_BACKEND": BACKEND}}
    settings.configure(MAILQ={{"DATABASE": "default"}}, DATABASES={{"default": database}}, INSTALLED_APPS=APPS, **mailers)
    django.setup()
    from django.core.mail import send_mail
    send_mail("Hello", "Dear Ann", "shop@x.example", ["ann@x.example"])
"""
FLASK = """
    from flask import Flask
    from mailq import Message
    from mailq.contrib.flask import Mailq

    app = Flask("shop")
    app.config["MAILQ_URL"] = {url!r}
    mailq = Mailq(app)
    with app.app_context():
        mailq.send(Message("ann@x.example", "Hello", "shop@x.example", text="Dear you"))
"""
FASTAPI = """
    import asyncio
    from fastapi import FastAPI
    from mailq import Message
    from mailq.contrib.fastapi import connect

    async def main():
        async with connect(FastAPI(), {url!r}) as mailq:
            await mailq.client.send(Message("ann@x.example", "Hello", "shop@x.example", text="Dear you"))

    asyncio.run(main())
"""
OVER_HTTP = """
    from mailq import Client
    Client("https://mailq.example", key="mq_secret").close()
"""


def run_without(missing: set[str], program: str) -> None:
    """Run a program in a process where packages cannot be imported."""
    blocked = f"import sys\nsys.modules.update(dict.fromkeys({sorted(missing)!r}))\n"
    argv = [sys.executable, "-c", blocked + textwrap.dedent(program)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def num_messages(database: Database) -> int:
    """How many were committed."""
    with database.begin() as tx:
        return len(tx.execute(inbox.select()).all())


def test_without_any_extra_every_transaction_can_be_joined(database: Database, database_url: str, tmp_path: Path) -> None:
    """greenlet is for asynchronous producers alone."""
    shop = OutboxDatabase(f"sqlite:///{tmp_path}/shop.db")
    shop.create()
    shop.close()

    run_without(ALL, EVERY_TRANSACTION.format(url=database_url, shop=f"{tmp_path}/shop.db"))

    assert num_messages(database) == 3


@pytest.mark.parametrize(
    ("program", "brought"),
    [
        pytest.param(DJANGO, {"django"}, id="django"),
        pytest.param(FLASK, {"flask"}, id="flask"),
        pytest.param(FASTAPI, API, id="api"),
    ],
)
def test_each_framework_sends_with_its_own_extra(database: Database, database_url: str, program: str, brought: set[str]) -> None:
    run_without(ALL - brought, program.format(url=database_url))

    assert num_messages(database) == 1


def test_the_door_over_http_needs_its_own_extra_alone() -> None:
    run_without(ALL - HTTP, OVER_HTTP)


def test_an_asynchronous_connection_without_greenlet_is_refused_in_words(database_url: str) -> None:
    """psycopg alone does not bring it."""
    run_without(
        ALL - {"psycopg"},
        f"""
        import asyncio, psycopg
        from mailq import AsyncClient, Message
        from mailq.errors import Misconfigured

        async def main():
            async with await psycopg.AsyncConnection.connect({database_url!r}) as connection:
                await AsyncClient(connection).send(Message("ann@x.example", "Hello", "shop@x.example", text="Dear you"))

        try:
            asyncio.run(main())
        except Misconfigured as error:
            assert "`pip install 'sqlalchemy[asyncio]'`" in str(error)
        else:
            raise SystemExit("it was taken")
        """,
    )
