"""Why a mailing does not move, in sentences. Decided from facts alone."""

from typing import TYPE_CHECKING

from mailq.core.mailing import Books, State

if TYPE_CHECKING:
    from mailq.store.mailings import Mailing
    from mailq.store.watching import Standing

_QUIET_S = 30


def reasons(mailing: "Mailing", books: Books, standing: "Standing") -> list[str]:
    """What stands in a mailing's way, and what to do about it; nothing for one that moves or is over."""
    match mailing.state:
        case State.LOADING:
            return [f"it is still loading ({mailing.num_loaded:,} records so far); {_resume(mailing)}"]
        case State.SCHEDULED:
            return [f"it is scheduled for {mailing.scheduled_at:%Y-%m-%d %H:%M} UTC"]
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
    found = []
    if not standing.slots:
        found.append(f"no server is alive that serves the lane `{mailing.lane}`; start one with `mailqctl worker`")
    if standing.num_waiting and standing.next_due_at:
        wait = (standing.next_due_at - standing.now).total_seconds()
        when = f"until {standing.next_due_at:%H:%M:%S} UTC" if wait > 0 else "and are due now"
        why = f"{books.num_deferred:,} recipients are to be tried again" if books.num_deferred else "the relay rests"
        found.append(f"{standing.num_waiting:,} of its batches wait {when}: {why}")
    if standing.num_leased and standing.progressed_at:
        quiet = (standing.now - standing.progressed_at).total_seconds()
        if quiet > _QUIET_S:
            found.append(f"{standing.num_leased} batches are held, and nothing was settled for {quiet:.0f} s")
    return found
