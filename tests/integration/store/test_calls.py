"""Calls, conversations and results are listed and extracted page by page."""

from datetime import UTC, datetime, timedelta

import pytest

from mailq.core.call import State
from mailq.core.conversation import State as ConversationState
from mailq.store import call_results, calls, conversations
from mailq.store.call_results import After
from tests.support.calling import Calling, order, part, refused, say

LATER = datetime(2150, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


@pytest.fixture
def calling(database):
    return Calling(database)


def test_calls_are_listed_the_newest_first_page_by_page(calling):
    received = [each.request_id for each in calling.receive(*(order(str(number)) for number in range(5)))]
    with calling.database.begin() as tx:
        first = calls.listed(tx, 1, limit=2)
        second = calls.listed(tx, 1, limit=9, before=first[-1].id)
    assert [each.request_id for each in first + second] == received[::-1]


def test_calls_are_listed_by_state_and_conversation(calling):
    calling.receive(order("a"), order(refused()), order("b", scheduled_time=LATER), part(1, 2), part(1, 2, of="d"))
    calling.run_all()
    with calling.database.begin() as tx:
        assert [each.state for each in calls.listed(tx, 1, limit=9, states=[State.ERROR, State.SCHEDULED])] == [
            "scheduled",
            "error",
        ]
        of_it = calls.listed(tx, 1, limit=9, conversation=conversations.find(tx, 1, "c").id)
    assert [(each.conversation_id, each.sequence_code, each.calls_in_conversation) for each in of_it] == [("c", 1, 2)]


def test_conversations_are_listed_the_newest_first_page_by_page(calling, them):
    calling.receive(*(part(1, 2, of=key) for key in "abc"))
    calling.receive(part(1, 1, of="d"))
    calling.receive(part(1, 1, of="e"), organization_id=them)
    with calling.database.begin() as tx:
        first = conversations.listed(tx, 1, limit=2)
        second = conversations.listed(tx, 1, limit=9, before=first[-1].id)
        running = conversations.listed(tx, 1, limit=9, states=[ConversationState.RUNNING])
        assert conversations.find(tx, them, "a") is None
    assert [each.conversation_id for each in first + second] == ["d", "c", "b", "a"]
    assert [each.conversation_id for each in running] == ["d"]


def test_the_results_of_a_conversation_are_in_sequence_page_by_page(calling):
    calling.receive(part(2, 3, "d", refused("e"), "f"), part(1, 3, "a", "b", "c"), part(3, 3))
    calling.run_all()
    with calling.database.begin() as tx:
        row = conversations.find(tx, 1, "c").id
        first = call_results.of_conversation(tx, row, limit=4)
        last = first[-1]
        second = call_results.of_conversation(tx, row, limit=9, after=(last.sequence_code, last.result.ordinal))
    found = [(each.sequence_code, each.result.ordinal, each.result.status) for each in first + second]
    assert found == [(1, 1, "ok"), (1, 2, "ok"), (1, 3, "ok"), (2, 1, "ok"), (2, 2, "error"), (2, 3, "ok")]
    assert {each.conversation_id for each in first + second} == {"c"}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_results_are_extracted_once_each_in_the_order_of_the_ends_of_their_calls(calling, them, limit):
    calling.receive(order("a", say("b", correlation_id="x"), "c"), order("d"), part(1, 1))
    calling.receive(order("theirs"), organization_id=them)
    calling.run_all()
    # All at the same moment: the page still knows where it was.
    calling.change("UPDATE call SET ended_at = '2026-01-01T00:00:00Z'")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    found, after = [], None
    with calling.database.begin() as tx:
        while page := call_results.extract(tx, 1, since=at, until=at + timedelta(seconds=1), limit=limit, after=after):
            found += page
            after = After(page[-1].ended_at, page[-1].call_id, page[-1].result.ordinal)
    assert [each.result.message for each in found] == [f"said `{word}`" for word in ("a", "b", "c", "d", "c1")]
    assert [each.conversation_id for each in found] == [None] * 4 + ["c"]
    assert found[1].result.correlation_id == "x"


def test_an_extract_is_of_the_calls_that_ended_in_its_time(calling):
    calling.receive(*(order(str(number)) for number in range(3)))
    calling.run_all()
    calling.change("UPDATE call SET ended_at = CAST(:at AS timestamptz) + id * interval '1 hour'", at=LONG_AGO)
    first = calling.rows("SELECT min(ended_at) AS at FROM call")[0].at
    with calling.database.begin() as tx:
        found = call_results.extract(tx, 1, since=first, until=first + timedelta(hours=2), limit=9)
    assert [each.result.message for each in found] == ["said `0`", "said `1`"]
