"""Errors that a person sends again: when that is refused, and which of them only by name."""

from mailq.core.mailing import State

GIVEN_UP = "given up by "
"""How the reply of a delivery begins that was in doubt, and that somebody has counted as not sent."""

_STARTED = frozenset({State.RUNNING, State.PAUSED, State.FINISHED})


def refusal(mailing: State, *, past_its_time: bool) -> str | None:
    """Why errors of a mailing cannot be sent again, as the end of a sentence; None if they can.

    Args:
        past_its_time: its `expires_at` has gone by, though it may have been finished before.
    """
    if mailing not in _STARTED:
        return f"is {mailing}"
    return "is past its expiry" if past_its_time else None
