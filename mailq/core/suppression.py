"""Suppressions: the addresses that an organization must not mail, and why."""

from enum import StrEnum

from mailq.core.mailing import Lane


class Reason(StrEnum):
    """Why an address must not be mailed."""

    UNSUBSCRIBED = "unsubscribed"
    """Whoever reads it has asked for no more."""
    COMPLAINED = "complained"
    """Whoever reads it has reported a mail as spam."""
    BOUNCED = "bounced"
    """It does not exist, or takes no mail."""
    MANUAL = "manual"
    """An operator decided so; the note may say why."""


def stopping(lane: Lane) -> list[Reason]:
    """What keeps a mail of this lane from being sent. Who wants no more newsletters still wants the receipt of what he has bought."""
    return [reason for reason in Reason if not (reason is Reason.UNSUBSCRIBED and lane is Lane.TRANSACTIONAL)]
