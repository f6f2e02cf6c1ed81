"""Moving some messages reads those messages, however many have passed through the inbox before, whether anybody has analysed it or not."""

from contextlib import nullcontext
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, text

from mailq.engine import messages, streams
from mailq.store.database import Database
from tests.support.plans import explained

HISTORY = 20_000
_PASSED = text("""
INSERT INTO inbox (public_id, organization_id, key, digest, stream, lane, doubt_policy, size_bytes, mailing_id, seq)
SELECT 'msg_' || number, 1, 'key-' || number, 'd', 'another', 'transactional', 'hold', 10, 1, number
  FROM generate_series(1, :number) AS number
""")
_SUPPRESSED = text("""
INSERT INTO suppression (organization_id, address, reason) SELECT 1, 'r' || number || '@y.example', 'bounced'
  FROM generate_series(1, :number) AS number
""")


@pytest.fixture(scope="module", params=["analysed", "never analysed"])
def ground(databases, request):
    """A database through which many messages have passed, and whose organization has a long list of suppressions."""
    url = databases.create()
    database = Database(url, application="tests")
    with database.begin() as tx:
        for table in ("inbox", "suppression"):
            tx.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
        tx.execute(_PASSED, {"number": HISTORY})
        tx.execute(_SUPPRESSED, {"number": HISTORY})
    if request.param == "analysed":
        with database.begin() as tx:
            tx.execute(text("ANALYZE inbox, suppression"))
    yield database
    database.close()
    databases.drop(url)


@dataclass(frozen=True)
class Once:
    """One open transaction as a database: what begins on it shares it."""

    tx: Connection

    def begin(self):
        return nullcontext(self.tx)


@pytest.fixture
def tx(ground):
    with ground.engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def order(number):
    return messages.order(to=f"r{number}@x.example", subject="Code", sender="shop@x.example", text="42", key=f"new-{number}")


def scanned(found):
    return {table for plan in found for table in plan.scanned()} & {"inbox", "suppression"}


def test_accepting_reads_no_more_than_the_keys_that_it_names(tx):
    with explained(tx) as found:
        messages.accept(tx, 1, [order(number) for number in range(20)])
        messages.accept(tx, 1, [order(number) for number in range(20)])
    assert found
    assert scanned(found) == set()


@pytest.mark.parametrize("number", [1, 300])
def test_moving_reads_no_more_than_what_waits(tx, number):
    messages.accept(tx, 1, [order(each) for each in range(number)])
    with explained(tx) as found:
        assert streams.move(Once(tx)).num == number
    assert found
    assert scanned(found) == set()


def test_finding_a_message_reads_that_message(tx):
    [taken] = messages.accept(tx, 1, [order(1)])
    with explained(tx) as found:
        messages.find(tx, 1, taken.public_id)
    assert scanned(found) == set()
