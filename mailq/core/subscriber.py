"""A subscriber: an address with attributes, known by its producer's own key, and whether it wants mail."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from mailq.core.suppression import Reason


class Status(StrEnum):
    """Whether a subscriber is mailed."""

    ACTIVE = "active"
    """Gets mail."""
    UNSUBSCRIBED = "unsubscribed"
    """Has asked for no more; what was ordered singly, such as a receipt, still goes out."""
    HELD = "held"
    """Gets nothing at all, until its producer says otherwise."""


SUPPRESSED_AS: Mapping[Status, Reason | None] = MappingProxyType(
    {Status.ACTIVE: None, Status.UNSUBSCRIBED: Reason.UNSUBSCRIBED, Status.HELD: Reason.MANUAL}
)
"""The suppression that goes with a status."""
