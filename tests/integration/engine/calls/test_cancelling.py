"""A call is taken back while it has not run; a part of a conversation is not."""

from datetime import UTC, datetime

import pytest

from mailq.core.call import State
from mailq.engine.calls.cancelling import cancel
from mailq.errors import Conflict, NotFound
from tests.support.calling import ANSWER, order, part, refused, say

LATER = datetime(2150, 1, 1, tzinfo=UTC)


def take_back(calling, request_id, *, organization_id=1):
    with calling.database.begin() as tx:
        return cancel(tx, organization_id, request_id, respond=calling.answers)


@pytest.mark.parametrize("at", [None, LATER], ids=["ready", "scheduled"])
def test_a_call_that_was_taken_back_never_runs_and_is_answered(calling, at):
    [received] = calling.receive(order("a", scheduled_time=at, responses=(ANSWER,)))
    found = take_back(calling, received.request_id)
    assert (found.state, found.error) == (State.CANCELLED, "taken back before it ran")
    assert take_back(calling, received.request_id) == found
    calling.run_all()
    assert calling.words() == []
    [told] = calling.answers.calls
    assert (told.request_id, told.state, told.ended_at, told.num_objects) == (
        found.request_id,
        found.state,
        found.ended_at,
        1,
    )


def test_what_wants_no_answer_gets_none(calling):
    [received] = calling.receive(order("a"))
    take_back(calling, received.request_id)
    assert calling.answers.calls == []


@pytest.mark.parametrize(("words", "ended"), [("a", "finished"), (refused(), "in error")])
def test_a_call_that_has_run_is_not_taken_back(calling, words, ended):
    [received] = calling.receive(order(words))
    calling.run_all()
    with pytest.raises(Conflict, match=f"has run already; it is {ended}"):
        take_back(calling, received.request_id)


def test_a_part_of_a_conversation_is_not_taken_back(calling):
    [received] = calling.receive(part(1, 2))
    with pytest.raises(Conflict, match="conversation `c`"):
        take_back(calling, received.request_id)


def test_a_call_that_is_just_being_run_is_not_taken_back_and_nobody_waits(calling):
    told = []

    def meanwhile(_):
        with pytest.raises(Conflict) as caught:
            take_back(calling, received.request_id)
        told.append(str(caught.value))

    calling.acts["meanwhile"] = meanwhile
    [received] = calling.receive(order(say("a", act="meanwhile")))
    calling.run_all()
    assert told == [f"call {received.request_id} is just being run"]
    assert calling.words() == ["a"]


def test_a_call_of_others_is_not_there(calling, them):
    [received] = calling.receive(order("a"))
    for organization_id, request_id in ((them, received.request_id), (1, "req_0")):
        with pytest.raises(NotFound):
            take_back(calling, request_id, organization_id=organization_id)
