"""The look of the upkeep finds for all strands of the leader what is due by time, and reads next to nothing of what is not."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from mailq.store import agenda
from mailq.store.agenda import Agenda
from mailq.store.database import Database
from tests.support.servers import Databases

MANY = 3000
FEW = 20
GAP = timedelta(minutes=5)
NOTHING = Agenda(upkeep=False, calls=False, notifications=False)
_CALLS = """
INSERT INTO call (public_id, organization_id, digest, method, objects, num_objects, priority, state, scheduled_at, ended_at)
SELECT '{state}-' || number, 1, '', 'create', '[]', 1, 2, '{state}', {scheduled_at}, {ended_at} FROM generate_series(1, {many}) AS number
"""
_CONVERSATIONS = """
INSERT INTO conversation (organization_id, key, calls_in_conversation, num_received, num_run, state, last_part_at, ended_at)
SELECT 1, '{state}-' || number, 2, {num}, {num}, '{state}', {last_part_at}, {ended_at} FROM generate_series(1, {many}) AS number
"""
_NOTIFICATIONS = """
INSERT INTO notification (public_id, organization_id, event, address, host, payload, state, due_at)
SELECT '{state}-' || number, 1, 'call.finished', 'https://x.example/' || number, 'x.example', '', '{state}', {due_at}
  FROM generate_series(1, {many}) AS number
"""
_LATER = "now() + interval '9 days'"
_READ = text(
    "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables"
    " WHERE relname IN ('call', 'conversation', 'notification')"
)


@pytest.fixture(scope="module")
def ground(databases: Databases) -> Iterator[Database]:
    """Much that has ended, or is not due."""
    url = databases.create()
    database = Database(url, application="tests")
    with database.begin() as tx:
        for statement, facts in (
            (_CALLS, {"state": "finished", "scheduled_at": "NULL", "ended_at": "now()"}),
            (_CALLS, {"state": "scheduled", "scheduled_at": _LATER, "ended_at": "NULL"}),
            (_CONVERSATIONS, {"state": "finished", "num": 2, "last_part_at": "now() - interval '9 days'", "ended_at": "now()"}),
            (_CONVERSATIONS, {"state": "receiving", "num": 0, "last_part_at": _LATER, "ended_at": "NULL"}),
            (_NOTIFICATIONS, {"state": "sent", "due_at": "NULL"}),
            (_NOTIFICATIONS, {"state": "pending", "due_at": _LATER}),
        ):
            tx.exec_driver_sql(statement.format(many=MANY, **facts))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.exec_driver_sql("VACUUM ANALYZE call, conversation, notification")
    yield database
    database.close()
    databases.drop(url)


@pytest.fixture
def tx(ground: Database) -> Iterator[Connection]:
    """A transaction on the ground, rolled back."""
    with ground.engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def look(tx: Connection) -> Agenda:
    return agenda.look(tx, ring_again_after=timedelta(seconds=15), part_gap=GAP)


def test_what_has_ended_or_is_not_due_is_not_read(tx: Connection) -> None:
    """However much there is of it."""
    before = int(tx.execute(_READ).scalar_one())
    assert look(tx) == NOTHING
    assert int(tx.execute(_READ).scalar_one()) - before < FEW


@pytest.mark.parametrize(
    ("due", "found"),
    [
        ("UPDATE call SET state = 'ready' WHERE public_id = 'scheduled-7'", NOTHING._replace(calls=True)),
        ("UPDATE call SET scheduled_at = now() WHERE public_id = 'scheduled-7'", NOTHING._replace(calls=True)),
        (
            "UPDATE conversation SET last_part_at = now() - interval '5 min' WHERE key = 'receiving-7'",
            NOTHING._replace(calls=True),
        ),
        ("UPDATE notification SET due_at = now() WHERE public_id = 'pending-7'", NOTHING._replace(notifications=True)),
    ],
)
@pytest.mark.parametrize("held", ["maintenance_since", "behind_since"])
def test_what_is_due_is_found_among_many_for_whom_it_is_unless_it_is_held_back(
    tx: Connection, due: str, found: Agenda, held: str
) -> None:
    tx.exec_driver_sql(due)
    assert look(tx) == found
    tx.exec_driver_sql(f"UPDATE installation SET {held} = now()")
    assert look(tx) == NOTHING
