"""How a mailing and its books look: as a document for programs, as lines for people."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailq.core.mailing import Books
    from mailq.store.mailings import Summary

_HIDDEN = ("id", "organization_id", "content_digest", "source_digest", "stream")


def as_document(summary: "Summary") -> dict[str, Any]:
    """A mailing as JSON has it: its row without inner ids, its books, its batches."""
    row = asdict(summary.mailing)
    shown = {
        "mailing": row.pop("public_id"),
        "is_stream": summary.mailing.stream is not None,
        **{name: value for name, value in row.items() if name not in _HIDDEN},
    }
    batches = {"num_batches": summary.num_batches, "num_batches_done": summary.num_batches_done}
    return {**shown, **asdict(summary.books), "balanced": summary.books.balanced, **batches}


def books_lines(books: "Books") -> list[str]:
    """The books, a counter a line, as the equation they are."""
    counters = asdict(books)
    total = counters.pop("num_profiles")
    width = len(f"{total:,}")
    lines = [f"    num_profiles  {total:>{width},}"]
    for place, (name, value) in enumerate(sorted(counters.items(), key=lambda pair: _ORDER.index(pair[0]))):
        lines.append(f"  {'=' if not place else '+'} {name:<12}  {value:>{width},}")
    lines.append("    the books balance" if books.balanced else "    THE BOOKS DO NOT BALANCE")
    return lines


_ORDER = ("num_sent", "num_errors", "num_skipped", "num_in_doubt", "num_deferred", "num_pending")


def num_done(books: "Books") -> int:
    """Recipients whose outcome is known, or in doubt: nothing more happens to them by itself."""
    return books.num_sent + books.num_errors + books.num_skipped + books.num_in_doubt
