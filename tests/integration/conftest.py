"""Two organizations, for whoever sees only what is his own."""

import pytest

from mailq.store import organizations
from mailq.store.database import Database


@pytest.fixture
def us(database: Database) -> int:
    """The organization that makes mailings unless it is said otherwise."""
    with database.begin() as tx:
        return organizations.id_of(tx, "default")


@pytest.fixture
def them(database: Database) -> int:
    """Another one."""
    with database.begin() as tx:
        made = organizations.create(tx, "org_them", "them")
        assert made is not None
        return made.id
