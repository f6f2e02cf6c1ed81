"""How a server gets in: at once where its predecessor has stopped or is proven dead, never beside one that lives."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailq import telemetry
from mailq.core.admission import Answer, Standing, admit, refusal
from mailq.core.lease import LeaseTerms
from mailq.core.server import Place
from mailq.errors import Conflict
from mailq.store import fleet, servers
from mailq.store.database import Database
from mailq.transports.server_lock import ServerLock
from workers.signboard import Lease, boottime_s

log = telemetry.logger(__name__)

POLL_S = 0.1
PATIENCE_S = 5.0
"""How much longer than a lease a start waits for a predecessor that neither renews nor lets go of its lock file."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A server that wants to start.

    Attributes:
        slots: worker processes per lane.
    """

    name: str
    place: Place
    version: str
    slots: Mapping[str, int]
    lock: ServerLock


@dataclass(frozen=True, slots=True)
class Started:
    """A server's row, and the first lease of its new incarnation."""

    server_id: int
    lease: Lease


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: what came of it, and how the row of this id stood."""

    answer: Answer
    found: Standing | None
    started: Started | None = None


def enter(database: Database, entrant: Entrant, terms: LeaseTerms, *, pause: Callable[[float], None] = time.sleep) -> Started:
    """Start a server, waiting for a predecessor that may be dead.

    Raises:
        Conflict: a live server has this id.
        Unavailable: the database does not answer.
    """
    give_up_at = boottime_s() + terms.ttl.total_seconds() + PATIENCE_S
    first_beat = None
    while True:
        tried = _try(database, entrant, terms, first_beat)
        if tried.started is not None:
            return tried.started
        if tried.answer is Answer.REFUSE or boottime_s() >= give_up_at:
            raise Conflict(_words(entrant, tried.found))
        if first_beat is None:
            first_beat = tried.found.beat if tried.found else 0
            log.warning("server.waits_for_former", server=entrant.name, why=_words(entrant, tried.found))
        pause(POLL_S)


def _try(database: Database, entrant: Entrant, terms: LeaseTerms, first_beat: int | None) -> Attempt:
    lock = entrant.lock
    locked = lock.take()
    former_nonce = lock.former.nonce if lock.former else None
    asked_at = boottime_s()
    with database.begin() as tx:
        found = fleet.standing(tx, entrant.name)
        boot_id = entrant.place.boot_id
        answer = admit(found, first_beat=first_beat, locked=locked, former_nonce=former_nonce, boot_id=boot_id)
        if answer is not Answer.START:
            return Attempt(answer, found)
        lock.sign()
        server_id, incarnation = servers.start(
            tx, entrant.name, entrant.place, version=entrant.version, slots=entrant.slots, ttl=terms.ttl
        )
    beat = found.beat + 1 if found else 1
    return Attempt(answer, found, Started(server_id, Lease(incarnation, terms.deadline_s(asked_at), beat)))


def _words(entrant: Entrant, found: Standing | None) -> str:
    if found is not None and found.lives:
        return refusal(found)
    pid = entrant.lock.holder.pid if entrant.lock.holder else "unknown"
    return (
        f"server {entrant.name} is running here already, as process {pid}; "
        "stop it, or give this one another MAILQ_SERVER_ID or MAILQ_SERVER_PORT"
    )
