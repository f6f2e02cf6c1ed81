"""What time alone changes: calls whose time has come, conversations that lack parts, calls that are old."""

from datetime import UTC, datetime, timedelta

import pytest

from mailq.core.call import State
from mailq.engine.calls.running import PRUNE_EVERY_S
from mailq.store import call_turns, conversations
from tests.support.calling import ANSWER, TERMS, Terms, order, part, refused

LATER = datetime(2150, 1, 1, tzinfo=UTC)


def test_a_scheduled_call_runs_when_its_time_has_come_and_not_before(calling):
    calling.receive(order("b", scheduled_time=LATER), order("a", scheduled_time=LATER))
    with calling.database.begin() as tx:
        assert call_turns.start_scheduled(tx, limit=9, now=LATER - timedelta(seconds=1)) == 0
        assert call_turns.start_scheduled(tx, limit=9, now=LATER) == 2
    calling.run_all()
    assert calling.words() == ["b", "a"]


def test_the_earlier_times_come_first_when_there_are_many(calling):
    calling.receive(*(order(str(number), scheduled_time=LATER - timedelta(hours=number)) for number in range(5)))
    with calling.database.begin() as tx:
        assert call_turns.start_scheduled(tx, limit=2, now=LATER) == 2
    assert calling.states() == ["scheduled"] * 3 + ["ready"] * 2


def test_a_conversation_whose_next_part_does_not_come_goes_into_error(calling):
    calling.receive(part(1, 3, responses=(ANSWER,)), part(1, 2, of="d"))
    calling.change(
        "UPDATE conversation SET last_part_at = last_part_at - CAST(:gap AS interval) WHERE key = 'c'", gap=TERMS.part_gap
    )
    runner = calling.runner()
    runner.sweep()
    runner.sweep()
    found = calling.conversation()
    assert (found.state, found.error) == ("error", "no part has come for more than 5 minutes; missing of 3: 2, 3")
    assert calling.states() == ["not_run", "waiting"]
    assert [(each.request_id, each.state) for each in calling.answers.calls] == [
        (calling.rows("SELECT public_id FROM call ORDER BY id")[0].public_id, State.NOT_RUN)
    ]
    assert [each.conversation_id for each in calling.answers.conversations] == ["c"]


def test_a_conversation_that_is_complete_may_take_its_time(calling):
    calling.receive(part(1, 2), part(2, 2, scheduled_time=LATER))
    calling.run_all()
    calling.change("UPDATE conversation SET last_part_at = last_part_at - interval '1 day'")
    calling.runner().sweep()
    assert calling.conversation().state == "running"


def test_of_many_missing_parts_the_first_are_named(calling):
    calling.receive(part(500, 1000))
    calling.change("UPDATE conversation SET last_part_at = last_part_at - interval '1 day'")
    calling.runner().sweep()
    assert calling.conversation().error.endswith("missing of 1,000: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, …")


def test_a_part_that_arrives_while_the_sweep_ends_its_conversation_is_refused(calling):
    calling.receive(part(1, 2))
    calling.change("UPDATE conversation SET last_part_at = last_part_at - interval '1 day'")
    with calling.database.begin() as tx:
        held = conversations.hold_late(tx, gap=TERMS.part_gap, limit=9)
        with calling.database.begin() as other:
            assert conversations.hold_late(other, gap=TERMS.part_gap, limit=9) == []
    assert [each.key for each in held] == ["c"]


@pytest.mark.parametrize("age", [timedelta(days=89), timedelta(days=91)])
def test_calls_are_kept_so_long_after_their_end_and_conversations_for_ever(calling, age):
    calling.receive(
        order("a"), part(1, 2), part(2, 2), part(1, 2, refused(), of="d"), part(2, 2, of="d"), order("b", scheduled_time=LATER)
    )
    calling.run_all()
    calling.change("UPDATE call SET ended_at = ended_at - CAST(:age AS interval) WHERE ended_at IS NOT NULL", age=age)
    calling.change("UPDATE conversation SET ended_at = ended_at - CAST(:age AS interval)", age=age)
    calling.runner().sweep()
    old = age > TERMS.keep
    assert len(calling.states()) == (1 if old else 6)
    assert len(calling.results()) == (0 if old else 4)
    assert {calling.conversation(key).state for key in "cd"} == {"finished", "error"}


def test_the_parts_of_a_conversation_that_has_not_ended_are_kept(calling):
    calling.receive(part(1, 2), part(2, 2, scheduled_time=LATER))
    calling.run_all()
    calling.change("UPDATE call SET ended_at = ended_at - interval '1 year' WHERE ended_at IS NOT NULL")
    calling.runner().sweep()
    assert calling.states() == ["finished", "scheduled"]


def test_old_calls_are_looked_for_once_in_a_while(calling):
    now = [1000.0]
    runner = calling.runner(terms=Terms(keep=timedelta(0)), monotonic=lambda: now[0])
    runner.sweep()
    calling.receive(order("a"))
    calling.run_all(runner)
    runner.sweep()
    assert calling.states() == ["finished"]
    now[0] += PRUNE_EVERY_S
    runner.sweep()
    assert calling.states() == []


def test_the_calls_of_all_organizations_are_pruned_some_at_a_time(calling, them):
    calling.receive(*(order(str(number)) for number in range(3)))
    calling.receive(*(order(str(number)) for number in range(3)), organization_id=them)
    calling.run_all()
    with calling.database.begin() as tx:
        assert [call_turns.prune(tx, keep=timedelta(0), limit=4) for _ in range(3)] == [4, 2, 0]
