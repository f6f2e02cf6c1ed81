"""Parts of a conversation are taken in any order, each once, and judged by what is there when they arrive."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailq.core.call import State
from mailq.core.conversation import missing
from mailq.engine.calls.receiving import Received, receive
from mailq.errors import Conflict
from mailq.store import calls, conversations
from tests.support.calling import TERMS, Answers, Terms, order, part, refused

GAP = timedelta(minutes=5)


def grow_late(calling, *, by=GAP + timedelta(seconds=1)):
    assert calling.change("UPDATE conversation SET last_part_at = last_part_at - CAST(:by AS interval)", by=by)


def field(refusal):
    assert isinstance(refusal, Conflict)
    return refusal.field


def test_a_conversation_without_numbers_has_one_part_and_runs_at_once(calling):
    [received] = calling.receive(order("a", conversation_id="c"))
    assert received == Received(received.request_id, True, State.READY, "c", 1)
    assert calling.conversation().state == "running"


@pytest.mark.parametrize("arriving", list(permutations([1, 2, 3])))
def test_parts_arrive_in_any_order_and_run_in_sequence_when_all_are_there(calling, arriving):
    *before, last = [part(code, 3) for code in arriving]
    assert [calling.receive(each)[0].state for each in before] == [State.WAITING] * 2
    calling.run_all()
    assert calling.words() == []
    calling.receive(last)
    assert calling.states().count("ready") == 1
    calling.run_all()
    assert calling.words() == ["c1", "c2", "c3"]
    assert (calling.conversation().state, calling.conversation().num_run) == ("finished", 3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_number_of_conversations_in_any_order_and_grouping_with_any_repeats_run_once_in_sequence(calling, data):
    calling.change("DELETE FROM word")
    calling.change("DELETE FROM call")
    calling.change("DELETE FROM conversation")
    lengths = data.draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 6), min_size=1))
    every = [part(code, length, of=key) for key, length in lengths.items() for code in range(1, length + 1)]
    said = data.draw(st.permutations(every + data.draw(st.lists(st.sampled_from(every), max_size=6))))
    received = []
    while said:
        cut = data.draw(st.integers(1, len(said)))
        received += zip(said[:cut], calling.receive(*said[:cut]), strict=True)
        said = said[cut:]
        if data.draw(st.booleans()):
            calling.run_all()
    calling.run_all()
    ids = {}
    for each, answer in received:
        assert answer.request_id == ids.setdefault(each.digest(), answer.request_id)
    assert sum(answer.created for _, answer in received) == len(every)
    for key, length in lengths.items():
        assert [word for word in calling.words() if word[0] == key] == [f"{key}{code}" for code in range(1, length + 1)]


def test_what_is_missing_is_told(calling):
    calling.receive(part(2, 5), part(4, 5))
    with calling.database.begin() as tx:
        found = conversations.find(tx, 1, "c")
        assert missing(conversations.codes(tx, found.id), found.calls_in_conversation) == [1, 3, 5]
        assert [each.sequence_code for each in calls.parts(tx, found.id, limit=9)] == [2, 4]
        assert [each.sequence_code for each in calls.parts(tx, found.id, limit=9, after=2)] == [4]
    assert (found.conversation_id, found.state, found.num_received, found.num_run) == ("c", "receiving", 2, 0)


def test_a_repeated_part_is_the_one_that_was_taken_before_the_end_and_after(calling):
    [first] = calling.receive(part(1, 2))
    [again] = calling.receive(part(1, 2))
    assert again == Received(first.request_id, False, State.WAITING, "c", 1)
    calling.receive(part(2, 2))
    calling.run_all()
    [after] = calling.receive(part(1, 2))
    assert after == Received(first.request_id, False, State.FINISHED, "c", 1)
    calling.run_all()
    assert calling.words() == ["c1", "c2"]


def test_a_part_that_is_repeated_in_one_group_is_taken_once(calling):
    first, again, other = calling.receive(part(1, 1), part(1, 1), part(1, 1, "else"))
    assert (first.created, again.created, again.request_id) == (True, False, first.request_id)
    assert field(other) == "/options/sequence_code"
    assert calling.states() == ["ready"]


def test_a_repeated_part_of_a_conversation_in_error_is_recognised(calling):
    first, second = calling.receive(part(1, 2, refused()), part(2, 2))
    calling.run_all()
    again, last = calling.receive(part(1, 2, refused()), part(2, 2))
    assert (again.request_id, again.created, again.state) == (first.request_id, False, State.ERROR)
    assert (last.request_id, last.created, last.state) == (second.request_id, False, State.NOT_RUN)


@pytest.mark.parametrize("before", [0, 1], ids=["while parts are missing", "when it has run"])
def test_a_place_that_is_taken_by_other_words_is_a_conflict(calling, before):
    calling.receive(part(1, 2), *[part(2, 2)][:before])
    calling.run_all()
    [other] = calling.receive(part(1, 2, "else"))
    assert field(other) == "/options/sequence_code"


def test_another_number_of_parts_is_a_conflict(calling):
    calling.receive(part(1, 3))
    shorter, longer = calling.receive(part(2, 2), part(2, 4))
    assert (field(shorter), field(longer)) == ("/options/calls_in_conversation", "/options/calls_in_conversation")
    assert "3 parts" in str(longer)
    assert calling.conversation().num_received == 1


@pytest.mark.parametrize("words", ["a", refused()], ids=["finished", "in error"])
def test_an_id_that_was_used_is_never_to_be_had_again(calling, words, them):
    calling.receive(part(1, 1, words))
    calling.run_all()
    longer, [theirs] = calling.receive(part(1, 2, "new"))[0], calling.receive(part(1, 1, "b"), organization_id=them)
    assert field(longer) == "/options/conversation_id"
    assert theirs.created


def test_an_id_is_used_also_when_its_calls_have_been_deleted(calling):
    calling.receive(part(1, 1))
    calling.run_all()
    calling.change("DELETE FROM call")
    [again] = calling.receive(part(1, 1))
    assert field(again) == "/options/conversation_id"


def test_a_part_that_comes_too_late_is_refused_and_its_conversation_is_in_error(calling):
    answers = Answers()
    first, _ = calling.receive(part(1, 4), part(3, 4))
    grow_late(calling)
    [late] = calling.receive(part(2, 4), terms=Terms(respond=answers))
    assert field(late) == "/options/conversation_id"
    assert "5 minutes" in str(late)
    found = calling.conversation()
    assert (found.state, found.error) == ("error", "no part has come for more than 5 minutes; missing of 4: 2, 4")
    assert calling.states() == ["not_run", "not_run"]
    [told] = answers.conversations
    assert (told.conversation_id, told.num_run, told.sequence_code, told.error) == ("c", 0, None, found.error)
    [again, used] = calling.receive(part(1, 4), part(2, 4), terms=Terms(respond=answers))
    assert (again.request_id, again.created, again.state) == (first.request_id, False, State.NOT_RUN)
    assert field(used) == "/options/conversation_id"


def test_parts_that_are_not_late_count_from_the_one_before(calling):
    calling.receive(part(1, 3))
    grow_late(calling, by=GAP - timedelta(seconds=30))
    assert calling.receive(part(2, 3))[0].created
    grow_late(calling, by=GAP - timedelta(seconds=30))
    assert calling.receive(part(3, 3))[0].created
    assert calling.conversation().state == "running"


def test_the_first_parts_of_a_conversation_are_never_late(calling):
    terms = Terms(part_gap=timedelta(microseconds=1), respond=Answers())
    assert [each.created for each in calling.receive(part(2, 3), part(1, 3), terms=terms)] == [True, True]
    assert field(calling.receive(part(3, 3), terms=terms)[0]) == "/options/conversation_id"
    assert calling.conversation().state == "error"


def test_a_late_part_that_is_a_repeated_one_ends_nothing(calling):
    [first] = calling.receive(part(1, 2))
    grow_late(calling)
    [again] = calling.receive(part(1, 2), terms=Terms(respond=Answers()))
    assert again.request_id == first.request_id
    assert calling.conversation().state == "receiving"


def test_without_anybody_to_answer_a_late_conversation_is_left_to_the_leader(calling):
    calling.receive(part(1, 2))
    grow_late(calling)
    assert field(calling.receive(part(2, 2))[0]) == "/options/conversation_id"
    assert calling.conversation().state == "receiving"
    calling.runner().sweep()
    assert calling.conversation().state == "error"
    assert [each.conversation_id for each in calling.answers.conversations] == ["c"]


def test_a_first_part_whose_key_is_taken_leaves_no_conversation(calling):
    calling.receive(order("a", key="k"))
    taken, later = calling.receive(part(1, 2, key="k"), part(1, 2))
    assert field(taken) == "/key"
    assert later.created
    assert (calling.conversation().num_received, calling.states()) == (1, ["ready", "waiting"])


def test_two_processes_send_the_parts_of_the_same_conversations_at_once(calling):
    """One from the front, one from the back, all parts twice: each is taken once, and each conversation runs once."""
    length, keys = 12, ("a", "b", "c")
    said = [part(code, length, of=key) for code in range(1, length + 1) for key in keys]
    with ThreadPoolExecutor(2) as threads:
        there = threads.submit(lambda: [calling.receive(*said[at : at + 3])[0] for at in range(0, len(said), 3)])
        back = threads.submit(lambda: [calling.receive(*said[::-1][at : at + 5])[0] for at in range(0, len(said), 5)])
        assert all(isinstance(each, Received) for each in there.result() + back.result())
    assert calling.rows("SELECT count(*) AS num FROM call")[0].num == length * len(keys)
    calling.run_all()
    for key in keys:
        assert [word for word in calling.words() if word[0] == key] == [f"{key}{code}" for code in range(1, length + 1)]


def test_whoever_judges_a_part_waits_for_who_judges_another_one(calling, waits):
    calling.receive(part(1, 3))
    with ThreadPoolExecutor(1) as thread:
        with calling.database.begin() as tx:
            receive(tx, 1, [part(2, 3)], terms=TERMS)
            other = thread.submit(calling.receive, part(2, 3), part(3, 3))
            waits()
        repeated, last = other.result()
    assert (repeated.created, last.created) == (False, True)
    assert calling.conversation().state == "running"


def test_a_late_conversation_of_very_many_parts_keeps_no_producer_waiting_for_its_end(calling):
    calling.receive(*(part(code, 200) for code in range(1, 150)))
    grow_late(calling)
    assert field(calling.receive(part(150, 200), terms=Terms(respond=Answers()))[0]) == "/options/conversation_id"
    assert calling.conversation().state == "receiving"
    assert not calling.runner().sweep()
    assert calling.conversation().state == "error"


def test_two_processes_send_the_same_first_part_at_once(calling):
    with ThreadPoolExecutor(4) as threads:
        received = [each for one in threads.map(lambda _: calling.receive(part(1, 1)), range(8)) for each in one]
    assert [each.created for each in received].count(True) == 1
    assert len({each.request_id for each in received}) == 1
