"""Whoever receives, runs, sweeps, lists or extracts calls reads those calls, however many have ended before."""

from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from mailq.engine.calls.receiving import receive
from mailq.engine.calls.running import Runner
from mailq.engine.calls.terms import Terms
from mailq.store import call_results, call_turns, calls, conversations
from mailq.store.database import Database
from tests.support.calling import TERMS, Answers, no_organization, order, part
from tests.support.plans import explained

HISTORY = 20_000
LARGE = {"call", "call_result", "conversation"}
AT = datetime(2026, 1, 1, tzinfo=UTC)
_CONVERSATIONS = text("""
INSERT INTO conversation (organization_id, key, calls_in_conversation, num_received, num_run, state, ended_at)
SELECT 1, 'c' || number, 1, 1, 1, 'finished', clock_timestamp() FROM generate_series(1, :number) AS number
""")
_CALLS = text("""
INSERT INTO call (public_id, organization_id, key, digest, method, objects, num_objects, priority, state, conversation_id, sequence_code,
                  ended_at)
SELECT 'req_' || number, 1, 'k' || number, 'd', 'create', '[]', 1, 2, 'finished', number, 1, clock_timestamp()
  FROM generate_series(1, :number) AS number
""")
_RESULTS = text(
    "INSERT INTO call_result (call_id, ordinal, status, object_type, message) SELECT id, 1, 'ok', 'word', '' FROM call"
)

_LONG_AGO = text(
    "UPDATE conversation SET last_part_at = last_part_at - interval '1 day' WHERE organization_id = 1 AND key = 'late'"
)


@pytest.fixture(scope="module", params=["analysed", "never analysed"])
def ground(databases, request):
    """A database in which many calls, each a conversation of its own, have ended."""
    url = databases.create()
    database = Database(url, application="tests")
    with database.begin() as tx:
        for table in sorted(LARGE):
            tx.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
        tx.execute(_CONVERSATIONS, {"number": HISTORY})
        tx.execute(_CALLS, {"number": HISTORY})
        tx.execute(_RESULTS)
    if request.param == "analysed":
        with database.begin() as tx:
            tx.execute(text("ANALYZE call, call_result, conversation"))
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


def read_whole(plans):
    return {(table, plan.statement) for plan in plans for table in plan.scanned() & LARGE}


def test_calls_and_parts_are_received_run_and_swept_by_indexes(tx):
    answers = Answers()
    runner = Runner(Once(tx), no_organization, answers, terms=TERMS, kinds={})
    with explained(tx) as plans:
        receive(tx, 1, [order("a", key="a"), order("b", key="k7"), part(1, 2), part(2, 2), part(1, 3, of="late")], terms=TERMS)
        receive(tx, 1, [part(1, 2), part(1, 1, of="c7")], terms=TERMS)
        tx.execute(_LONG_AGO)
        receive(tx, 1, [part(2, 3, of="late")], terms=Terms(respond=answers))
        runner.run_due()
        runner.sweep()
    assert [each.conversation_id for each in answers.conversations] == ["late", "c"]
    assert len(plans) > 20
    assert read_whole(plans) == set()


def test_calls_are_found_listed_and_taken_back_by_indexes(tx):
    with explained(tx) as plans:
        found = calls.find(tx, 1, "req_7")
        row = conversations.find(tx, 1, "c7").id
        calls.listed(tx, 1, limit=9, before=found.id)
        calls.listed(tx, 1, limit=9, conversation=row)
        calls.parts(tx, row, limit=9)
        calls.objects(tx, found.id)
        conversations.codes(tx, row)
        call_results.of_call(tx, found.id)
        call_results.of_conversation(tx, row, limit=9)
        call_turns.cancel(tx, found.id, "why")
    assert read_whole(plans) == set()


def test_results_are_extracted_and_calls_pruned_by_the_time_of_their_end(tx):
    tx.execute(text("UPDATE call SET ended_at = :at WHERE id <= 9"), {"at": AT})
    tx.execute(text("UPDATE conversation SET ended_at = :at WHERE id <= 9"), {"at": AT})
    with explained(tx) as plans:
        page = call_results.extract(tx, 1, since=AT, until=AT + timedelta(hours=1), limit=5)
        last = page[-1]
        after = call_results.After(last.ended_at, last.call_id, last.result.ordinal)
        rest = call_results.extract(tx, 1, since=AT, until=AT + timedelta(hours=1), limit=5, after=after)
        keep = datetime.now(UTC) - AT - timedelta(hours=1)
        assert call_turns.prune(tx, keep=keep, limit=100) == 9
    assert len(page + rest) == 9
    assert read_whole(plans) == set()
    assert any("call_ended_idx" in plan.indexes() for plan in plans if plan.statement.lstrip().startswith("DELETE"))
