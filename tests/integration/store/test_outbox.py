"""The outbox as its relay sees it, on every database at hand, and as DDL for the others."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailq.errors import Misconfigured, Unavailable
from mailq.store import outbox
from mailq.store.outbox import Kind, State
from mailq.store.outbox_database import OutboxDatabase, ddl
from mailq.store.outbox_writing import Row, writing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MANY = 1_000_000


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OutboxDatabase]:
    """A producer's database with an outbox."""
    url = f"sqlite:///{tmp_path}/shop.db" if request.param == "sqlite" else request.getfixturevalue("empty_database_url")
    opened = OutboxDatabase(url)
    assert opened.create()
    yield opened
    opened.close()


def write(database: OutboxDatabase, *rows: Row) -> None:
    with database.begin() as tx:
        writing(tx).add(rows)


def message(handle: str) -> Row:
    return Row(handle, 0, Kind.MESSAGE, State.WAITING, "{}")


def mailing(handle: str, *parts: str) -> list[Row]:
    rows = [Row(handle, number, Kind.RECIPIENTS, State.PART, payload) for number, payload in enumerate(parts)]
    return [*rows, Row(handle, len(parts), Kind.MAILING, State.WAITING, "{}")]


def test_what_waits_is_seen_in_the_order_it_was_written(database: OutboxDatabase) -> None:
    write(database, message("a"), *mailing("b", "1", "2"), message("c"))

    with database.begin() as tx:
        found = outbox.waiting(tx, limit=10, most_chars=MANY)
        rest = outbox.waiting(tx, after=found[0].id, limit=1, most_chars=MANY)
    assert [(head.handle, head.num_parts, head.kind) for head in found] == [
        ("a", 0, Kind.MESSAGE),
        ("b", 2, Kind.MAILING),
        ("c", 0, Kind.MESSAGE),
    ]
    assert [head.handle for head in rest] == ["b"]


def test_of_large_ones_fewer_are_held_at_a_time_and_never_none(database: OutboxDatabase) -> None:
    """A relay with a hundred mails of ten megabytes in its memory would be killed, and killed again."""
    write(
        database, *(Row(handle, 0, Kind.EMAIL, State.WAITING, payload) for handle, payload in (("a", "x" * 40), ("b", "ü" * 60)))
    )
    write(database, Row("c", 0, Kind.EMAIL, State.WAITING, "x" * 200), message("d"))

    with database.begin() as tx:
        first = outbox.waiting(tx, limit=10, most_chars=100)
        second = outbox.waiting(tx, after=first[-1].id, limit=10, most_chars=100)
        third = outbox.waiting(tx, after=second[-1].id, limit=10, most_chars=100)
    assert [[head.handle for head in some] for some in (first, second, third)] == [["a", "b"], ["c"], ["d"]]


def test_the_parts_of_a_mailing_are_read_some_at_a_time_and_in_order(database: OutboxDatabase) -> None:
    write(database, *mailing("other", "x"), *mailing("b", "1", "2", "3"))

    with database.begin() as tx:
        assert outbox.num_parts(tx, "b") == 3
        assert [part.payload for part in outbox.parts(tx, "b", first=0, limit=2)] == ["1", "2"]
        assert [part.payload for part in outbox.parts(tx, "b", first=2, limit=2)] == ["3"]


def test_only_the_first_relay_settles_a_row(database: OutboxDatabase) -> None:
    """The second learns that it was late, and changes nothing."""
    write(database, message("a"))
    with database.begin() as tx:
        (head,) = outbox.waiting(tx, limit=1, most_chars=MANY)
        assert outbox.settle(tx, head, State.DONE, at=NOW, result="msg_1")
        assert not outbox.settle(tx, head, State.REFUSED, at=NOW, reason="too late")

    with database.begin() as tx:
        assert outbox.counts(tx) == {State.WAITING: 0, State.DONE: 1, State.REFUSED: 0}
        assert outbox.waiting(tx, limit=10, most_chars=MANY) == []


def test_done_rows_are_deleted_with_their_parts_after_a_while_and_refused_ones_never(database: OutboxDatabase) -> None:
    write(database, message("refused"), *mailing("old", "1", "2"), message("young"), *mailing("waiting", "1"))
    with database.begin() as tx:
        refused, old, young, _ = outbox.waiting(tx, limit=10, most_chars=MANY)
        outbox.settle(tx, refused, State.REFUSED, at=NOW - timedelta(days=30), reason="it has no subject " + "x" * 5000)
        outbox.settle(tx, old, State.DONE, at=NOW - timedelta(days=8))
        outbox.settle(tx, young, State.DONE, at=NOW)

    with database.begin() as tx:
        assert outbox.forget(tx, before=NOW - timedelta(days=7), limit=100) == 1
        assert outbox.forget(tx, before=NOW - timedelta(days=7), limit=100) == 0
        assert outbox.num_parts(tx, "old") == 0
        assert outbox.num_parts(tx, "waiting") == 1
        assert outbox.counts(tx) == {State.WAITING: 1, State.DONE: 1, State.REFUSED: 1}
        ((_, kind, reason),) = outbox.refused(tx, limit=10)
    assert kind == Kind.MESSAGE
    assert reason.startswith("it has no subject")
    assert len(reason) == 2000


def test_it_is_made_once(database: OutboxDatabase) -> None:
    write(database, message("a"))

    assert not database.create()
    with database.begin() as tx:
        assert outbox.counts(tx)[State.WAITING] == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://", ["BIGINT GENERATED BY DEFAULT AS IDENTITY", "TIMESTAMP WITH TIME ZONE"]),
        ("mysql://", ["BIGINT NOT NULL AUTO_INCREMENT", "LONGTEXT", "ENGINE=InnoDB CHARSET=utf8mb4"]),
        ("mariadb://", ["BIGINT NOT NULL AUTO_INCREMENT", "LONGTEXT", "ENGINE=InnoDB CHARSET=utf8mb4"]),
        ("sqlite://", ["INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"]),
        ("oracle://", ["NUMBER(19) GENERATED BY DEFAULT AS IDENTITY", "CLOB"]),
        ("mssql://", ["BIGINT NOT NULL IDENTITY"]),
    ],
)
def test_the_table_can_be_printed_for_a_database_whose_driver_is_not_here(url: str, says: list[str]) -> None:
    """For whoever makes tables by migrations of his own."""
    printed = ddl(url)

    assert [words for words in says if words not in printed] == []
    assert "CREATE INDEX mailq_outbox_state_idx" in printed
    assert printed.count(";") == 2


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "is no URL"),
        ("foo://user:secret@host/x", "does not know"),
        ("mysql+pymysql://user:secret@host/x", "pip install PyMySQL"),
        ("mysql://user:secret@host/x", r"write mysql\+pymysql://"),
        ("postgresql://user:se@cret@host/x", "no URL"),
    ],
)
def test_an_address_that_cannot_be_used_says_what_to_write_and_never_the_password(url: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as told:
        OutboxDatabase(url)

    assert "cret" not in str(told.value)


def test_a_database_without_an_outbox_says_how_to_make_one(tmp_path: Path) -> None:
    database = OutboxDatabase(f"sqlite:///{tmp_path}/empty.db")

    with pytest.raises(Misconfigured, match="mailqctl outbox create"):
        database.require_table()


def test_a_database_that_is_away_is_named_without_its_password() -> None:
    database = OutboxDatabase("postgresql://shop:secret@127.0.0.1:9/shop")

    with pytest.raises(Unavailable, match=r"shop:\*\*\*@127.0.0.1:9/shop") as told:
        database.require_table()
    assert "secret" not in str(told.value)
