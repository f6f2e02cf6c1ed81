"""A synchronous call is run in the transaction that receives it, and put down as it ended."""

import threading

import pytest

from mailq.core.call import RequestType, State
from mailq.core.call_result import Status
from mailq.engine.calls.receiving import receive
from mailq.engine.calls.running import run_now
from mailq.errors import Conflict, Unavailable
from mailq.store import call_results, calls
from tests.support.calling import TERMS, no_organization, order, refused, say

NOW = RequestType.SYNCHRONOUS


def run(calling, said, *, organization_id=1):
    with calling.database.begin() as tx:
        return run_now(tx, organization_id, said, means=no_organization(organization_id), terms=TERMS, kinds=calling.kinds)


def test_a_synchronous_call_is_answered_with_its_results_and_found_afterwards(calling):
    ended = run(calling, order("a", refused("b"), request_type=NOW))
    assert (ended.created, ended.state) == (True, State.ERROR)
    assert [each.status for each in ended.results] == [Status.OK, Status.ERROR]
    assert calling.words() == ["a"]
    with calling.database.begin() as tx:
        found = calls.find(tx, 1, ended.request_id)
        assert call_results.of_call(tx, found.id) == ended.results
    assert (found.state, found.ended_at, found.error) == (State.ERROR, ended.ended_at, ended.error)
    calling.run_all()
    assert calling.words() == ["a"]


def test_the_same_key_and_words_are_run_once_and_answered_alike(calling):
    first = run(calling, order("a", key="k", request_type=NOW))
    again = run(calling, order("a", key="k", request_type=NOW))
    assert (again.created, again.request_id, again.results) == (False, first.request_id, first.results)
    assert calling.words() == ["a"]


def test_the_same_key_for_other_words_is_a_conflict(calling):
    run(calling, order("a", key="k", request_type=NOW))
    for other in (order("b", key="k", request_type=NOW), order("a", key="k", request_type=RequestType.ASYNCHRONOUS)):
        with pytest.raises(Conflict):
            run(calling, other)
    assert calling.words() == ["a"]


def test_a_fault_of_ours_is_a_result(calling):
    def fail(_):
        raise RuntimeError

    calling.acts["fail"] = fail
    ended = run(calling, order(say("a", act="fail"), request_type=NOW))
    assert [each.message for each in ended.results] == ["a fault of mailq; its log has more"]


def test_in_maintenance_nothing_is_run_or_received(calling):
    calling.change("UPDATE installation SET maintenance_since = now()")
    with pytest.raises(Unavailable, match=r"in maintenance.*asynchronous"):
        run(calling, order("a", request_type=NOW))
    assert (calling.words(), calling.states()) == ([], [])


def test_a_database_that_has_forgotten_runs_nothing_and_speaks_of_no_maintenance(calling):
    calling.change("UPDATE installation SET behind_since = now(), behind_why = 'restored'")
    with pytest.raises(Unavailable, match=r"operator.*restored.*asynchronous"):
        run(calling, order("a", request_type=NOW))
    assert (calling.words(), calling.states()) == ([], [])


def test_nothing_has_happened_when_its_transaction_is_rolled_back(calling):
    connection = calling.database.engine.connect()
    run_now(connection, 1, order("a", request_type=NOW), means=no_organization(1), terms=TERMS, kinds=calling.kinds)
    connection.close()
    assert (calling.words(), calling.states()) == ([], [])


def test_whoever_says_the_same_key_meanwhile_waits_and_is_answered_alike(calling, waits):
    inside, answers = threading.Event(), []
    said = order(say("a", act="wait"), key="k", request_type=NOW)

    def wait(_):
        inside.set()
        waits()

    calling.acts["wait"] = wait
    first = threading.Thread(target=lambda: answers.append(run(calling, said)))
    first.start()
    inside.wait(10)
    answers.append(run(calling, said))
    first.join()
    assert sorted(each.created for each in answers) == [False, True]
    assert calling.words() == ["a"]


def test_a_call_that_is_to_be_run_later_keeps_its_key_from_one_that_runs_at_once(calling):
    with calling.database.begin() as tx:
        receive(tx, 1, [order("a", key="k")], terms=TERMS)
    with pytest.raises(Conflict):
        run(calling, order("a", key="k"))
