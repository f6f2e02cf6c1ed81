"""Two organizations with a mailing each."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from mailq.store import organizations
from mailq.store.database import Database
from tests.support.mailings import Made, make_mailing


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


MakeMailing = Callable[..., Made]


@pytest.fixture
def make(database: Database) -> MakeMailing:
    """Makes a mailing of an organization, straight in the ledger."""

    def make(sizes: tuple[int, ...] = (5,), *, of: int | None = None, **how: object) -> Made:
        with database.begin() as tx:
            made = make_mailing(tx, sizes, **how)  # type: ignore[arg-type]
            if of is not None:
                tx.execute(text("UPDATE mailing SET organization_id = :of WHERE id = :id"), {"of": of, "id": made.id})
            return made

    return make
