"""Suppressions: the addresses that an organization must not mail, and why."""

from enum import StrEnum


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
