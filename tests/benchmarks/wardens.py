"""What the wardens of many idle servers cost PostgreSQL: the real parts of each, at their real pace, in one process.

python -m tests.benchmarks.wardens --servers 100
"""

import os
import time
from dataclasses import dataclass

import click

from mailq import bootstrap
from mailq.core.server import Place
from mailq.engine.guard import Guard
from mailq.settings import Settings
from mailq.store import servers
from mailq.store.database import Database, KeptConnection
from tests.benchmarks.ground import own_stack
from workers.chores import Chores
from workers.hands import Hands
from workers.renewal import Renewal, lease_terms
from workers.signboard import Lease, Signboard, boottime_s

SETTLE_S = 10.0


class _Marking:
    """As the warden's, without its thread."""

    def __init__(self, guard: Guard, server: str) -> None:
        self._guard = guard
        self._server = server

    def granted(self, beat: int, *, before: int, life: str | None = None) -> None:
        self._guard.note(self._server, beat, life=life)

    def replaced(self) -> None:
        raise AssertionError("nobody replaces a server here")


@dataclass
class Simulated:
    """One warden: what it does, and when next."""

    board: Signboard
    renewal: Renewal
    chores: Chores
    every_s: float
    next_s: float

    def do(self, now_s: float) -> None:
        """Do what is due."""
        self.board.show_life()
        if now_s >= self.next_s:
            self.next_s += self.every_s
            self.renewal.beat()
        self.chores.do(self.board.lease)


def simulate(settings: Settings, database: Database, number: int, of: int) -> Simulated:
    """A server that has just started, and its warden. Starts are spread over a heartbeat."""
    chosen = settings.model_copy(update={"server_id": f"web{number}:8851"})
    terms = lease_terms(chosen)
    with database.begin() as tx:
        place = Place(f"web{number}", os.getpid(), 8851, home=str(chosen.home), lock=f"lock{number}")
        server_id, incarnation = servers.start(tx, chosen.server_name, place, version="bench", slots={"bulk": 2}, ttl=terms.ttl)
    board = Signboard.create(chosen.home / "run" / f"web{number}.board")
    board.show_life()
    board.grant(Lease(incarnation, terms.deadline_s(boottime_s()), 1))
    renewal = Renewal(
        KeptConnection(database),
        board,
        terms,
        server_id=server_id,
        lock=f"lock{number}",
        marks=_Marking(bootstrap.guard(chosen, database), chosen.server_name),
    )
    name = chosen.server_name
    hands = Hands(chosen, database, server_id=server_id, main_pid=os.getpid(), name=name)
    chores = Chores(board, hands, tick_every=chosen.upkeep.every, concerns=lambda: renewal.concerns, name=name)
    every_s = terms.heartbeat.total_seconds()
    return Simulated(board, renewal, chores, every_s, boottime_s() + every_s * number / of)


def run(fleet: list[Simulated], seconds: float) -> None:
    """Let them work for a while."""
    end_s = boottime_s() + seconds
    while (now_s := boottime_s()) < end_s:
        for one in fleet:
            one.do(boottime_s())
        time.sleep(max(0.0, 0.05 - (boottime_s() - now_s)))


@click.command()
@click.option("--servers", "number", default=100, show_default=True)
@click.option("--seconds", default=30.0, show_default=True)
def main(number: int, seconds: float) -> None:
    """Measure what wardens cost PostgreSQL, and each of its own."""
    with own_stack(pool_size=number + 5) as own:
        fleet = [simulate(own.settings, own.database, each, number) for each in range(number)]
        run(fleet, SETTLE_S)
        before_s, own_s = own.postgres_cpu_s(), time.process_time()
        run(fleet, seconds)
        share = (own.postgres_cpu_s() - before_s) / seconds
        own_share = (time.process_time() - own_s) / seconds / number
        click.echo(f"{number} wardens: PostgreSQL {share:.2%} of a core, each {own_share:.2%} of its own")


if __name__ == "__main__":
    main()
