"""Every recipient's outcome, in order, and an address's history."""

from sqlalchemy import Connection, text

from mailq.store import exports
from tests.support.mailings import make_mailing


def test_every_delivery_of_the_mailing_comes_in_order_and_no_other(tx: Connection) -> None:
    make_mailing(tx, (3,))
    made = make_mailing(tx, (2500, 10))
    tx.execute(
        text(
            "UPDATE delivery SET state = 'sent', attempts = 1, relay = 'r', reply = '250 ok' WHERE mailing_id = :id AND seq = 7"
        ),
        {"id": made.id},
    )

    rows = list(exports.deliveries(tx, made.id))

    assert [row.seq for row in rows] == list(range(1, 2511))
    assert rows[6] == exports.Row(7, "r7@example.org", "sent", None, None, 1, "r", "250 ok", None)


def test_pages_join_to_all_deliveries_wherever_batches_end(tx: Connection) -> None:
    make_mailing(tx, (3,))
    made = make_mailing(tx, (1, 4, 1, 1, 5))
    tx.execute(text("UPDATE delivery SET state = 'sent' WHERE mailing_id = :id AND seq IN (2, 6, 12)"), {"id": made.id})
    tx.execute(text("UPDATE batch SET num_sent = 1 WHERE mailing_id = :id AND number IN (2, 3, 5)"), {"id": made.id})

    for limit in range(1, 14):
        assert paged(tx, made.id, limit) == list(range(1, 13))
        assert paged(tx, made.id, limit, "sent") == [2, 6, 12]
    assert exports.page(tx, made.id, after=99, limit=5) == []


def paged(tx: Connection, mailing_id: int, limit: int, state: str | None = None) -> list[int]:
    """Every seq, page by page."""
    found = [0]
    while page := exports.page(tx, mailing_id, after=found[-1], limit=limit, state=state):
        found += [row.seq for row in page]
    return found[1:]


def test_rows_are_streamed_not_fetched_whole(tx: Connection) -> None:
    rows = exports.deliveries(tx, make_mailing(tx, (3,)).id)
    next(rows)

    assert tx.execute(text("SELECT count(*) FROM pg_cursors")).scalar_one() == 1
    rows.close()  # type: ignore[attr-defined]
    assert tx.execute(text("SELECT count(*) FROM pg_cursors")).scalar_one() == 0


def test_the_history_of_an_address_names_every_mailing_whatever_its_case(tx: Connection) -> None:
    made = [make_mailing(tx, (2,)), make_mailing(tx, (2,))]

    found = exports.history(tx, "R2@Example.org")

    assert {(each.mailing, each.seq, each.state) for each in found} == {(each.public_id, 2, "pending") for each in made}
    assert exports.history(tx, "nobody@example.org") == []
