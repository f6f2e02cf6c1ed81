"""What is asked often reads an index, of no more months than it must, whether anybody has analysed the tables or not.

Each statement is explained as the store sends it (`tests.support.plans`), on a crowd of mailings over twelve months.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from mailq.core.delivery import Change, State
from mailq.core.mailing import Lane
from mailq.engine.ledger import Ledger
from mailq.store import batches, deliveries, doubts, exports, leases, mailings, partitions, prepared, ringing
from mailq.store.database import Database, KeptConnection
from mailq.store.deliveries import Settled
from tests.benchmarks import crowd, scale
from tests.support.mailings import make_mailing, make_owner
from tests.support.plans import Plan, explained

DELIVERIES = 50_000
BATCH_SIZE = 10
MORE_MAILINGS = 3000
WINDOW = 20
_NO_VACUUM = "ALTER TABLE {} SET (autovacuum_enabled = off)"
# Mailings without recipients: what is asked of one of them must not look at the others.
_MORE = text("""
INSERT INTO mailing (id, public_id, organization_id, key, name, state, lane, doubt_policy, content, content_digest, source_digest,
                     batch_size)
SELECT (SELECT min(id) FROM mailing) - number, 'mlg_more' || md5(number::text), 1, 'more-' || number, 'More', 'finished', 'bulk', 'hold',
       '{}', '', '', 10 FROM generate_series(1, :number) AS number
""")


@dataclass(frozen=True)
class Once:
    """One open transaction as a database: what begins on it shares it."""

    tx: Connection

    @contextmanager
    def begin(self):
        yield self.tx


@dataclass(frozen=True)
class Ground:
    """A database with a crowd, of which statistics are at hand or not."""

    database: Database
    crowd: crowd.Crowd
    analysed: bool


@pytest.fixture(scope="module", params=["analysed", "never analysed"])
def ground(databases, request):
    """A ledger with history; without statistics it is as after a load that autovacuum has not noticed yet."""
    url = databases.create()
    database = Database(url, application="tests")
    made = crowd.fill(database, DELIVERIES, batch_size=BATCH_SIZE)
    with database.begin() as tx:
        tx.execute(_MORE, {"number": MORE_MAILINGS})
        tables = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relname ~ '^(delivery_|batch$|mailing$)'"
        for table in tx.execute(text(tables)).scalars():
            tx.execute(text(_NO_VACUUM.format(table)))
            tx.execute(text(f"ANALYZE {table}"))
        if request.param != "analysed":
            tx.execute(text("DELETE FROM pg_statistic"))
    yield Ground(database, made, request.param == "analysed")
    database.close()
    databases.drop(url)


@pytest.fixture
def tx(ground):
    """A transaction on the ground, rolled back."""
    with ground.database.engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture
def fresh(tx):
    """A mailing that was loaded a moment ago, in the month that holds others, and nobody has analysed since."""
    return make_mailing(tx, [200] * 3)


@pytest.fixture
def held(tx, fresh):
    """Its first batch, claimed."""
    claim = batches.claim(tx, fresh.batches[0], owner=make_owner(tx))
    assert claim is not None
    return claim


def plans(tx, act) -> list[Plan]:
    with explained(tx) as found:
        act()
    assert found
    return found


def require_lean(ground: Ground, found: list[Plan], *, months: int = crowd.MONTHS + 4) -> None:
    """No plan reads deliveries, batches or mailings from end to end, or more partitions than so many.

    Partitions of months to come are empty and may be read as one likes. Without statistics the planner may take the mailings for
    few: it is asked not to read any delivery or batch in vain.
    """
    filled = {partitions.name_of(month) for month in range(ground.crowd.first_month, ground.crowd.first_month + crowd.MONTHS)}
    large = filled | {"batch"} | ({"mailing"} if ground.analysed else set())
    for plan in found:
        assert not plan.scanned() & large, f"{plan.statement}\nreads all of {plan.scanned() & large}"
        assert len(plan.touched("delivery_")) <= months, plan.statement


def settled(works) -> list[Settled]:
    return [Settled(work.seq, work.state, Change(State.SENT, reply="250 ok")) for work in works]


def test_a_claim_reads_one_batch(tx, ground, fresh):
    owner = make_owner(tx)
    require_lean(ground, plans(tx, lambda: batches.claim(tx, fresh.batches[0], owner=owner)), months=0)


def test_the_worklist_reads_the_run_of_its_batch(tx, ground, held):
    found = plans(tx, lambda: deliveries.worklist(tx, held))
    require_lean(ground, found, months=1)
    assert "seq" in found[0].conditions()


def test_a_window_transaction_reads_what_it_settles(tx, ground, held):
    """And not the whole mailing, of which the planner knows nothing and believes that it has one delivery."""
    works = deliveries.worklist(tx, held)[:WINDOW]
    tx.exec_driver_sql(prepared.SESSION)
    ledger = Ledger(Once(tx), held, relay="relay:25")
    found = plans(tx, lambda: ledger.commit(settled(works), works[-1].seq))
    require_lean(ground, found, months=1)
    advance, update = (
        next(plan for plan in found if f"EXECUTE mailq_{word}" in plan.statement) for word in ("advance", "settle")
    )
    assert "batch_pkey" in advance.indexes()
    assert "(seq = new.seq)" in update.conditions()


def test_a_window_transaction_planned_while_the_month_was_empty_reads_what_it_settles(database, make_mailing_in):
    """A worker that has sent the first mails of a month goes on with the same plan when there are millions."""
    kept = KeptConnection(database, session=prepared.SESSION)
    held, works = make_mailing_in(5)
    Ledger(kept, held, relay="relay:25").commit(settled(works), works[-1].seq)
    held, works = make_mailing_in(5000)
    with kept.begin() as tx:
        claimed = plans(tx, lambda: batches.claim(tx, held.batch_id, owner=held.owner))
        assert "batch_pkey" in {index for plan in claimed for index in plan.indexes()}
        found = plans(tx, lambda: Ledger(Once(tx), held, relay="relay:25").commit(settled(works[:WINDOW]), works[WINDOW].seq))
    kept.close()
    update = next(plan for plan in found if "EXECUTE mailq_settle" in plan.statement)
    assert not any(node["Node Type"] == "Seq Scan" for node in update.nodes())
    assert "(seq = new.seq)" in update.conditions()


@pytest.fixture
def make_mailing_in(database):
    """A mailing of one batch of so many, claimed, and its worklist."""

    def make(number):
        with database.begin() as tx:
            claim = batches.claim(tx, make_mailing(tx, [number]).batches[0], owner=make_owner(tx))
            assert claim is not None
            return claim, deliveries.worklist(tx, claim)

    return make


def test_letting_go_of_a_batch_reads_that_batch(tx, ground, held):
    ledger = Ledger(Once(tx), held, relay="relay:25")
    ledger.commit(settled(deliveries.worklist(tx, held)), held.last_seq)
    found = plans(tx, ledger.close)
    require_lean(ground, found, months=1)
    counted = [plan for plan in found if plan.touched("delivery_")]
    assert counted
    assert all("seq" in plan.conditions() for plan in counted)


def test_reclaiming_reads_the_batches_of_the_dead(tx, ground, held):
    def reclaim():
        leased = leases.of_process(tx, held.owner.process)
        seized = leases.seize(tx, [one.claim for one in leased])
        pairs = [(one.claim, seized[one.claim.batch_id]) for one in leased]
        leases.opened(tx, pairs)
        leases.rest(tx, pairs)

    require_lean(ground, plans(tx, reclaim))


@pytest.mark.parametrize("state", [None, "pending"])
def test_a_page_of_recipients_begins_at_the_batch_where_the_last_one_ended(tx, ground, state):
    """Not at the first: who reads a stream with a batch a message from end to end would read all before again with each page."""
    found = plans(tx, lambda: exports.page(tx, ground.crowd.largest, after=500, limit=20, state=state))
    require_lean(ground, found, months=1)
    assert "(number >= " in found[0].conditions()


@pytest.mark.parametrize("name", scale.QUESTIONS)
def test_a_question_reads_an_index(tx, ground, fresh, name):
    """Those of the commands, of the console's polls and of the upkeep; while a mailing is running."""
    mailing = mailings.get(tx, ground.crowd.largest)
    require_lean(ground, plans(tx, lambda: scale.QUESTIONS[name](tx, ground.crowd, mailing)))


