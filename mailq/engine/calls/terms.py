"""What holds for all calls of an installation."""

from dataclasses import dataclass
from datetime import timedelta

from mailq.engine.calls.responses import Respond


@dataclass(frozen=True, slots=True)
class Terms:
    """As the settings have them.

    Attributes:
        part_gap: a conversation whose next part has not come after this is in error.
        skew: a scheduled time that is past by no more is now; one further back is refused.
        keep: calls, results and answers are deleted so long after the call's end.
        respond: makes the answers of a conversation that ends at the arrival of a part that is late. Without it such a conversation,
            as one of very many parts, is ended by the leader, who is woken; the part is refused all the same.
    """

    part_gap: timedelta = timedelta(minutes=5)
    skew: timedelta = timedelta(seconds=60)
    keep: timedelta = timedelta(days=90)
    respond: Respond | None = None
