"""A ledger with history: as many finished deliveries as one wants, in mailings of all sizes over twelve months, made by set-based SQL.

With every number of deliveries there are the same mailings, only larger or smaller, and the same number of mails for each
address: what is asked of two crowds differs in the number of rows and in nothing else.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection, text

from mailq.core.mailing import month_of
from mailq.store import partitions
from mailq.store.database import Database, moment

MONTHS = 12
BATCH_SIZE = 1000
DOUBTS = 8
MAILS_AN_ADDRESS = 10
_SHARES = (1000,) * 3 + (300,) * 10 + (100,) * 20 + (50,) * 30 + (10,) * 50
"""Of ten thousand, the part of each mailing; one of them is a tenth of all."""
_THREADS = 2

Report = Callable[[int], None]

_MAILING = text("""
INSERT INTO mailing (id, public_id, organization_id, key, name, state, lane, doubt_policy, content, content_digest, source_digest,
                     batch_size, num_loaded, created_at, started_at, finished_at)
SELECT CAST(:month AS bigint) << 40 | nextval('mailing_number'), :public_id, organization.id, :key, :key, 'finished', 'bulk', 'hold',
       CAST(:content AS jsonb), 'content', 'source', :batch_size, :size, :at, :at, :at
  FROM organization WHERE name = 'default'
RETURNING id
""")
# Of a thousand 7 are skipped, 15 are errors, and the rest was sent.
_BATCHES = text("""
INSERT INTO batch (mailing_id, number, first_seq, last_seq, watermark, state, fence, ledger_no, num_profiles, num_skipped,
                   num_errors, num_sent, first_claimed_at, pass_started_at, progressed_at, finished_at)
SELECT :mailing_id, number, first_seq, last_seq, last_seq, 'finished', 1, 40, last_seq - first_seq + 1, skipped, errors,
       last_seq - first_seq + 1 - skipped - errors, :at, :at, :at, :at
  FROM (SELECT number, (number - 1) * :batch_size + 1 AS first_seq, least(number * :batch_size, :size) AS last_seq
          FROM generate_series(1, (:size + :batch_size - 1) / :batch_size) AS number) AS cut
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE seq % 1000 < 7) AS skipped, count(*) FILTER (WHERE seq % 1000 BETWEEN 7 AND 21) AS errors
         FROM generate_series(first_seq, last_seq) AS seq) AS counted
 ORDER BY number
""")
_DELIVERIES = """
INSERT INTO {partition} (mailing_id, batch_id, settled_at, seq, pass, attempts, state, address, variables, relay, reply, skip)
SELECT batch.mailing_id, batch.id, batch.finished_at, seq, 1, CASE WHEN kind < 7 THEN 0 ELSE 1 END,
       CASE WHEN kind < 7 THEN 'skipped' WHEN kind < 22 THEN 'error' ELSE 'sent' END,
       'customer' || person || '@mail' || person % 97 || '.example',
       jsonb_build_object('first_name', 'Name' || person, 'coupon', 'SPRING-' || seq),
       CASE WHEN kind >= 7 THEN 'relay.example:25' END,
       CASE WHEN kind < 7 THEN 'not an address' WHEN kind < 22 THEN '550 5.1.1 mailbox unavailable'
            ELSE '250 2.0.0 Ok: queued as ' || to_hex(seq) END,
       CASE WHEN kind < 7 THEN 'invalid' END
  FROM batch
 CROSS JOIN LATERAL generate_series(batch.first_seq, batch.last_seq) AS seq
 CROSS JOIN LATERAL (SELECT seq % 1000 AS kind, (seq + :shift) * 7919::bigint % :people AS person) AS of
 WHERE batch.mailing_id = :mailing_id
"""
_INDEXES = text("SELECT indexdef FROM pg_indexes WHERE tablename = 'delivery' AND indexname <> 'delivery_pkey'")
_DOUBT = text("""
WITH doubted AS (
    UPDATE delivery SET state = 'in_doubt', doubt = 'worker_killed', reply = NULL
     WHERE mailing_id = :mailing_id AND seq BETWEEN 101 AND 100 + :number AND state = 'sent'
    RETURNING seq)
