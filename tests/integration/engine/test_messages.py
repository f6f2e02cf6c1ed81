"""A message is accepted once for its key, with its producer's transaction, and found by its id."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from mailq.engine import messages
from mailq.errors import Conflict, NotFound
from tests.support.waiting import eventually

ORGANIZATION = 1
WORDS = {"to": "ann@x.example", "subject": "Your code", "sender": "Shop <shop@x.example>", "text": "It is {{ 42 }}."}


def order(**changed):
    return messages.order(**(WORDS | changed))


def accept(tx, *orders):
    return messages.accept(tx, ORGANIZATION, orders)


def rows(tx):
    return tx.execute(text("SELECT * FROM inbox ORDER BY id")).all()


def test_a_message_is_found_by_its_id_as_accepted(tx):
    [taken] = accept(tx, order())
    found = messages.find(tx, ORGANIZATION, taken.public_id)
    assert (taken.created, found.state, found.address, found.mailing, found.seq) == (
        True,
        "accepted",
        "ann@x.example",
        None,
        None,
    )


def test_the_answers_are_in_the_order_of_the_orders(tx):
    orders = [order(to=f"r{number}@x.example", key=key) for number, key in enumerate(["z", None, "a", None, "m"])]
    found = [messages.find(tx, ORGANIZATION, taken.public_id) for taken in accept(tx, *orders)]
    assert [each.address for each in found] == [f"r{number}@x.example" for number in range(5)]
    assert [each.key for each in found] == ["z", None, "a", None, "m"]


def test_the_same_key_and_words_are_the_same_message(tx):
    [first] = accept(tx, order(key="reset-1"))
    [again] = accept(tx, order(key="reset-1"))
    assert (again.public_id, again.created) == (first.public_id, False)
    assert len(rows(tx)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"to": "bob@x.example"},
        {"subject": "Another"},
        {"text": "!"},
        {"lane": "bulk"},
        {"doubt_policy": "resend"},
        {"variables": {}},
    ],
)
def test_the_same_key_for_anything_else_is_a_conflict_and_leaves_the_others_alone(tx, other):
    [first] = accept(tx, order(key="reset-1"))
    refused, taken = accept(tx, order(key="reset-1", **other), order(key="reset-2"))
    assert isinstance(refused, Conflict)
    assert first.public_id in str(refused)
    assert taken.created
    assert [row.key for row in rows(tx)] == ["reset-1", "reset-2"]


def test_one_call_may_say_a_key_twice(tx):
    first, again, other = accept(tx, order(key="k"), order(key="k"), order(key="k", text="?"))
    assert (first.public_id, first.created, again.created) == (again.public_id, True, False)
    assert isinstance(other, Conflict)


def test_two_organizations_may_use_the_same_key_and_see_their_own_messages_only(tx):
    tx.execute(text("INSERT INTO organization (public_id, name) VALUES ('org_other', 'other')"))
    other = tx.execute(text("SELECT id FROM organization WHERE name = 'other'")).scalar_one()
    [ours] = accept(tx, order(key="k"))
    [theirs] = messages.accept(tx, other, [order(key="k", text="something else")])
    assert theirs.created
    with pytest.raises(NotFound):
        messages.find(tx, ORGANIZATION, theirs.public_id)
    assert messages.find(tx, ORGANIZATION, ours.public_id).key == "k"


def test_a_producer_who_rolls_back_has_sent_nothing(database):
    with database.engine.connect() as connection, connection.begin() as producer:
        [taken] = accept(connection, order(key="k"))
        producer.rollback()
    with database.begin() as tx:
        with pytest.raises(NotFound):
            messages.find(tx, ORGANIZATION, taken.public_id)
        assert accept(tx, order(key="k", text="other words"))[0].created


def test_a_key_used_twice_at_once_is_one_message(database):
    """The second waits until it is known what became of the first."""

    def send():
        with database.begin() as tx:
            return accept(tx, order(key="k"))[0]

    with ThreadPoolExecutor(1) as pool, database.engine.connect() as connection, connection.begin() as producer:
        [first] = accept(connection, order(key="k"))
        second = pool.submit(send)
        eventually(lambda: waiting_for_a_lock(database), within=10)
        producer.commit()
        assert second.result(10).public_id == first.public_id
        assert not second.result().created


def test_a_key_whose_first_user_rolls_back_belongs_to_the_second(database):
    def send():
        with database.begin() as tx:
            return accept(tx, order(key="k"))[0]

    with ThreadPoolExecutor(1) as pool, database.engine.connect() as connection, connection.begin() as producer:
        accept(connection, order(key="k"))
        second = pool.submit(send)
        eventually(lambda: waiting_for_a_lock(database), within=10)
        producer.rollback()
        assert second.result(10).created


@pytest.fixture
def ear(database):
    """A connection that listens; `heard()` says on which channels."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("LISTEN mailq"))
        driver = connection.connection.driver_connection

        def heard():
            connection.execute(text("SELECT 1"))
            told = [each.channel for each in driver.notifies]
            driver.notifies.clear()
            return told

        yield heard


def test_many_are_accepted_at_once_and_wake_the_leader_once_when_they_are_committed(database, ear):
    with database.begin() as tx:
        taken = accept(tx, *[order(to=f"r{number}@x.example") for number in range(1000)])
        assert {each.created for each in taken} == {True}
        assert ear() == []
    assert ear() == ["mailq"]


def test_what_is_not_new_wakes_nobody(database, ear):
    with database.begin() as tx:
        accept(tx, order(key="k"))
    assert ear() == ["mailq"]
    with database.begin() as tx:
        accept(tx, order(key="k"))
        assert accept(tx) == []
    assert ear() == []


def test_words_that_jsonb_has_its_own_way_with_are_the_same_words_again(tx):
    said = order(variables={"b": 1.50, "a": "ä\\u0000 \\", "c": [None, True, {"z": 1, "y": 2}]}, text="{{ a }}", key="k")
    [first] = accept(tx, said)
    [again] = accept(tx, said)
    assert again == messages.Taken(first.public_id, False)


def waiting_for_a_lock(database):
    with database.begin() as tx:
        return tx.execute(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).scalar_one()
