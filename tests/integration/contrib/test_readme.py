"""The lines of the README that apps copy."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.mail import send_mail
from django.test.utils import override_settings
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from mailq.admin import keys
from mailq.settings import Settings
from mailq.store.database import Database
from tests.support import examples
from tests.support.api import serving_api

PAGE = "README.md"


class Base(DeclarativeBase):
    """Tables of a shop."""


class Order(Base):
    """What somebody has bought."""

    __tablename__ = "shop_order"
    number: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A session of a shop whose tables are beside mailq's."""
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg2:"))
    Base.metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def copied(name: str, **known: Any) -> SimpleNamespace:
    """An example, run where these names are known; what it has defined."""
    exec(compile(examples.of_page(PAGE)[name], f"{PAGE}:{name}", "exec"), known)
    return SimpleNamespace(**{each: value for each, value in known.items() if each != "__builtins__"})


def test_an_order_and_its_mail_are_there_together(
    session: Session, messages: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or neither, if the shop rolls back."""
    place = copied("transaction.py").place

    place(Order(number=1, address="ada@customer.example"), session)
    monkeypatch.setattr(session, "commit", session.rollback)
    place(Order(number=2, address="eve@customer.example"), session)

    assert session.execute(text("SELECT number FROM shop_order")).scalars().all() == [1]
    assert [(row.key, row.address) for row in messages()] == [("order-1", "ada@customer.example")]


def test_the_settings_make_django_send_through_mailq(project: None, messages: Callable[[], Any]) -> None:
    """Into the books, in the transaction of the view."""
    said = vars(copied("settings.py", INSTALLED_APPS=[]))
    chosen = {name: said[name] for name in ("MAILQ", "EMAIL_BACKEND")}

    with override_settings(**chosen):
        send_mail("Hello", "Dear Ada,\n", "Shop <shop@shop.example>", ["ada@customer.example"])

    assert said["INSTALLED_APPS"] == ["mailq.contrib.django"]
    assert [row.address for row in messages()] == ["ada@customer.example"]


def test_the_app_of_flask_sends(database_url: str, messages: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One request, one message; an address that is none is answered as a mistake of who asked."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    app = copied("flask_app.py", __name__="readme").app

    assert app.test_client().post("/welcome", data={"address": "nobody"}).status_code == 422
    assert app.test_client().post("/welcome", data={"address": "ada@customer.example"}).status_code == 204
    assert [row.address for row in messages()] == ["ada@customer.example"]


def test_the_app_of_fastapi_sends(database_url: str, messages: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One request, one message; an address that is none is answered as a mistake of who asked."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    app = copied("fastapi_app.py", __name__="readme").app

    with TestClient(app) as browser:
        assert browser.post("/welcome", params={"address": "nobody"}).status_code == 422
        assert browser.post("/welcome", params={"address": "ada@customer.example"}).status_code == 204
    assert [row.address for row in messages()] == ["ada@customer.example"]


def test_the_line_of_curl_sends_once(database: Database, database_url: str, messages: Callable[[], Any], tmp_path: Path) -> None:
    """However often it is typed."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    key = keys.create(database, "default", "shop", ["send"]).key
    script = examples.write(PAGE, "message.sh", tmp_path)
    with serving_api(Settings(database_url=database_url)) as api:
        variables = {**os.environ, "API_URL": api.url, "API_KEY": key}
        said = [
            subprocess.run(["sh", script], env=variables, capture_output=True, text=True, check=True).stdout for _ in range(2)
        ]

    assert ['"created": true' in said[0], '"created": false' in said[1]] == [True, True]
    assert [row.address for row in messages()] == ["ada@customer.example"]