UPDATE batch SET num_sent = num_sent - counted.number, num_in_doubt = counted.number
  FROM (SELECT count(*) AS number FROM doubted) AS counted
 WHERE mailing_id = :mailing_id AND 101 BETWEEN first_seq AND last_seq
""")


@dataclass(frozen=True)
class Crowd:
    """What was made.

    Attributes:
        first_month: of twelve, as `month_of` numbers them; the last one is the present.
        largest: the mailing with the most deliveries, by its inner id, and one of its recipients' addresses.
    """

    number: int
    first_month: int
    largest: int
    address: str


@dataclass(frozen=True)
class _Planned:
    month: int
    place: int
    size: int


def fill(database: Database, number: int, *, batch_size: int = BATCH_SIZE, report: Report = lambda _: None) -> Crowd:
    """Fill a migrated database with a multiple of 10,000 finished deliveries, some in doubt.

    `report` is told of every mailing's as they are made.
    A month is loaded into a table of its own, which is indexed and becomes a partition at the end. So there may be none yet.
    """
    with database.begin() as tx:
        first_month = month_of(moment(tx)) - MONTHS + 1
        tx.execute(text(f"DROP TABLE IF EXISTS {partitions.name_of(first_month + MONTHS - 1)}"))
    people = number // MAILS_AN_ADDRESS
    planned = sorted(_planned(number, first_month), key=lambda each: (each.month, each.place))
    months = [list(each) for _, each in groupby(planned, key=lambda each: each.month)]
    with ThreadPoolExecutor(_THREADS) as pool:
        made = [
            each
            for month in pool.map(lambda month: _fill_month(database, month, batch_size, people, report), months)
            for each in month
        ]
    largest = max(made)[1]
    with database.begin() as tx:
        tx.execute(_DOUBT, {"mailing_id": largest, "number": DOUBTS})
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        session.execute(text("SET statement_timeout = 0"))
        session.execute(text("VACUUM (ANALYZE)"))
    return Crowd(number, first_month, largest, "customer1@mail1.example")


def _planned(number: int, first_month: int) -> Iterator[_Planned]:
    for place, share in enumerate(_SHARES):
        yield _Planned(first_month + place % MONTHS, place, number * share // 10_000)


def _fill_month(
    database: Database, mailings: list[_Planned], batch_size: int, people: int, report: Report
) -> list[tuple[int, int]]:
    month = mailings[0].month
    name = partitions.name_of(month)
    with database.begin() as tx:
        for setting in ("statement_timeout = 0", "idle_in_transaction_session_timeout = 0", "maintenance_work_mem = '512MB'"):
            tx.execute(text(f"SET LOCAL {setting}"))
        like = "LIKE delivery INCLUDING DEFAULTS INCLUDING CONSTRAINTS"
        tx.execute(text(f"CREATE TABLE {name} ({like}) WITH ({partitions.STORAGE})"))
        made = [(each.size, _fill_mailing(tx, name, each, batch_size, people, report)) for each in mailings]
        tx.execute(text(f"ALTER TABLE {name} ADD PRIMARY KEY (mailing_id, seq)"))
        for made_by in tx.execute(_INDEXES).scalars().all():
            tx.execute(text(re.sub(r"INDEX \S+ ON ONLY \S+", f"INDEX ON {name}", made_by)))
        partitions.attach(tx, month)
    return made


def _fill_mailing(tx: Connection, partition: str, planned: _Planned, batch_size: int, people: int, report: Report) -> int:
    at = datetime(planned.month // 12, planned.month % 12 + 1, 1, tzinfo=UTC) + timedelta(hours=planned.place)
    facts = {
        "month": planned.month,
        "public_id": f"mlg_{secrets.token_hex(8)}",
        "key": f"crowd-{planned.place}",
        "content": '{"subject": "Hello", "sender": "shop@example.org", "text": "Dear {{ first_name }}"}',
        "size": planned.size,
        "batch_size": batch_size,
        "at": at,
    }
    mailing_id = int(tx.execute(_MAILING, facts).scalar_one())
    facts = {"mailing_id": mailing_id, "size": planned.size, "batch_size": batch_size, "at": at}
    tx.execute(_BATCHES, facts)
    shift = planned.place * 104_729
    tx.execute(text(_DELIVERIES.format(partition=partition)), {"mailing_id": mailing_id, "people": people, "shift": shift})
    report(planned.size)
    return mailing_id
