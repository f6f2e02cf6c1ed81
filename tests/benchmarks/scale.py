"""What must not grow with the ledger: the same questions and the same sending on few deliveries and on many, side by side.

python -m tests.benchmarks.scale --many 10000000
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, text

from mailq.core.delivery import Change, State
from mailq.core.mailing import Lane
from mailq.core.mailing import State as MailingState
from mailq.engine import pruning
from mailq.engine.ledger import Ledger
from mailq.store import agenda, batches, deliveries, doubts, endings, exports, mailings, migrate, ringing, schedule, watching
from mailq.store.database import Database, KeptConnection
from mailq.store.deliveries import Settled
from mailq.store.mailings import Mailing
from tests.benchmarks import crowd
from tests.benchmarks.crowd import Crowd
from tests.benchmarks.ground import own_stack
from tests.support.mailings import make_mailing, make_owner

FEW, MANY = 10_000, 10_000_000
ROUNDS = 7
BATCHES_A_ROUND = 4
WINDOW = 60
"""Deliveries settled by one commit: what a worker with 50 sessions does under load."""
_REPLY = "250 2.0.0 Ok: queued as 4bQ2xk0Jm9z1Zt"
_AGAIN = timedelta(seconds=15)
_TIMES = 25

Question = Callable[[Connection, Crowd, Mailing], object]
QUESTIONS: Mapping[str, Question] = {
    "progress": lambda tx, _, one: mailings.books(tx, one.id),
    "mailing show": lambda tx, _, one: (
        mailings.find(tx, one.public_id),
        mailings.summary(tx, one.id),
        watching.standing(tx, one.id, Lane.BULK),
    ),
    "mailing list": lambda tx, *_: mailings.summaries(tx),
    "history": lambda tx, made, _: exports.history(tx, made.address),
    "doubt list": lambda tx, *_: list(doubts.listed(tx, limit=100)),
    "doubt show": lambda tx, made, one: doubts.locate(tx, one.id, [made.address, 1]),
    "upkeep looks": lambda tx, *_: agenda.look(tx, ring_again_after=_AGAIN, part_gap=_AGAIN),
    "upkeep rings": lambda tx, *_: ringing.choose(tx, Lane.BULK, room=8, ring_again_after=_AGAIN),
    "upkeep ends": lambda tx, *_: (schedule.expire_due(tx), schedule.with_batches_to_end(tx), endings.overlooked(tx)),
    "upkeep settles": lambda tx, *_: doubts.for_policies(tx, older_than=timedelta(0), limit=100),
    "prune looks": lambda tx, made, _: pruning.look(_Within(tx), before=made.first_month + 1),
}


@dataclass(frozen=True)
class _Within:
    """A transaction that has begun already, for what begins its own."""

    tx: Connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        yield self.tx


class Ground:
    """A database with a crowd, and one connection whose backend's CPU can be read."""

    def __init__(self, admin: Database, name: str, number: int, report: crowd.Report) -> None:
        with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            session.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            session.execute(text(f"CREATE DATABASE {name}"))
        url = admin.url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
        self.database = Database(url, application="scale")
        migrate.upgrade(self.database)
        began_s = time.monotonic()
        self.crowd = crowd.fill(self.database, number, report=report)
        self.seconds = time.monotonic() - began_s
        self.kept = KeptConnection(self.database)
        with self.kept.begin() as tx:
            self._pid = int(tx.execute(text("SELECT pg_backend_pid()")).scalar_one())
            self.mailing = mailings.get(tx, self.crowd.largest)

    def cpu_us(self) -> float:
        """What the connection's backend has used, exact while it waits for us."""
        return int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[0]) / 1000

    def begin(self) -> Any:
        """A transaction on the one connection."""
        return self.kept.begin()


@dataclass(frozen=True)
class Sent:
    """What one mail cost, in microseconds of CPU: loading and sending in PostgreSQL, and sending in our process."""

    load_us: float
    postgres_us: float
    client_us: float


def send(ground: Ground) -> Sent:
    """Load a mailing and send it, as a worker's ledger writes it, window by window, to the finish; without a relay."""
    sizes = [crowd.BATCH_SIZE] * BATCHES_A_ROUND
    before_us = ground.cpu_us()
    with ground.begin() as tx:
        owner, made = make_owner(tx), make_mailing(tx, sizes)
    loaded_us, own_s = ground.cpu_us(), time.process_time()
    for batch_id in made.batches:
        with ground.begin() as tx:
            held = batches.claim(tx, batch_id, owner=owner)
        assert held is not None
        with ground.begin() as tx:
            works = deliveries.worklist(tx, held)
        ledger = Ledger(ground.kept, held, relay="relay.example:25")
        back: list[Settled] = []
        for first in range(0, len(works) + WINDOW, WINDOW):
            begun = works[first : first + WINDOW]
            ledger.commit(back, begun[-1].seq if begun else held.last_seq)
            back = [Settled(each.seq, each.state, Change(State.SENT, reply=_REPLY)) for each in begun]
        ledger.close()
    own_s, sent_us = time.process_time() - own_s, ground.cpu_us()
    with ground.begin() as tx:
        assert mailings.get(tx, made.id).state is MailingState.FINISHED
    mails = sum(sizes)
    return Sent((loaded_us - before_us) / mails, (sent_us - loaded_us) / mails, own_s / mails * 1e6)


