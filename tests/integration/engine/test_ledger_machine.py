"""Two servers, two batches and whoever else writes about them, in any order: the books in PostgreSQL do as the plain model does.

MAILQ_TEST_EXAMPLES is how many runs the deep search makes.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from mailq.core.batch import Owner
from mailq.core.delivery import Change, State
from mailq.core.in_doubt import Verdict
from mailq.core.journal import Mark, Record
from mailq.core.outcome import Doubt
from mailq.engine import doubt_lists, resending, steering
from mailq.engine.doubt_lists import Named
from mailq.engine.ledger import Ledger
from mailq.engine.ports import LeftBehind
from mailq.engine.restarter import Own, Remains, Restarter
from mailq.errors import Conflict, LeaseLost
from mailq.store import batches, deliveries, servers
from mailq.store.deliveries import Settled
from tests.support.faulty import FaultyDatabase
from tests.support.ledger import REPLIES, ModelBatch, ModelDelivery, ModelHolder, ModelMailing
from tests.support.mailings import Made, make_mailing, make_owner

SIZES = (4, 3)
WINDOW = 3
SERVERS = ("web1:8851", "web2:8851")
HOUR = timedelta(hours=1)

# What may come of a letter: how the delivery stands then. A clock that is behind calls what is to be tried later due already.
OUTCOMES = {
    "sent": ModelDelivery("sent"),
    "error": ModelDelivery("error"),
    "later": ModelDelivery("deferred", is_due=False),
    "by a slow clock": ModelDelivery("deferred", is_due=True),
    "no reply": ModelDelivery("in_doubt", doubt="timeout"),
}
MARKS = {"S": (Mark.STARTED, 0), "A": (Mark.ABANDONED, 0), **{code: (Mark.REPLIED, code) for code in REPLIES}}

COUNTERS = {
    "sent": "num_sent",
    "error": "num_errors",
    "deferred": "num_deferred",
    "skipped": "num_skipped",
    "in_doubt": "num_in_doubt",
}
_DELIVERIES = text("SELECT seq, state, doubt FROM delivery WHERE mailing_id = :id ORDER BY seq")
_BATCHES = text("""
SELECT batch.*, mailing.state AS mailing FROM batch JOIN mailing ON mailing.id = batch.mailing_id
 WHERE batch.mailing_id = :id ORDER BY batch.number