QUESTIONS: dict[str, Any] = {
    "by key": lambda tx, _: mailings.find(tx, "more-7"),
    "by the beginning of its id": lambda tx, one: mailings.find(tx, one.public_id[:12]),
    "a later page": lambda tx, one: mailings.summaries(tx, before=one.id, limit=10),
    "what runs": lambda tx, _: mailings.summaries(tx, states=[mailings.State.RUNNING], limit=10),
    "a mailing's doubts": lambda tx, one: list(doubts.listed(tx, mailing_id=one.id, limit=10)),
    "later doubts": lambda tx, one: list(doubts.listed(tx, after=(one.id, 5), limit=10)),
    "how many doubts": lambda tx, one: doubts.count(tx),
    "a batch's doubts": lambda tx, one: doubts.in_batch(tx, doubts.lock(tx, doubts.batches_with(tx, one.id)[0])),
    "what waits and is due": lambda tx, _: batches.wake_due(tx),
    "rings on the way": lambda tx, _: ringing.outstanding(tx, Lane.BULK, ring_again_after=timedelta(seconds=15)),
    "all rings": lambda tx, _: ringing.forget(tx),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_another_question_reads_an_index(tx, ground, fresh, name):
    mailing = mailings.get(tx, ground.crowd.largest)
    require_lean(ground, plans(tx, lambda: QUESTIONS[name](tx, mailing)))


def test_the_history_of_an_address_probes_the_index_of_each_month(tx, ground, fresh):
    found = plans(tx, lambda: scale.QUESTIONS["history"](tx, ground.crowd, mailings.get(tx, ground.crowd.largest)))
    filled = range(ground.crowd.first_month, ground.crowd.first_month + crowd.MONTHS)
    assert found[-1].touched("delivery_") >= {partitions.name_of(month) for month in filled}
    assert not {index for index in found[-1].indexes() if index.startswith("delivery_") and index.endswith("_pkey")}
