"""Deliveries in doubt: what an operator, a policy or evidence may make of them, and what is refused."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from mailq.core.delivery import State
from mailq.core.mailing import DoubtPolicy
from mailq.core.mailing import State as MailingState
from mailq.core.outcome import Doubt


class Verdict(StrEnum):
    """What becomes of a delivery in doubt."""

    SENT = "sent"
    """It counts as sent."""
    RESEND = "resend"
    """It is sent again: its recipient may get it twice."""
    ERROR = "error"
    """It counts as not sent, and is not tried again: its recipient may have got it."""


AFTER: Mapping[Verdict, State] = MappingProxyType(
    {Verdict.SENT: State.SENT, Verdict.RESEND: State.PENDING, Verdict.ERROR: State.ERROR}
)
"""The state each verdict leads to."""

MEANING: Mapping[Doubt, str] = MappingProxyType(
    {
        Doubt.WORKER_KILLED: "its worker died after the final dot had left, and before the reply was noted",
        Doubt.HOST_LOST: "its server was lost; the mail may have left or not, nothing on record says",
        Doubt.RELAY_CLOSED: "the relay closed the connection after the final dot, without a reply",
        Doubt.TIMEOUT: "the relay did not reply to the final dot in time",
    }
)
"""The reasons in words."""

_ENDED_EARLY = frozenset({MailingState.CANCELLED, MailingState.EXPIRED})


def refusal(verdict: Verdict, mailing: MailingState, *, past_its_time: bool = False) -> str | None:
    """Why a verdict cannot be given for deliveries of a mailing, as the end of a sentence; None if it can.

    Args:
        past_its_time: the mailing's `expires_at` has gone by, though it may have been finished before.
    """
    if verdict is not Verdict.RESEND:
        return None
    if mailing in _ENDED_EARLY:
        return f"is {mailing}: nothing of it is sent any more"
    return "is past its expiry: nothing of it is sent any more" if past_its_time else None


def by_policy(policy: DoubtPolicy, reason: Doubt, mailing: MailingState, *, past_its_time: bool = False) -> Verdict | None:
    """What a mailing's policy makes of a delivery in doubt; None leaves it to evidence or a person.

    `assume_sent` needs a dot on record: what a lost host had begun, and perhaps never sent, is not "sent".
    """
    match policy:
        case DoubtPolicy.HOLD:
            return None
        case DoubtPolicy.RESEND:
            return None if refusal(Verdict.RESEND, mailing, past_its_time=past_its_time) else Verdict.RESEND
        case DoubtPolicy.ASSUME_SENT:
            return None if reason is Doubt.HOST_LOST else Verdict.SENT
        case _:
            assert_never(policy)
