"""The demo's second act: two servers, one of which is killed in the middle, and what the other makes of it."""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from mailq.core.batch import State as BatchState
from mailq.core.delivery import State
from mailq.errors import Unavailable
from mailq.local import guests
from mailq.local.demo import RULES
from mailq.local.ledgers import Comparison, compare
from mailq.local.sink.books import read_accepted
from mailq.local.stack import Running
from mailq.local.supervisor import Child
from mailq.store import exports, mailings
from mailq.store.database import Database
from mailq.store.mailings import Mailing
from mailq.store.tables import batch, server

PORTS = (8851, 8852)
SLOW = "delay=100ms at=dot"
"""So that there is a middle to kill in."""

_TAKEN_OVER_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Doubtful:
    """A delivery in doubt, and what only the sink can know."""

    address: str
    accepted: bool


@dataclass
class Facts:
    """What happened, for who tells it.

    Attributes:
        num_settled: recipients that were done when the server was killed.
        num_held: batches it held then.
        num_in_doubt: deliveries of those batches that were in doubt when they had been taken over.
        seconds: from the kill until none of them was its own any more.
    """

    killed: str
    by: str
    num_settled: int = 0
    num_held: int = 0
    num_in_doubt: int = 0
    seconds: float | None = None


def names() -> tuple[str, str]:
    """The ids of the two servers."""
    host = socket.gethostname()
    return f"{host}:{PORTS[0]}", f"{host}:{PORTS[1]}"


def start_two(running: Running) -> Child:
    """Start both, the second with the first on its migration list; returns the first."""
    first, second = names()
    child = guests.start_server(running, first, PORTS[0])
    guests.start_server(running, second, PORTS[1], migration_list=first)
    return child


class Kill:
    """Looks at the mailing, and kills the first server when a third of it is done and that server holds some of the rest."""

    def __init__(self, running: Running, first: Child, tell: Callable[[str], None]) -> None:
        self._running = running
        self._first = first
        self._tell = tell
        self.facts = Facts(*names())

    def look(self, database: Database, reference: str) -> None:
        """Kill if it is time, and then wait until the second server has taken over.

        Raises:
            Unavailable: it does not take over.
        """
        if self.facts.seconds is not None:
            return
        with database.begin() as tx:
            mailing = mailings.find(tx, reference)
            books = mailings.books(tx, mailing.id)
        settled = books.num_profiles - books.num_pending - books.num_deferred
        held = _held(database, mailing, self.facts.killed)
        if 3 * settled < books.num_profiles or not held:
            return
        self._kill(settled, database, mailing)

    def _kill(self, settled: int, database: Database, mailing: Mailing) -> None:
        facts = self.facts
        self._first.kill()
        began = time.monotonic()
        held = _held(database, mailing, facts.killed)
        facts.num_settled, facts.num_held = settled, len(held)
        self._tell(f"killed server {facts.killed} with -9 after {settled:,} recipients; it held {len(held)} batches")
        while _held(database, mailing, facts.killed):
            if time.monotonic() - began > _TAKEN_OVER_WITHIN_S:
                raise Unavailable(f"server {facts.by} has not taken over within {_TAKEN_OVER_WITHIN_S:.0f} s; see its log")
            self._running.check()
            time.sleep(_LOOK_EVERY_S)
        facts.seconds = time.monotonic() - began
        facts.num_in_doubt = _num_in_doubt(database, held)
        self._tell(
            f"taken over by {facts.by} after {facts.seconds:.1f} s, by its migration list: {len(held)} batches, "
            f"{facts.num_in_doubt} deliveries in doubt"
        )
        if self._running.sink is not None:
            self._running.sink.set_rules(RULES)


def count_twice(database: Database, mailing: Mailing, accepted_file: Path) -> Comparison:
    """Compare as the demo does, with doubt: sent ⊆ accepted ⊆ sent ∪ in doubt, and nobody twice.

    What is in doubt may be on either side, so only that is surplus which our books neither count as sent nor name as in doubt.
    """
    sent = _compared(database, mailing, accepted_file, {State.SENT})
    either = _compared(database, mailing, accepted_file, {State.SENT, State.IN_DOUBT})
    examples = [line for line in sent.examples if not line.startswith("surplus")]
    examples += [line for line in either.examples if line.startswith("surplus")]
    return Comparison(
        num_sent=sent.num_sent,
        num_accepted=sent.num_accepted,
        num_doubled=sent.num_doubled,
        num_missing=sent.num_missing,
        num_surplus=either.num_surplus,
        examples=tuple(examples),
    )


def in_doubt(database: Database, mailing: Mailing, accepted_file: Path) -> list[Doubtful]:
    """The deliveries in doubt, and which of them the sink has."""
    with database.begin() as tx:
        addresses = [row.address for row in exports.deliveries(tx, mailing.id) if row.state == State.IN_DOUBT]
    doubtful = set(addresses)
    mails = (entry for entry in read_accepted(accepted_file) if entry.recipient in doubtful)
    found = {mail.recipient for mail in mails if mail.message_id.startswith(_mark(mailing))}
    return [Doubtful(address, address in found) for address in addresses]


def _compared(database: Database, mailing: Mailing, accepted_file: Path, states: set[State]) -> Comparison:
    accepted = (entry.recipient for entry in read_accepted(accepted_file) if entry.message_id.startswith(_mark(mailing)))
    with database.begin() as tx:
        return compare((row.address for row in exports.deliveries(tx, mailing.id) if row.state in states), accepted)


def _mark(mailing: Mailing) -> str:
    """How the Message-IDs of a mailing begin."""
    return f"<{mailing.id:x}."


def _held(database: Database, mailing: Mailing, name: str) -> list[int]:
    statement = (
        select(batch.c.id)
        .join(server, server.c.id == batch.c.server_id)
        .where(batch.c.mailing_id == mailing.id, batch.c.state == BatchState.LEASED, server.c.name == name)
    )
    with database.begin() as tx:
        return list(tx.execute(statement).scalars())


def _num_in_doubt(database: Database, batches: Sequence[int]) -> int:
    with database.begin() as tx:
        return int(
            tx.execute(select(func.coalesce(func.sum(batch.c.num_in_doubt), 0)).where(batch.c.id.in_(batches))).scalar_one()
        )
