"""A connection that is kept: what broke while it rested is replaced before anybody notices."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DataError

from mailq.errors import Unavailable
from mailq.store import prepared
from mailq.store.database import KeptConnection


@pytest.fixture
def keep(database):
    """Keep a connection that is asked after so many seconds of rest."""
    kept = []

    def keep(rested_s):
        kept.append(KeptConnection(database, session=prepared.SESSION, rested_s=rested_s))
        return kept[-1]

    yield keep
    for one in kept:
        one.close()


def pid(kept) -> int:
    with kept.begin() as tx:
        return tx.execute(text("SELECT pg_backend_pid()")).scalar_one()


def end(database, pid):
    with database.begin() as tx:
        assert tx.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()


def test_a_connection_is_the_same_from_transaction_to_transaction(keep):
    for rested_s in (None, 0, 60):
        kept = keep(rested_s)
        assert pid(kept) == pid(kept)


def test_one_that_was_ended_while_it_rested_is_replaced_and_set_like_the_first(database, keep):
    kept = keep(0)
    first = pid(kept)
    end(database, first)
    assert pid(kept) != first
    with kept.begin() as tx:
        assert tx.execute(text("SHOW enable_seqscan")).scalar_one() == "off"


def test_one_that_was_ended_between_two_statements_is_unavailable_once(database, keep):
    kept = keep(60)
    first = pid(kept)
    end(database, first)
    with pytest.raises(Unavailable):
        pid(kept)
    assert pid(kept) != first


def test_what_a_failing_statement_was_given_is_in_no_error(database):
    """Errors go to logs; parameters are addresses and words."""
    with pytest.raises(DataError) as failed, database.begin() as tx:
        tx.execute(text("SELECT CAST('x' AS integer),\n:words"), {"words": "a secret"})
    assert "a secret" not in str(failed.value)
