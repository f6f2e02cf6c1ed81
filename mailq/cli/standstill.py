"""Why a mailing does not move, in sentences. Decided from facts alone."""

from datetime import datetime
from typing import TYPE_CHECKING

from mailq.cli.terminal import span
from mailq.core.mailing import Books, State

if TYPE_CHECKING:
    from mailq.store.installation import Forgotten
    from mailq.store.mailings import Mailing
    from mailq.store.maintenance import Maintenance
    from mailq.store.watching import Standing

_QUIET_S = 30


def reasons(mailing: "Mailing", books: Books, standing: "Standing") -> list[str]:
    """What stands in a mailing's way, and what to do about it; nothing for one that moves or is over."""
    match mailing.state:
        case State.LOADING if mailing.loaded_at is not None:
            return [
                "all its recipients are there; the leading server starts it within seconds, if one is alive (`mailqctl server list`)"
            ]
        case State.LOADING:
            return [f"it is still loading ({mailing.num_loaded:,} records so far); {_resume(mailing)}"]
        case State.SCHEDULED:
            return [*_held(standing), f"it is scheduled for {mailing.scheduled_at:%Y-%m-%d %H:%M} UTC"]
        case State.PAUSED:
            return [f"it is paused; `mailqctl mailing resume {mailing.public_id}` goes on"]
        case State.RUNNING:
            return _of_running(mailing, books, standing)
        case _:
            return []


def _resume(mailing: "Mailing") -> str:
    reference = mailing.public_id
    return f"if that has stopped: `mailqctl mailing submit FILE --resume {reference}`, or `mailqctl mailing drop {reference}`"


def _of_running(mailing: "Mailing", books: Books, standing: "Standing") -> list[str]:
    found = _held(standing)
    waits_for_messages = mailing.open_until is not None and mailing.open_until > standing.now
    if waits_for_messages and books.complete:
        return [*found, f"it is a stream, and waits for messages until {mailing.open_until:%Y-%m-%d %H:%M} UTC"]
    if books.num_profiles and not waits_for_messages and not (standing.num_ready or standing.num_leased or standing.num_waiting):
        found.append(_unfinished(mailing, books))
    if not standing.slots:
        found.append(f"no server is alive that serves the lane `{mailing.lane}`; start one with `mailqctl worker`")
    if standing.num_waiting and standing.next_due_at and not (standing.num_ready or standing.num_leased):
        found.append(_waiting(books, standing, standing.next_due_at))
    if standing.num_leased and standing.progressed_at:
        quiet = (standing.now - standing.progressed_at).total_seconds()
        if quiet > _QUIET_S:
            held = _counted(standing.num_leased, "batch is held", "batches are held")
            found.append(f"{held}, and nothing was settled for {span(quiet)}")
    return found


def _held(standing: "Standing") -> list[str]:
    """What keeps every mailing."""
    found = [] if standing.forgotten is None else [_forgotten(standing.forgotten)]
    return found if standing.maintenance is None else [*found, _maintained(standing.maintenance)]


def _maintained(found: "Maintenance") -> str:
    return f"nothing is sent in {found}; `mailqctl maintenance off` goes on"


def _forgotten(found: "Forgotten") -> str:
    return (
        f"nothing is sent since {found.since:%Y-%m-%d %H:%M:%S} UTC: this database has forgotten what was sent ({found.why});"
        " `mailqctl db accept-restore` shows what may be mailed twice, and goes on"
    )


def _unfinished(mailing: "Mailing", books: Books) -> str:
    left = f" (they count {books.num_pending:,} pending and {books.num_deferred:,} deferred)" if not books.complete else ""
    why = f"every batch is done; if it does not finish within seconds, its books and its deliveries differ{left}"
    return f"{why}: `mailqctl mailing verify {mailing.public_id}` shows where"


def _waiting(books: Books, standing: "Standing", due_at: datetime) -> str:
    when = f"until {due_at:%H:%M:%S} UTC" if due_at > standing.now else "and should begin now"
    again = _counted(books.num_deferred, "recipient is", "recipients are")
    why = f"{again} to be tried again" if books.num_deferred else "the relay rests"
    return f"{_counted(standing.num_waiting, 'batch waits', 'batches wait')} {when}: {why}"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
