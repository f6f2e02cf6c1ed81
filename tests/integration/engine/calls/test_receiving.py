"""A call is received once for its key, ready at its time, and whatever is refused leaves the others alone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from mailq.core.call import Method, Priority, State
from mailq.engine.calls.receiving import Received, receive
from mailq.errors import BadInput, Conflict
from mailq.store import calls
from mailq.store.waking import Ear, News
from tests.support.calling import ANSWER, TERMS, order, part, say

YEAR = timedelta(days=365)


def fields(*refused):
    assert all(isinstance(each, BadInput | Conflict) for each in refused)
    return [each.field for each in refused]


def test_what_was_received_is_found_as_it_was_said(calling):
    at = datetime.now(UTC) + YEAR
    [received] = calling.receive(
        order(say("a"), say("b"), key="k", priority=Priority.HIGH, scheduled_time=at, responses=(ANSWER,))
    )
    with calling.database.begin() as tx:
        found = calls.find(tx, 1, received.request_id)
        said = calls.objects(tx, found.id)
    assert received == Received(found.request_id, True, State.SCHEDULED)
    assert (found.key, found.method, found.priority, found.scheduled_at) == ("k", Method.CREATE, Priority.HIGH, at)
    assert (found.num_objects, said) == (2, [say("a"), say("b")])
    assert (found.conversation_id, found.ended_at, found.error) == (None, None, None)


def test_the_answers_and_the_calls_are_in_the_order_of_the_orders(calling):
    received = calling.receive(order("a", key="z"), part(2, 2), order("b"), part(1, 2), order("c", key="a"))
    assert [each.sequence_code for each in received] == [None, 2, None, 1, None]
    alone = [received[number].request_id for number in (0, 2, 4)]
    assert [
        row.public_id for row in calling.rows("SELECT public_id FROM call WHERE conversation_id IS NULL ORDER BY id")
    ] == alone


def test_the_same_key_and_words_are_the_same_call_whatever_has_become_of_it(calling):
    [first] = calling.receive(order("a", key="k"))
    calling.run_all()
    [again] = calling.receive(order("a", key="k"))
    assert again == Received(first.request_id, False, State.FINISHED)
    calling.run_all()
    assert calling.words() == ["a"]


@pytest.mark.parametrize(
    "other",
    [
        order("b", key="k"),
        order("a", "a", key="k"),
        order("a", key="k", priority=Priority.LOW),
        order("a", key="k", responses=(ANSWER,)),
        order("a", key="k", scheduled_time=datetime(2150, 1, 1, tzinfo=UTC)),
        part(1, 1, "a", key="k"),
    ],
    ids=["other words", "more words", "other priority", "other answers", "other time", "of a conversation"],
)
def test_the_same_key_for_anything_else_is_a_conflict_and_leaves_the_others_alone(calling, other):
    [first] = calling.receive(order("a", key="k"))
    refused, taken = calling.receive(other, order("c", key="l"))
    assert isinstance(refused, Conflict)
    assert first.request_id in str(refused)
    assert fields(refused) == ["/key"]
    assert taken.created
    assert calling.states() == ["ready", "ready"]
    assert calling.rows("SELECT FROM conversation") == []


def test_one_group_may_say_a_key_twice(calling):
    first, again, other = calling.receive(order("a", key="k"), order("a", key="k"), order("b", key="k"))
    assert (first.created, again.created, again.request_id) == (True, False, first.request_id)
    assert isinstance(other, Conflict)
    assert calling.states() == ["ready"]


def test_two_organizations_use_the_same_key_and_see_their_own_calls_only(calling, them):
    [ours] = calling.receive(order("a", key="k"))
    [theirs] = calling.receive(order("b", key="k"), organization_id=them)
    assert theirs.created
    with calling.database.begin() as tx:
        assert calls.find(tx, 1, theirs.request_id) is None
        assert calls.find(tx, None, theirs.request_id).request_id == theirs.request_id
        assert [each.request_id for each in calls.listed(tx, them, limit=9)] == [theirs.request_id]
        assert [each.request_id for each in calls.listed(tx, None, limit=9)] == [theirs.request_id, ours.request_id]


def test_two_transactions_that_say_the_same_keys_in_other_orders_put_each_down_once(calling):
    keys = [f"k{number}" for number in range(60)]
    with ThreadPoolExecutor(2) as threads:
        there = threads.submit(calling.receive, *(order(key, key=key) for key in keys))
        back = threads.submit(calling.receive, *(order(key, key=key) for key in reversed(keys)))
        received = [*there.result(), *reversed(back.result())]
    assert [each.created for each in received].count(True) == len(keys)
    assert [each.request_id for each in received[:60]] == [each.request_id for each in received[60:]]


def test_whoever_waits_for_a_key_holds_none_that_another_wants(calling, waits):
    with ThreadPoolExecutor(1) as thread:
        with calling.database.begin() as tx:
            receive(tx, 1, [order("a", key="a")], terms=TERMS)
            other = thread.submit(calling.receive, order("b", key="b"), order("a", key="a"))
            waits()
            receive(tx, 1, [order("b", key="b")], terms=TERMS)
        assert [each.created for each in other.result()] == [False, False]


def test_a_time_that_is_past_is_refused_but_for_what_clocks_differ(calling):
    now = datetime.now(UTC)
    late = order("a", scheduled_time=now - TERMS.skew - timedelta(seconds=5), key="k")
    refused, part_refused, taken = calling.receive(
        late, part(1, 1, scheduled_time=now - YEAR), order("b", scheduled_time=now - TERMS.skew / 2)
    )
    assert fields(refused, part_refused) == ["/options/scheduled_time"] * 2
    assert taken.state is State.READY
    assert calling.rows("SELECT FROM conversation") == []
    calling.run_all()
    assert calling.words() == ["b"]


def test_a_call_that_is_repeated_after_its_time_is_still_the_same(calling):
    [first, first_part] = calling.receive(
        order("a", key="k", scheduled_time=datetime(2150, 1, 1, tzinfo=UTC)),
        part(1, 2, scheduled_time=datetime(2150, 1, 1, tzinfo=UTC)),
    )
    # Their time has come and gone: what was said is kept as it was said, by its digest.
    said = (
        order("a", key="k", scheduled_time=datetime(2001, 1, 1, tzinfo=UTC)),
        part(1, 2, scheduled_time=datetime(2001, 1, 1, tzinfo=UTC)),
    )
    for request_id, each in zip((first.request_id, first_part.request_id), said, strict=True):
        calling.change("UPDATE call SET digest = :digest WHERE public_id = :id", digest=each.digest(), id=request_id)
    again, part_again = calling.receive(*said)
    assert (again.request_id, again.created) == (first.request_id, False)
    assert (part_again.request_id, part_again.created) == (first_part.request_id, False)


def test_the_leader_hears_of_calls_that_may_run_and_of_nothing_else(calling):
    ear = Ear(calling.database)
    ear.hears(0)
    try:
        calling.receive(part(2, 2))
        calling.receive(part(2, 2))
        assert ear.hears(0) == frozenset()
        calling.receive(part(1, 2))
        assert ear.hears(5) == {News.CALLS}
        calling.receive(order("a"))
        assert ear.hears(5) == {News.CALLS}
    finally:
        ear.close()


def test_nothing_is_received_by_a_transaction_that_is_rolled_back(calling):
    tx = calling.database.engine.connect()
    receive(tx, 1, [order("a"), part(1, 1)], terms=TERMS)
    tx.close()
    assert calling.states() == []
    assert calling.rows("SELECT FROM conversation") == []


def test_who_receives_does_not_wait_for_who_runs(calling):
    """The runner holds a call and its conversation; a repeated part, a used id and a new call are answered meanwhile."""
    calling.receive(part(1, 2), part(2, 2))
    answers = []

    def meanwhile(_):
        if not answers:
            with calling.database.begin() as tx:
                tx.exec_driver_sql("SET LOCAL lock_timeout = '3s'")
                answers.extend(receive(tx, 1, [part(1, 2), part(2, 2, "other"), order("b")], terms=TERMS))

    calling.acts["ask"] = meanwhile
    calling.change("""UPDATE call SET objects = '[{"type": "word", "word": "c1", "act": "ask"}]' WHERE sequence_code = 1""")
    calling.run_all()
    repeated, other, new = answers
    assert (repeated.created, repeated.state) == (False, State.READY)
    assert fields(other) == ["/options/sequence_code"]
    assert new.created
    calling.run_all()
    assert calling.words() == ["c1", "c2", "b"]
