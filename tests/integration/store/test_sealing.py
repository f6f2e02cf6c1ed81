"""Who gets no mail after all: found by sets, marked once, counted in the batches; and never by a loop over rows."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text

from mailq.core.mailing import State
from mailq.core.suppression import Reason
from mailq.store import organizations, recipients, sealing, suppressions
from mailq.store.recipients import Load
from tests.support.mailings import make_mailing


def load(tx: Connection, addresses: list[str], *, size: int = 3) -> int:
    """A mailing that is loading, with these recipients behind one of its own."""
    made = make_mailing(tx, (1,), state=State.LOADING)
    loads = []
    for place in range(0, len(addresses), size):
        some = addresses[place : place + size]
        loads.append(Load(place + 2, [recipients.pending_row(seq, each, "{}") for seq, each in enumerate(some, place + 2)]))
    recipients.add_batches(tx, made.id, loads, number=2)
    return made.id


def found(tx: Connection, mailing_id: int) -> list[tuple[str | None, str | None]]:
    rows = tx.execute(
        text("SELECT skip, reply FROM delivery WHERE mailing_id = :id AND seq > 1 ORDER BY seq"), {"id": mailing_id}
    )
    return [(row.skip, row.reply) for row in rows]


def require_counted(tx: Connection, mailing_id: int) -> None:
    differing = text("""
        SELECT count(*) FROM batch WHERE mailing_id = :id AND num_skipped <>
            (SELECT count(*) FROM delivery WHERE batch_id = batch.id AND delivery.mailing_id = :id AND state = 'skipped')""")
    assert tx.execute(differing, {"id": mailing_id}).scalar_one() == 0


def test_suppressed_comes_before_repeated_and_both_are_counted(tx: Connection) -> None:
    owner = organizations.id_of(tx, "default")
    suppressions.add(tx, owner, "ann@x.example", Reason.BOUNCED)
    mailing = load(tx, ["Ann@x.example", "bob@x.example", "ANN@x.example", "BOB@x.example", "cid@x.example"])

    assert sealing.pass_over(tx, mailing, num_loaded=6) == (2, 1)

    suppressed = ("suppressed", "suppressed: bounced")
    assert found(tx, mailing) == [
        suppressed,
        (None, None),
        suppressed,
        ("duplicate", "same address as recipient 3"),
        (None, None),
    ]
    require_counted(tx, mailing)


def test_another_organizations_list_is_not_ours(tx: Connection) -> None:
    tx.execute(text("INSERT INTO organization (public_id, name) VALUES ('org_acme', 'acme')"))
    suppressions.add(tx, organizations.id_of(tx, "acme"), "ann@x.example", Reason.MANUAL)
    mailing = load(tx, ["ann@x.example"])

    assert sealing.pass_over(tx, mailing, num_loaded=2) == (0, 0)


def test_letters_beyond_ascii_are_suppressed_in_either_case(tx: Connection) -> None:
    suppressions.add(tx, organizations.id_of(tx, "default"), "jürgen@x.example", Reason.MANUAL)
    mailing = load(tx, ["JÜRGEN@x.example", "jurgen@x.example"])

    assert sealing.pass_over(tx, mailing, num_loaded=3).num_suppressed == 1


def test_a_list_far_longer_than_the_mailing_gives_the_same(tx: Connection) -> None:
    owner = organizations.id_of(tx, "default")
    suppressions.add_many(tx, owner, [f"p{number}@x.example" for number in range(200)], Reason.MANUAL)
    mailing = load(tx, ["p7@x.example", "q@x.example", "P8@x.example"])

    assert sealing.pass_over(tx, mailing, num_loaded=4).num_suppressed == 2
    assert [skip for skip, _ in found(tx, mailing)] == ["suppressed", None, "suppressed"]


_LETTERS = st.text(alphabet="abAB", min_size=1, max_size=2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(locals_=st.lists(_LETTERS, min_size=1, max_size=30), suppressed=st.sets(_LETTERS, max_size=3))
def test_the_first_of_each_that_nobody_suppressed_is_left(tx: Connection, locals_: list[str], suppressed: set[str]) -> None:
    """Against a plain loop over a set."""
    with tx.begin_nested() as undone:
        listed = {f"{each}@x.example".lower() for each in suppressed}
        suppressions.add_many(tx, organizations.id_of(tx, "default"), listed, Reason.MANUAL)
        mailing = load(tx, [f"{each}@x.example" for each in locals_])
        sealing.pass_over(tx, mailing, num_loaded=len(locals_) + 1)

        seen: set[str] = set()
        expected: list[str | None] = []
        for address in (f"{each}@x.example".lower() for each in locals_):
            expected.append("suppressed" if address in listed else "duplicate" if address in seen else None)
            seen.add(address)
        assert [skip for skip, _ in found(tx, mailing)] == expected
        require_counted(tx, mailing)
        tx.execute(text("DROP TABLE passed_over, repeated"))
        undone.rollback()


@pytest.fixture
def plans(tx: Connection) -> list[str]:
    """The plan of every statement that is executed over deliveries."""
    seen: list[str] = []

    def explain(connection: Connection, cursor: object, statement: str, parameters: object, *_: object) -> None:
        if "delivery" in statement and statement.lstrip().startswith(
            ("INSERT INTO passed_over", "INSERT INTO repeated", "WITH marked")
        ):
            rows = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
            rows.execute(f"EXPLAIN {statement}", parameters)
            seen.append("\n".join(row[0] for row in rows.fetchall()))

    event.listen(tx, "before_cursor_execute", explain)
    return seen


def test_a_partition_that_nobody_has_analysed_is_never_looped_over(tx: Connection, plans: list[str]) -> None:
    owner = organizations.id_of(tx, "default")
    suppressions.add_many(tx, owner, [f"p{number}@x.example" for number in range(5)], Reason.MANUAL)
    mailing = load(tx, [f"p{number % 60}@x.example" for number in range(80)])

    assert sealing.pass_over(tx, mailing, num_loaded=81) == (10, 15)

    assert len(plans) == 4
    for plan in plans:
        over_deliveries = re.sub(r"(?s)(InitPlan|->  Hash\b.*Update on batch).*", "", plan)
        assert "Nested Loop" not in over_deliveries, plan
    require_counted(tx, mailing)


def test_a_short_mailing_looks_its_addresses_up_in_a_long_list(tx: Connection, plans: list[str]) -> None:
    owner = organizations.id_of(tx, "default")
    suppressions.add_many(tx, owner, [f"p{number}@x.example" for number in range(1000)], Reason.MANUAL)
    mailing = load(tx, ["p7@x.example"])

    sealing.pass_over(tx, mailing, num_loaded=2)

    assert "Nested Loop" in plans[0]
    assert "suppression_pkey" in plans[0]
