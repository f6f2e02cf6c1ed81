"""Lines of COPY's text format, stored by whatever a driver offers."""

import pytest
from sqlalchemy import Connection, text

from mailq.store import copying

COLUMNS = (("number", "integer"), ("word", "text"), ("document", "jsonb"), ("stored_at", "timestamptz"))
ODD = 'a\\\\b\\tc\\nd\\re "f" 東京 🎉'
BLOCKS = [
    "".join(f'{number}\tword {number}\t{{"n":{number}}}\tnow\n' for number in range(1, 1501)).encode(),
    f'1501\t{ODD}\t{{"odd":"\\\\t"}}\tnow\n1502\t\\\\N\t[]\tnow\n'.encode(),
]


@pytest.fixture
def tx(tx: Connection) -> Connection:
    """With a table to store into."""
    tx.execute(
        text("CREATE TEMPORARY TABLE copied (number integer, word text, document jsonb, stored_at timestamptz) ON COMMIT DROP")
    )
    return tx


@pytest.mark.parametrize("way", [copying.copy, copying._by_insert], ids=["copy", "insert"])
def test_lines_are_stored_as_they_were_meant(tx: Connection, way: object) -> None:
    """By COPY, and by inserts for a driver that has none: the same rows."""
    way(tx, "copied", COLUMNS, iter(BLOCKS))  # type: ignore[operator]

    rows = tx.execute(text("SELECT number, word, document FROM copied WHERE stored_at = now() ORDER BY number")).all()
    assert [tuple(row) for row in rows[:1500]] == [(number, f"word {number}", {"n": number}) for number in range(1, 1501)]
    assert [tuple(row) for row in rows[1500:]] == [(1501, 'a\\b\tc\nd\re "f" 東京 🎉', {"odd": "\t"}), (1502, "\\N", [])]


def test_a_fault_among_the_blocks_is_told_as_it_is(tx: Connection) -> None:
    """And not as the driver's trouble with reading."""

    def blocks() -> object:
        yield BLOCKS[0]
        raise LookupError("the next block is missing")

    with pytest.raises(LookupError, match="next block"), tx.begin_nested():
        copying.copy(tx, "copied", COLUMNS, blocks())  # type: ignore[arg-type]
    assert tx.execute(text("SELECT count(*) FROM copied")).scalar_one() == 0