def ask(ground: Ground, question: Question) -> tuple[float, float]:
    """What a question costs: milliseconds on the clock, and milliseconds of CPU in PostgreSQL; medians."""
    wall_ms, cpu_ms = [], []
    for _ in range(_TIMES):
        with ground.begin() as tx:
            began_s, before_us = time.perf_counter(), ground.cpu_us()
            question(tx, ground.crowd, ground.mailing)
            wall_ms.append((time.perf_counter() - began_s) * 1000)
            cpu_ms.append((ground.cpu_us() - before_us) / 1000)
    return statistics.median(wall_ms), statistics.median(cpu_ms)


def prune(ground: Ground) -> tuple[float, int]:
    """Drop the oldest month; milliseconds, and how many deliveries went."""
    began_s = time.perf_counter()
    dropped = pruning.prune(ground.database, before=ground.crowd.first_month + 1, actor="benchmark")
    return (time.perf_counter() - began_s) * 1000, sum(each.num_profiles for each in dropped)


def hot_share(database: Database, table: str) -> float:
    """The share of a table's updates (of all its partitions) that touched no index. Closes the database's idle connections, which
    then tell what they did."""
    database.close()
    statement = "SELECT sum(n_tup_hot_upd)::float / nullif(sum(n_tup_upd), 0) FROM pg_stat_user_tables WHERE relname ~ :name"
    with database.begin() as tx:
        return float(tx.execute(text(statement), {"name": f"^{table}(_2|$)"}).scalar_one() or 0)


def measure(database_url: str, *, few: int = FEW, many: int = MANY, report: crowd.Report = lambda _: None) -> dict[str, Any]:
    """Fill two databases of their own beside this one, measure on both in turns, and drop them; the figures as JSON has them.

    Args:
        report: is told of deliveries as they are made, `few + many` in all.
    """
    admin = Database(database_url, pool_size=1)
    grounds = [Ground(admin, f"scale_{name}", number, report) for name, number in (("few", few), ("many", many))]
    try:
        return _figures(*grounds)
    finally:
        for ground in grounds:
            ground.kept.close()
            ground.database.close()
            with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
                session.execute(text(f"DROP DATABASE {ground.database.url.database} WITH (FORCE)"))
        admin.close()


def _figures(few: Ground, many: Ground) -> dict[str, Any]:
    rounds = [(send(few), send(many)) for _ in range(ROUNDS + 1)][1:]
    asked = {name: (ask(few, question), ask(many, question)) for name, question in QUESTIONS.items()}
    pruned = prune(few), prune(many)
    many.kept.close()
    return {
        "deliveries": [few.crowd.number, many.crowd.number],
        "fill_s": round(many.seconds, 1),
        "cpu_us_per_mail": {
            name: _pair([getattr(one, name) for one, _ in rounds], [getattr(other, name) for _, other in rounds])
            for name in ("load_us", "postgres_us", "client_us")
        },
        "queries_ms": {name: _pair([one[0]], [other[0]]) for name, (one, other) in asked.items()},
        "queries_cpu_ms": {name: _pair([one[1]], [other[1]]) for name, (one, other) in asked.items()},
        "prune": {"ms": _pair([pruned[0][0]], [pruned[1][0]]), "deliveries": [pruned[0][1], pruned[1][1]]},
        "hot_share": {table: round(hot_share(many.database, table), 4) for table in ("delivery", "batch")},
    }


def _pair(few: list[float], many: list[float]) -> dict[str, float]:
    one, other = statistics.median(few), statistics.median(many)
    return {"few": round(one, 3), "many": round(other, 3), "ratio": round(other / one, 3) if one else 0.0}


def show(figures: Mapping[str, Any]) -> None:
    """Print the figures side by side."""
    few, many = figures["deliveries"]
    click.echo(f"{'':<28}{few:>12,}{many:>14,}  ratio")
    rows = [(f"{name}, CPU per mail", pair, "µs") for name, pair in figures["cpu_us_per_mail"].items()]
    rows += [(name, pair, "ms") for name, pair in figures["queries_ms"].items()]
    rows += [(f"{name}, CPU", pair, "ms") for name, pair in figures["queries_cpu_ms"].items()]
    rows.append(("prune a month", figures["prune"]["ms"], "ms"))
    for name, pair, unit in rows:
        click.echo(f"{name:<28}{pair['few']:>9,.2f} {unit}{pair['many']:>11,.2f} {unit}  {pair['ratio']:.2f}")
    click.echo("".join(f"{name} updates that are HOT: {share:.1%}   " for name, share in figures["hot_share"].items()))


@click.command()
@click.option("--few", default=FEW, show_default=True)
@click.option("--many", default=MANY, show_default=True)
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here as well.")
def main(few: int, many: int, target: Path | None) -> None:
    """Measure what grows with the ledger."""
    with own_stack() as own, click.progressbar(length=few + many, label="fill", show_pos=True) as bar:
        figures = measure(own.running.database_url, few=few, many=many, report=bar.update)
    show(figures)
    if target:
        target.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
