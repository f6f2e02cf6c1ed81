"""An operator takes a database that has forgotten as it is: what may be mailed twice, and going on."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.mailing import State
from mailq.errors import Conflict
from mailq.store import audit, beats, installation, mailings, ringing
from mailq.store.database import Database
from mailq.store.mailings import Mailing, Summary

log = telemetry.logger(__name__)

ACTION = "db.accept_restore"
_UNFINISHED = (State.LOADING, State.SCHEDULED, State.RUNNING, State.PAUSED)
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Accepted:
    """A restore that was accepted: what had shown it, and the mailings that were paused."""

    forgotten: installation.Forgotten
    paused: list[Mailing]


def unfinished(tx: Connection) -> Iterator[Summary]:
    """The mailings that go on once a restore is accepted, the newest first. Whatever of them is pending or deferred by these books
    may have been sent in the time that is forgotten."""
    before = None
    while page := mailings.summaries(tx, limit=_PAGE, before=before, states=_UNFINISHED):
        yield from page
        before = page[-1].mailing.id


def accept(database: Database, *, actor: str, pause: bool = False) -> Accepted:
    """Go on with a database that has forgotten; with `pause` its running mailings are paused first.

    Every server takes a new incarnation: what its processes remember of the time that is forgotten must not count any more.

    Raises:
        Conflict: nothing has stopped the sending.
    """
    with database.begin() as tx:
        _require_forgotten(installation.forgotten(tx))
    # A transaction of its own, because nobody who holds the rows of servers may wait for those of mailings.
    stepped = _pause_running(database) if pause else []
    with database.begin() as tx:
        found = _require_forgotten(installation.forgotten(tx, lock=True))
        beats.end_leases(tx)
        beats.void_journals(tx)
        installation.accept(tx)
        details = {"since": found.since.isoformat(), "why": found.why, "paused": [each.public_id for each in stepped]}
        audit.note(tx, actor=actor, action=ACTION, details=details)
    _forget_rings(database)
    log.warning("database.restore_accepted", actor=actor, why=found.why, paused=len(stepped))
    return Accepted(found, stepped)


def _forget_rings(database: Database) -> None:
    """Those of the time that is forgotten, and those that nobody could heed: they would pass for rings on the way."""
    with database.begin() as tx:
        ringing.forget(tx)


def _require_forgotten(found: installation.Forgotten | None) -> installation.Forgotten:
    if found is None:
        raise Conflict("this database has forgotten nothing: there is no restore to accept")
    return found


def _pause_running(database: Database) -> list[Mailing]:
    with database.begin() as tx:
        running = [each.mailing.id for each in unfinished(tx) if each.mailing.state is State.RUNNING]
        return [mailings.step(tx, mailing_id, State.PAUSED) for mailing_id in running]
