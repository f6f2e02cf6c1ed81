"""Suppressions: the addresses an organization must not mail, why, and what the books say about a recipient passed over for one."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


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


IN_THE_BOOKS: Mapping[Reason, str] = MappingProxyType({reason: f"suppressed: {reason}" for reason in Reason})
"""The `reply` of a delivery that was skipped for a suppression."""