""")


@dataclass(eq=False)
class Holder:
    """A worker process in a pass: as the model has it, and its real ledger."""

    model: ModelHolder
    owner: Owner
    ledger: Ledger
    journal: str


class Shelf:
    """Journals by their nonce."""

    def __init__(self) -> None:
        self.kept: dict[str, LeftBehind] = {}

    def read(self, nonce: str | None, *, incarnation: int, home: str | None, boot_id: str | None) -> LeftBehind:
        return self.kept.get(nonce or "", LeftBehind())


class LedgerMachine(RuleBasedStateMachine):
    """Every rule does the same to the database and to the model."""

    def __init__(self, database: FaultyDatabase) -> None:
        super().__init__()
        self.database = database
        self.shelf = Shelf()
        self.restarter = Restarter(database, self.shelf)
        with database.begin() as tx:
            self.made: Made = make_mailing(tx, SIZES)
            self.owners = {name: make_owner(tx, name) for name in SERVERS}
        seqs = iter(range(1, sum(SIZES) + 1))
        self.model = ModelMailing([ModelBatch({next(seqs): ModelDelivery() for _ in range(size)}) for size in SIZES])
        self.retired: set[Owner] = set()
        self.holders: list[Holder] = []
        self.unheard: list[Holder] = []
        self.nonces = count(1)

    # What worker processes do.

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Each server has claimed a batch, begun some of it and settled some of that."""
        for number, name in enumerate(SERVERS):
            holder = self.claimed(name, number)
            self.holders.append(holder)
            self.window(data, holder, None)
            self.window(data, holder, None)

    @precondition(lambda self: self.free_servers() and self.claimable())
    @rule(data=st.data(), heard=st.sampled_from([True, True, True, False]))
    def claim(self, data: st.DataObject, heard: bool) -> None:
        """A process claims a batch, and perhaps never hears of it."""
        name = data.draw(st.sampled_from(self.free_servers()), label="server")
        which = data.draw(st.sampled_from(self.claimable()), label="batch")
        (self.holders if heard else self.unheard).append(self.claimed(name, which))

    @rule(name=st.sampled_from(SERVERS), which=st.integers(0, len(SIZES) - 1))
    def claim_in_vain(self, name: str, which: int) -> None:
        """A batch that is not ready, of a mailing that does not run, or by a server that was retired."""
        owner = self.owners[name]
        if which not in self.claimable() or owner in self.retired:
            before = self.rows()
            with self.database.begin() as tx:
                assert batches.claim(tx, self.made.batches[which], owner=owner) is None
            assert self.rows() == before

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), breaks=st.sampled_from([None, None, "before", "after"]))
    def advance(self, data: st.DataObject, breaks: str | None) -> None:
        """A window transaction, of whoever holds the batch or believes to; its reply may be lost."""
        self.window(data, data.draw(st.sampled_from(self.holders), label="holder"), breaks)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """One more: it is what processes do most."""
        self.window(data, data.draw(st.sampled_from(self.holders), label="holder"), None)

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), rest=st.booleans())
    def close(self, data: st.DataObject, rest: bool) -> None:
        """A process lets go of its batch, at its end or before; perhaps because its relay rests."""
        holder = data.draw(st.sampled_from(self.holders), label="holder")
        if not self.refused(holder, lambda: holder.ledger.close(rest=HOUR if rest else None)):
            self.holders.remove(holder)
            self.let_go(holder.model.batch, rest=rest)

    # What becomes of them.

    @rule(name=st.sampled_from(SERVERS))
    def start_again(self, name: str) -> None:
        """A server starts as its next incarnation; what it held stays leased to the former one."""
        if self.owners[name] in self.retired or name not in self.free_servers():
            with self.database.begin() as tx:
                self.owners[name] = make_owner(tx, name)

    @precondition(lambda self: not self.retired & set(self.owners.values()))
    @rule(name=st.sampled_from(SERVERS))
    def retire(self, name: str) -> None:
        """Somebody ends a server's incarnation: it claims nothing more."""
        owner = self.owners[name]
        with self.database.begin() as tx:
            servers.retire(tx, owner.server_id, owner.incarnation)
        self.retired.add(owner)

    @precondition(lambda self: self.leased())
    @rule(data=st.data())
    def reclaim(self, data: st.DataObject) -> None:
        """A reclaimer takes what an incarnation and those before it hold, by their journals where they prove something."""
        last = data.draw(st.sampled_from(self.leased()), label="holder").owner
        theirs = [
            one for one in self.leased() if one.owner.server_id == last.server_id and one.owner.incarnation <= last.incarnation
        ]
        known = [self.leave_journal(data, one) for one in theirs]
        assert self.restarter.of_server(last.server_id, last.incarnation) == len(theirs)
        for one, evidence in zip(theirs, known, strict=True):
            self.model_reclaim(one, evidence)
            if one in self.unheard:
                self.unheard.remove(one)

    @precondition(lambda self: self.unheard)
    @rule(data=st.data())
    def reclaim_what_it_never_heard_of(self, data: st.DataObject) -> None:
        """Before it claims, a process gives back what the books say is leased to it. Nothing of it has begun."""
        one = data.draw(st.sampled_from(self.unheard), label="unheard")
        if any(other.owner == one.owner for other in self.leased() if other is not one):
            return
        assert self.restarter.of_process(one.owner.process, Own(one.journal, [])) == Remains()
        self.unheard.remove(one)
        self.model_reclaim(one, {})

    # What people and time do.

    @rule(really=st.booleans())
    def time_passes(self, really: bool) -> None:
        """What waits is due now, and upkeep makes it ready; or upkeep finds what was due already."""
        with self.database.begin() as tx:
            for table in ("delivery", "batch") if really else ():
                later = f"UPDATE {table} SET due_at = clock_timestamp() WHERE mailing_id = :id AND due_at > now()"
                tx.execute(text(later), {"id": self.made.id})
            batches.wake_due(tx)
        for batch in self.model.batches:
            if really:
                batch.time_passes()
            if batch.state == "waiting" and batch.is_due:
                batch.state = "ready"

    @rule(cancels=st.sampled_from([False, False, False, True]))
    def steer(self, cancels: bool) -> None:
        """Somebody pauses the mailing, resumes it, or ends it: what nobody holds is skipped then, the rest by whoever lets go of it."""
        mailing = self.model
        if mailing.state == "paused":
            steering.resume(self.database, self.made.public_id)
            mailing.state = "running"
        elif mailing.state == "running" and not cancels:
            steering.pause(self.database, self.made.public_id)
            mailing.state = "paused"
        elif mailing.state == "running":
            steering.cancel(self.database, self.made.public_id)
            mailing.cancel()

    @precondition(lambda self: self.model.doubts())
    @rule(data=st.data(), verdict=st.sampled_from(Verdict))
    def resolve(self, data: st.DataObject, verdict: Verdict) -> None:
        """Somebody settles a doubt, whoever may hold its batch."""
        seq = data.draw(st.sampled_from(sorted(self.model.doubts())), label="seq")
        asked = [Named(self.made.public_id, seq, verdict)]
        if verdict is Verdict.RESEND and self.model.ended:
            before = self.rows()
            with pytest.raises(Conflict):
                doubt_lists.resolve(self.database, asked, actor="ann")
            assert self.rows() == before
            return
        doubt_lists.resolve(self.database, asked, actor="ann")
        batch = self.model.batch_of(seq)
        if verdict is not Verdict.RESEND:
            batch.deliveries[seq].become(verdict, given_up=verdict is Verdict.ERROR)
            return
        batch.resend(seq)
        if self.model.state == "finished":
            self.model.state = "running"

    @precondition(lambda self: self.model.errors())
    @rule(data=st.data(), named=st.booleans())
    def send_errors_again(self, data: st.DataObject, named: bool) -> None:
        """Somebody sends errors again, whoever may hold their batches: some by name, or all that were never in doubt."""
        errors = sorted(self.model.errors())
        who = data.draw(st.lists(st.sampled_from(errors), min_size=1, unique=True), label="who") if named else []
        if self.model.ended or self.model.state not in {"running", "paused", "finished"}:
            before = self.rows()
            with pytest.raises(Conflict):
                resending.resend(self.database, self.made.public_id, actor="ann", who=who)
            assert self.rows() == before
            return
        again = who or [seq for seq in errors if not self.model.batch_of(seq).deliveries[seq].given_up]
        assert resending.resend(self.database, self.made.public_id, actor="ann", who=who).num == len(again)
        for seq in again:
            self.model.batch_of(seq).resend(seq)
        if again and self.model.state == "finished":
            self.model.state = "running"

    # What must hold after each step.

    @invariant()
    def the_books_are_as_the_model_has_them(self) -> None:
        """Deliveries, doubts, batches and the mailing; and every counter equals a recount."""
        with self.database.begin() as tx:
            rows = {row.seq: row for row in tx.execute(_DELIVERIES, {"id": self.made.id})}
            found = tx.execute(_BATCHES, {"id": self.made.id}).mappings().all()
        assert {seq: (row.state, row.doubt) for seq, row in rows.items()} == self.model.states()
        for row, batch in zip(found, self.model.batches, strict=True):
            assert (row["state"], row["fence"], row["mailing"]) == (batch.state, batch.fence, self.model.state)
            assert (row["owner"] is not None) == (batch.holder is not None)
            assert batch.holder is None or row["watermark"] == batch.watermark
            recount = Counter(rows[seq].state for seq in batch.deliveries)
            assert {name: row[column] for name, column in COUNTERS.items()} == {name: recount[name] for name in COUNTERS}

    def teardown(self) -> None:
        """Leave nothing that the next run would find leased."""
        with self.database.begin() as tx:
            for table, key in (("delivery", "mailing_id"), ("batch", "mailing_id"), ("mailing", "id")):
                tx.execute(text(f"DELETE FROM {table} WHERE {key} = :id"), {"id": self.made.id})

    # Helpers.

    def claimed(self, name: str, which: int) -> Holder:
        """A batch that is ready, claimed: the worklist is what the model expects."""
        owner, nonce = self.owners[name], f"journal-{next(self.nonces)}"
        with self.database.begin() as tx:
            held = batches.claim(tx, self.made.batches[which], owner=owner, journal=nonce, relay="relay:25")
            assert held is not None
            work = [one.seq for one in deliveries.worklist(tx, held)]
        model = self.model.batches[which].claim()
        assert work == model.to_begin
        return Holder(model, owner, Ledger(self.database, held, relay="relay:25", pause=lambda _: None), nonce)

    def window(self, data: st.DataObject, holder: Holder, breaks: str | None) -> None:
        """Settle some of what is in a holder's hand, begin the next ones."""
        model, was = holder.model, holder.model.batch.deliveries
        back = {seq: data.draw(st.sampled_from([*OUTCOMES, None]), label=f"of {seq}") for seq in model.in_hand}
        after = {seq: OUTCOMES[name] for seq, name in back.items() if name}
        room = min(WINDOW - len(model.in_hand) + len(after), len(model.to_begin))
        begun = data.draw(st.sampled_from([room, *range(room)]), label="begun")
        stood = {seq: State(was[seq].state) if model.is_current else State.PENDING for seq in after}
        settled = [Settled(seq, stood[seq], change(one)) for seq, one in after.items()]
        watermark = model.to_begin[begun - 1] if begun else model.watermark
        self.database.breaks = breaks
        if not self.refused(holder, lambda: holder.ledger.commit(settled, watermark)):
            model.batch.advance(after, begun)

    def claimable(self) -> list[int]:
        """Batches that may be claimed."""
        running = self.model.state == "running"
        return [number for number, batch in enumerate(self.model.batches) if running and batch.state == "ready"]

    def free_servers(self) -> list[str]:
        """Servers that may claim: they are not retired, and a process works one batch at a time."""
        busy = {one.owner for one in (*self.holders, *self.unheard)}
        return [name for name, owner in self.owners.items() if owner not in busy | self.retired]

    def leased(self) -> list[Holder]:
        """Those who hold a batch by the books."""
        return [one for one in (*self.holders, *self.unheard) if one.model.is_current]

    def refused(self, holder: Holder, write: Callable[[], object]) -> bool:
        """Whether a write was refused, as it must be for a stale owner; then nothing has changed, and the owner stops."""
        if holder.model.is_current:
            write()
            return False
        self.database.breaks = None
        before = self.rows()
        with pytest.raises(LeaseLost):
            write()
        assert self.rows() == before
        self.holders.remove(holder)
        return True

    def rows(self) -> list[str]:
        """Every row about the mailing."""
        with self.database.begin() as tx:
            tables = (("mailing", "id"), ("batch", "mailing_id"), ("delivery", "mailing_id"))
            found = [
                tx.execute(text(f"SELECT t::text FROM {table} t WHERE {key} = :id ORDER BY 1"), {"id": self.made.id})
                for table, key in tables
            ]
            return [row for some in found for row in some.scalars()]

    def leave_journal(self, data: st.DataObject, one: Holder) -> dict[int, int | None] | None:
        """Put a journal on the shelf, or none that proves anything; what it says, by seq."""
        if data.draw(st.booleans(), label="proves nothing"):
            return None
        held = one.ledger.held
        earlier = [Record(Mark.REPLIED, held.batch_id, held.fence - 1, seq, 1, 250) for seq in one.model.in_hand]
        said = {seq: data.draw(st.sampled_from([*MARKS, None]), label=f"of {seq}") for seq in one.model.in_hand}
        records = [
            Record(mark, held.batch_id, held.fence, seq, 1, code)
            for seq, key in said.items()
            if key
            for mark, code in [MARKS[key]]
        ]
        self.shelf.kept[one.journal] = LeftBehind(records=[*records, *earlier])
        return {seq: None if key == "S" else int(key) for seq, key in said.items() if key not in (None, "A")}

    def model_reclaim(self, one: Holder, known: dict[int, int | None] | None) -> None:
        """The same in the model."""
        batch = one.model.batch
        batch.reclaim(known, ended=self.model.ended)
        if batch.state == "finished":
            self.model.maybe_finish()

    def let_go(self, batch: ModelBatch, *, rest: bool) -> None:
        """The same in the model."""
        batch.let_go(ended=self.model.ended, rest=rest)
        if batch.state == "finished":
            self.model.maybe_finish()


def change(after: ModelDelivery) -> Change:
    """What the core would have decided."""
    if after.doubt:
        return Change(State.IN_DOUBT, doubt=Doubt(after.doubt))
    due_at = datetime.now(UTC) + (-HOUR if after.is_due else HOUR) if after.state == "deferred" else None
    return Change(State(after.state), reply="250 ok", due_at=due_at)


@pytest.fixture
def faulty(database_url):
    opened = FaultyDatabase(database_url)
    yield opened
    opened.close()


def run(faulty: FaultyDatabase, examples: int, steps: int) -> None:
    chosen = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(lambda: LedgerMachine(faulty), settings=chosen)


@pytest.mark.timeout(400)
def test_the_ledger_does_as_the_model_does(faulty):
    """Whatever order things come in."""
    run(faulty, examples=40, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_ledger_does_as_the_model_does_in_many_long_runs(faulty):
    """The same, deeper."""
    run(faulty, examples=int(os.environ.get("MAILQ_TEST_EXAMPLES", "500")), steps=60)
