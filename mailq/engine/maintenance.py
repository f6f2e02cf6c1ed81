"""An operator begins and ends maintenance: while it lasts everything is accepted, and nothing is processed."""

from sqlalchemy import Connection

from mailq import telemetry
from mailq.errors import BadInput
from mailq.store import audit, maintenance, ringing, waking
from mailq.store.database import Transactions
from mailq.store.maintenance import Maintenance

log = telemetry.logger(__name__)

ON, OFF = "maintenance.on", "maintenance.off"
MOST_WORDS = 500


def on(database: Transactions, *, actor: str, why: str | None = None) -> tuple[Maintenance, bool]:
    """Process nothing from now on; how it stands, and whether it was this call that began it.

    Where there is maintenance already it stays as it is: since when, by whom and why.

    Raises:
        BadInput: the reason is too long, or not printable.
    """
    words = _reason(why)
    with database.begin() as tx:
        begun = maintenance.begin(tx, by=actor, why=words)
        standing = maintenance.standing(tx)
        assert standing is not None
        if begun:
            audit.note(tx, actor=actor, action=ON, details={"why": words})
            waking.wake(tx, waking.News.ALL)
    if begun:
        log.warning(ON, actor=actor, why=words)
    return standing, begun


def off(database: Transactions, *, actor: str) -> Maintenance | None:
    """Go on, at once and everywhere; the maintenance that has ended, None if there was none."""
    with database.begin() as tx:
        ended = maintenance.standing(tx, lock=True)
        if ended is None:
            return None
        maintenance.end(tx)
        audit.note(tx, actor=actor, action=OFF, details={"since": ended.since.isoformat(), "why": ended.why})
    _wake_everybody(database)
    log.warning(OFF, actor=actor, since=ended.since)
    return ended


def status(tx: Connection) -> Maintenance | None:
    """Since when nothing is processed, by whose word and why; None when all is as ever."""
    return maintenance.standing(tx)


def _wake_everybody(database: Transactions) -> None:
    """Rings that nobody could heed would pass for rings on the way. In a transaction of its own, because somebody may be writing
    about a batch that was rung for: that must not keep maintenance from ending.
    """
    with database.begin() as tx:
        ringing.forget(tx)
        waking.wake(tx, waking.News.ALL)


def _reason(why: str | None) -> str | None:
    words = (why or "").strip()
    if len(words) > MOST_WORDS or not words.isprintable():
        raise BadInput(f"a reason is at most {MOST_WORDS} printable characters on one line", field="why")
    return words or None
