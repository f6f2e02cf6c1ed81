"""What the organizations have made."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from mailq.store.database import Database
from tests.support.mailings import Made, make_mailing

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
