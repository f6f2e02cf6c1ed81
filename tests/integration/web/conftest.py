"""An API on a database of the test's own, and callers with keys of every kind."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from mailq.admin import keys, organizations
from mailq.settings import ApiSettings, Settings
from mailq.store.database import Database
from tests.support.api import ApiThread, Caller, serving_api

LETTER = {"name": "sale", "subject": "Hi {{ name }}", "sender": "Shop <shop@x.example>", "text": "Dear {{ name }}, hello."}
WORDS = {"to": "ann@x.example", "subject": "Order 4711", "sender": "Shop <shop@x.example>", "text": "Thank you."}


@pytest.fixture
def settings(database_url: str) -> Settings:
    """What the API of a test is told; a test that wants something else overrides `chosen`."""
    return Settings(database_url=database_url)


@pytest.fixture
def chosen() -> dict[str, Any]:
    """Settings of `[api]` that a test has its own mind about."""
    return {}


@pytest.fixture
def api(settings: Settings, chosen: dict[str, Any]) -> Iterator[ApiThread]:
    """An API on a real socket."""
    with serving_api(settings.model_copy(update={"api": ApiSettings(**chosen)})) as running:
        yield running


@pytest.fixture
def http(api: ApiThread) -> Iterator[httpx2.Client]:
    """A client without a key."""
    with httpx2.Client(base_url=api.url, timeout=20) as client:
        yield client


NewCaller = Callable[..., Caller]


@pytest.fixture
def new_caller(http: httpx2.Client, database: Database) -> NewCaller:
    """Make a key with these scopes, and a client that presents it."""

    def make(*scopes: str, organization: str = "default", **more: Any) -> Caller:
        return Caller(http, keys.create(database, organization, "test", scopes, **more).key)

    return make


@pytest.fixture
def caller(new_caller: NewCaller) -> Caller:
    """A client of the default organization that may do everything."""
    return new_caller("admin")


@pytest.fixture
def stranger(new_caller: NewCaller, database: Database) -> Caller:
    """A client of another organization that may do everything there."""
    organizations.create(database, "elsewhere")
    return new_caller("admin", organization="elsewhere")


def with_key(key: str) -> dict[str, str]:
    """The header of a request that may come twice."""
    return {"Idempotency-Key": key}
