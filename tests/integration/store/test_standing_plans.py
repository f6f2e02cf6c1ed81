"""What the upkeep asks at every tick reads next to nothing, however many mailings and streams stand with nothing to do.

Counted are the rows that PostgreSQL itself says it has read.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from mailq.core.mailing import Lane
from mailq.store import agenda, batches, doubts, endings, prepared, ringing, schedule
from mailq.store.database import Database
from tests.support.servers import Databases

MANY = 3000
SOME = 10
FEW = 200
AGAIN = timedelta(seconds=15)
_MAILINGS = """
INSERT INTO mailing (id, public_id, organization_id, name, state, lane, doubt_policy, content, content_digest, source_digest, batch_size,
                     stream, open_until, scheduled_at, expires_at)
SELECT (SELECT coalesce(max(id), 24323 * (1::bigint << 40)) FROM mailing) + number, '{name}-' || number, 1, 'Many', '{state}', 'bulk',
       'hold', '{{}}', '', '', 10, {columns}
  FROM generate_series(1, {num}) AS number
"""
_BATCHES = """
INSERT INTO batch (mailing_id, number, first_seq, last_seq, watermark, num_profiles, state, due_at, num_sent, num_in_doubt)
SELECT id, number, number, number, number - 1, 1, '{state}', {due_at}, {num_sent}, {num_in_doubt}
  FROM mailing, generate_series(1, {num}) AS number WHERE starts_with(public_id, '{name}-')
"""
_LATER = "now() + interval '9 days'"
_READ = text(
    "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables WHERE relname IN ('mailing', 'batch')"
)


def make(
    tx: Connection,
    name: str,
    state: str,
    columns: str = "NULL, NULL, NULL, NULL",
    *,
    num: int = 1,
    batch: str | None = None,
    num_batches: int = SOME,
    in_doubt: bool = False,
) -> None:
    tx.exec_driver_sql(_MAILINGS.format(name=name, state=state, columns=columns, num=num))
    if batch is not None:
        sent, due = int(batch == "finished" and not in_doubt), _LATER if batch == "waiting" else "NULL"
        facts = {"due_at": due, "num_sent": sent, "num_in_doubt": int(in_doubt)}
        tx.exec_driver_sql(_BATCHES.format(name=name, state=batch, num=num_batches, **facts))


@pytest.fixture(scope="module")
def ground(databases: Databases) -> Iterator[Database]:
    """Much that stands and waits, of which nothing is due."""
    url = databases.create()
    database = Database(url, application="tests")
    with database.begin() as tx:
        make(tx, "past", "finished", num=MANY, batch="finished", num_batches=1)
        make(tx, "stream", "running", f"'d' || number, {_LATER}, NULL, NULL", num=MANY, batch="finished", num_batches=1)
        make(tx, "hour", "scheduled", f"NULL, NULL, {_LATER}, {_LATER}", num=MANY)
        make(tx, "paused", "paused", batch="ready")
        make(tx, "retried", "running", batch="waiting")
        make(tx, "doubtful", "finished", batch="finished", in_doubt=True)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.exec_driver_sql("VACUUM ANALYZE mailing, batch")
    yield database
    database.close()
    databases.drop(url)


@pytest.fixture
def tx(ground: Database) -> Iterator[Connection]:
    """A transaction on the ground, rolled back."""
    with ground.engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def num_read(tx: Connection, ask: Callable[[], object]) -> int:
    before = int(tx.execute(_READ).scalar_one())
    assert not ask()
    return int(tx.execute(_READ).scalar_one()) - before


QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "whether there is anything to do": lambda tx: any(agenda.look(tx, ring_again_after=AGAIN, part_gap=AGAIN)),
    "which to start": schedule.start_due,
    "which have expired": schedule.expire_due,
    "whose rest to skip": schedule.with_batches_to_end,
    "which doubts a policy settles": lambda tx: doubts.for_policies(tx, older_than=AGAIN, limit=100),
    "what waits and is due": batches.wake_due,
    "which nobody has finished": endings.overlooked,
    "what to ring for": lambda tx: ringing.choose(tx, Lane.BULK, room=8, ring_again_after=AGAIN),
    "what has been rung": lambda tx: ringing.outstanding(tx, Lane.BULK, ring_again_after=AGAIN),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_stands_and_is_not_due_is_not_read(tx: Connection, name: str) -> None:
    assert num_read(tx, lambda: QUESTIONS[name](tx)) < FEW


@pytest.mark.parametrize("name", ["what to ring for", "what has been rung"])
def test_a_worker_whose_plans_are_older_than_the_streams_does_not_read_them_either(tx: Connection, name: str) -> None:
    tx.exec_driver_sql(prepared.SESSION)
    assert num_read(tx, lambda: QUESTIONS[name](tx)) < FEW


@pytest.mark.parametrize(
    ("name", "due"),
    [
        ("which to start", "UPDATE mailing SET scheduled_at = now() WHERE public_id = 'hour-7'"),
        ("which have expired", "UPDATE mailing SET expires_at = now() WHERE public_id = 'hour-7'"),
        ("whose rest to skip", "UPDATE mailing SET state = 'expired' WHERE public_id = 'retried-1'"),
        ("what waits and is due", "UPDATE batch SET due_at = now() WHERE number = 7 AND state = 'waiting'"),
        ("which nobody has finished", "UPDATE mailing SET open_until = now() WHERE public_id = 'stream-7'"),
        ("what to ring for", "UPDATE mailing SET state = 'running' WHERE public_id = 'paused-1'"),
    ],
)
def test_the_one_that_is_due_is_found_among_many(tx: Connection, name: str, due: str) -> None:
    tx.exec_driver_sql(due)
    assert QUESTIONS["whether there is anything to do"](tx)
    assert QUESTIONS[name](tx)
