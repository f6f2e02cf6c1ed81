"""A stream: the standing mailing of single messages that share content and options, one a month."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from mailq.core.message import Content, ReadyMade

MOST_DELIVERIES = 1000
"""Of a batch."""
MOST_BYTES = 4_000_000
"""Of the variables of a batch, beside those of its first message: who works it holds them all in memory."""


def end_of_month(moment: datetime) -> datetime:
    """The first moment of the next month, by UTC: so long a stream that has a message at this one is open."""
    first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.replace(year=first.year + 1, month=1) if first.month == 12 else first.replace(month=first.month + 1)


def name_of(content: Content | ReadyMade) -> str:
    """What people see a stream called. It says nothing of its words: a producer may have written a code into a subject, and names
    stand in logs.
    """
    if isinstance(content, ReadyMade):
        return "ready-made messages"
    if content.subject.strip() == "{{ subject }}":
        return "messages"
    return f"messages of template {content.digest()[:8]}"


def cut(sizes: Sequence[int]) -> Iterator[slice]:
    """Messages of these sizes cut into batches, in their order; of each batch at least one."""
    begin = total = 0
    for place, size in enumerate(sizes):
        total += size
        if place > begin and (place - begin == MOST_DELIVERIES or total > MOST_BYTES):
            yield slice(begin, place)
            begin, total = place, size
    if sizes:
        yield slice(begin, len(sizes))
