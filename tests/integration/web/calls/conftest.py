"""One API for the tests of a module, emptied before each; and somebody who runs what has been received."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from mailq import bootstrap
from mailq.admin import organizations
from mailq.errors import Conflict
from mailq.settings import Settings
from mailq.store.database import Database
from tests.integration.web.conftest import NewCaller
from tests.support.api import ApiThread, Caller
from tests.support.doors import Ground
from tests.support.servers import Databases

ANN: Mapping[str, Any] = {"type": "subscriber", "customer_key": "ann", "address": "ann@x.example"}
BOB: Mapping[str, Any] = {"type": "subscriber", "customer_key": "bob", "address": "bob@x.example"}
SUPPRESSED: Mapping[str, Any] = {"type": "suppression", "address": "eve@x.example"}


def call(*objects: Mapping[str, Any], method: str = "create", key: str | None = None, **options: Any) -> dict[str, Any]:
    """A call."""
    said: dict[str, Any] = {"method": method, "objects": list(objects), "options": options}
    return said if key is None else said | {"key": key}


def part(code: int, length: int, *objects: Mapping[str, Any], of: str = "c", **more: Any) -> dict[str, Any]:
    """A part of a conversation."""
    place = {"conversation_id": of, "sequence_code": code, "calls_in_conversation": length}
    return call(*(objects or (subscriber(code),)), **place, **more)


def subscriber(number: int) -> dict[str, Any]:
    """One of many."""
    return {"type": "subscriber", "customer_key": f"s{number}", "address": f"s{number}@x.example"}


@pytest.fixture(scope="module")
def common_ground(databases: Databases) -> Iterator[Ground]:
    """What the tests of a module share."""
    url = databases.create()
    made = Ground(url)
    yield made
    made.close()
    databases.drop(url)


@pytest.fixture
def ground(common_ground: Ground) -> Ground:
    """As if this test were the first."""
    common_ground.clear()
    return common_ground


@pytest.fixture
def database_url(ground: Ground) -> str:
    """Of the database behind the API."""
    return ground.url


@pytest.fixture
def database(ground: Ground) -> Database:
    """The database behind the API."""
    return ground.database


@pytest.fixture
def stranger(new_caller: NewCaller, database: Database) -> Caller:
    """A client of another organization, which the module keeps."""
    with suppress(Conflict):
        organizations.create(database, "elsewhere")
    return new_caller("admin", organization="elsewhere")


@pytest.fixture
def api(ground: Ground) -> ApiThread:
    """The API of this module."""
    return ground.api


@pytest.fixture
def run(database: Database, settings: Settings) -> Callable[[], None]:
    """Run what can be run, as the leader does."""

    def work() -> None:
        runner = bootstrap.runner(settings, database)
        while runner.run_due():
            pass

    return work
