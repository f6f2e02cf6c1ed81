"""The parts of a conversation run strictly in sequence; one in error ends it, and what is left never runs."""

from datetime import UTC, datetime, timedelta

from mailq.core.call import Priority, State
from mailq.core.conversation import State as ConversationState
from mailq.engine.calls.running import CALLS_AT_ONCE
from tests.support.calling import ANSWER, order, part, refused

LATER = datetime(2150, 1, 1, tzinfo=UTC)


def come(calling, code):
    """The time of a part has come."""
    said = {"code": code, "at": datetime.now(UTC) - timedelta(seconds=1)}
    assert calling.change("UPDATE call SET scheduled_at = :at WHERE sequence_code = :code", **said)


def test_a_part_in_error_puts_the_conversation_into_error_and_later_parts_do_not_run(calling):
    calling.receive(part(1, 4), part(2, 4, "a", refused("b"), "c"), part(3, 4), part(4, 4))
    calling.run_all()
    assert calling.words() == ["c1", "a", "c"]
    assert calling.states() == ["finished", "error", "not_run", "not_run"]
    found = calling.conversation()
    assert (found.state, found.num_run) == ("error", 2)
    assert found.error == "part 2 is in error: object 2: `b` is not said here (1 of 3 objects are in error)"
    errors = [row.error for row in calling.rows("SELECT error FROM call ORDER BY id")]
    assert errors[2:] == ["part 2 of its conversation was in error"] * 2


def test_what_did_not_run_runs_in_a_conversation_of_its_own(calling):
    calling.receive(part(1, 3), part(2, 3, refused()), part(3, 3))
    calling.run_all()
    calling.receive(part(1, 2, "right", of="again"), part(2, 2, "c3", of="again"))
    calling.run_all()
    assert calling.words() == ["c1", "right", "c3"]


def test_a_conversation_in_error_leaves_others_alone(calling):
    calling.receive(part(1, 2, refused()), part(2, 2), part(1, 2, of="d"), part(2, 2, of="d"), order("a"))
    calling.run_all()
    assert sorted(calling.words()) == ["a", "d1", "d2"]
    assert calling.conversation("d").state == "finished"


def test_answers_are_made_for_each_part_that_wants_one_and_for_the_conversation(calling):
    calling.receive(part(1, 3, responses=(ANSWER,)), part(2, 3, refused(), responses=(ANSWER,)), part(3, 3, responses=(ANSWER,)))
    calling.receive(part(1, 1, of="d"))
    calling.run_all()
    told = [(each.conversation_id, each.sequence_code, each.state) for each in calling.answers.calls]
    assert told == [("c", 1, State.FINISHED), ("c", 2, State.ERROR), ("c", 3, State.NOT_RUN)]
    never = calling.answers.calls[-1]
    assert (never.num_objects, never.results, never.error) == (1, (), "part 2 of its conversation was in error")
    error, finished = calling.answers.conversations
    assert (error.conversation_id, error.state, error.num_run, error.sequence_code) == ("c", ConversationState.ERROR, 2, 2)
    assert (finished.conversation_id, finished.state, finished.error) == ("d", ConversationState.FINISHED, None)
    assert error.ended_at == calling.conversation("c").ended_at
    assert error.row == calling.conversation("c").id


def test_the_results_are_there_when_the_answers_are_made(calling, monkeypatch):
    """An answer about the conversation asks the database for them."""
    seen = []
    count = "SELECT count(*) FROM call_result JOIN call ON id = call_id WHERE state = 'finished'"
    monkeypatch.setattr(calling.answers, "conversation", lambda tx, _: seen.extend(tx.exec_driver_sql(count)))
    calling.receive(part(1, 2), part(2, 2))
    calling.run_all()
    assert [tuple(row) for row in seen] == [(2,)]


def test_a_conversation_goes_on_from_transaction_to_transaction(calling):
    length = CALLS_AT_ONCE * 2 + 5
    for at in range(0, length, 50):
        calling.receive(*(part(code, length) for code in range(at + 1, min(at + 50, length) + 1)))
    runner = calling.runner()
    assert runner.run_due()
    assert calling.conversation().num_run == CALLS_AT_ONCE
    assert [state for state in calling.states() if state == "ready"] == ["ready"]
    calling.run_all(runner)
    assert calling.words() == [f"c{code}" for code in range(1, length + 1)]
    assert calling.conversation().state == "finished"


def test_the_parts_of_a_conversation_are_run_with_their_own_priorities_beside_other_calls(calling):
    calling.receive(part(1, 2, priority=Priority.HIGH), part(2, 2, priority=Priority.LOW))
    calling.receive(order("a"), order("b", priority=Priority.LOW))
    calling.run_all()
    assert calling.words() == ["c1", "a", "c2", "b"]


def test_a_part_that_is_scheduled_holds_up_those_behind_it_until_its_time(calling):
    calling.receive(part(1, 3), part(2, 3, scheduled_time=LATER), part(3, 3))
    runner = calling.runner()
    calling.run_all(runner)
    assert (calling.words(), calling.states()) == (["c1"], ["finished", "scheduled", "waiting"])
    runner.sweep()
    calling.run_all(runner)
    assert calling.words() == ["c1"]
    come(calling, 2)
    assert runner.sweep()
    calling.run_all(runner)
    assert calling.words() == ["c1", "c2", "c3"]


def test_a_first_part_that_is_scheduled_waits_for_its_time_when_all_parts_are_there(calling):
    _, first = calling.receive(part(2, 2), part(1, 2, scheduled_time=LATER))
    assert first.state is State.SCHEDULED
    calling.run_all()
    assert calling.words() == []
    come(calling, 1)
    runner = calling.runner()
    runner.sweep()
    calling.run_all(runner)
    assert calling.words() == ["c1", "c2"]


def test_a_part_whose_time_came_while_it_waited_runs_in_its_turn(calling):
    calling.receive(part(1, 2), part(2, 2, scheduled_time=LATER))
    come(calling, 2)
    calling.run_all()
    assert calling.words() == ["c1", "c2"]
