"""Lists that are read a page at a time. A page stays what it is while others are made: each goes on behind the last one's end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mailq.errors import BadInput

Item = TypeVar("Item")

MOST = 1000
"""Items of one page at most."""

SEQ_DIGITS = 9
"""A recipient's number has no more."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list.

    Attributes:
        next_cursor: what to ask for the next page with; None on the last one.
    """

    data: list[Item]
    next_cursor: str | None


def cut(found: Sequence[Item], limit: int, cursor_of: Callable[[Item], str]) -> Page[Item]:
    """A page of what was found: one more than the page may have says that there is another one."""
    data = list(found[:limit])
    return Page(data, cursor_of(data[-1]) if len(found) > limit else None)


def require_limit(limit: int) -> None:
    """Refuse a page that is too long, or none.

    Raises:
        BadInput: it is (field `limit`).
    """
    if not 1 <= limit <= MOST:
        raise BadInput(f"a page has 1 to {MOST:,} items", field="limit")


def not_ours(cursor: str) -> BadInput:
    """What to say of a cursor that no page of the list ever ended with."""
    return BadInput(f"`{cursor[:80]}` is no cursor of this list; begin without one", field="cursor")
