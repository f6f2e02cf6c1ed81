"""Calls run once, by priority and in the order of receipt, with their results or not at all, whatever happens to those beside them."""

import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from mailq.core.call import Method, Priority
from mailq.core.call_result import CallResult, Status
from mailq.engine.calls.kind import Done, Kind
from mailq.engine.calls.running import ASIDE_S, CALLS_AT_ONCE, Runner
from mailq.errors import BadInput, Conflict, NotFound, Unavailable
from mailq.store import call_results
from mailq.store.database import Database
from tests.support.calling import ANSWER, order, part, refused, say
from tests.support.faulty import FaultyDatabase

FAULT = "a fault of mailq; its log has more"


def act(name, word=None, **more):
    return say(word or name, act=name, **more)


def raising(error):
    def act(_):
        raise error

    return act


def asking(statement):
    return lambda tx: tx.execute(text(statement))


def test_calls_run_in_the_order_of_receipt(calling):
    for number in range(7):
        calling.receive(order(f"a{number}"), order(f"b{number}"))
    calling.run_all()
    assert calling.words() == [f"{letter}{number}" for number in range(7) for letter in "ab"]


def test_calls_run_by_priority_and_among_equals_in_the_order_of_receipt(calling):
    priorities = [Priority.LOW, Priority.NORMAL, Priority.HIGH] * 2
    calling.receive(*(order(f"{priority}{number}", priority=priority) for number, priority in enumerate(priorities)))
    calling.run_all()
    assert calling.words() == ["high2", "high5", "normal1", "normal4", "low0", "low3"]


def test_what_is_urgent_is_run_before_however_many_that_were_received_earlier(calling):
    calling.receive(*(order(str(number)) for number in range(CALLS_AT_ONCE + 1)))
    calling.receive(order("urgent", priority=Priority.HIGH))
    calling.run_all()
    assert calling.words()[0] == "urgent"


def test_more_calls_than_one_transaction_runs_are_run_in_their_order(calling):
    num = CALLS_AT_ONCE * 2 + 3
    calling.receive(*(order(str(number)) for number in range(num)))
    runner = calling.runner()
    assert runner.run_due()
    assert len(calling.words()) == CALLS_AT_ONCE
    calling.run_all(runner)
    assert calling.words() == [str(number) for number in range(num)]
    assert not runner.run_due()


def test_a_transaction_is_committed_when_it_has_taken_long(calling):
    calling.receive(*(order(str(number)) for number in range(5)))
    ticks = iter(range(100))
    assert calling.runner(monotonic=lambda: next(ticks) / 2).run_due()
    assert 0 < len(calling.words()) < 5
    calling.run_all()
    assert calling.words() == [str(number) for number in range(5)]


def test_the_results_tell_what_was_done_to_each_object(calling):
    [received] = calling.receive(
        order(say("one", customer_key="k1", correlation_id="c1"), refused("two", correlation_id="c2"), "three")
    )
    calling.run_all()
    with calling.database.begin() as tx:
        found = call_results.of_call(tx, calling.rows("SELECT id FROM call")[0].id)
    assert found == [
        CallResult(1, Status.OK, "word", "said `one`", "k1", "c1", "wrd_one", None, {"length": 3}),
        CallResult(2, Status.ERROR, "word", "`two` is not said here", None, "c2", None, "/objects/1/word", {}),
        CallResult(3, Status.OK, "word", "said `three`", None, None, "wrd_three", None, {"length": 5}),
    ]
    [row] = calling.rows("SELECT * FROM call")
    assert (row.public_id, row.state) == (received.request_id, "error")
    assert row.error == "object 2: `two` is not said here (1 of 3 objects are in error)"


def test_objects_that_went_well_stay_although_another_one_was_refused(calling):
    calling.receive(order("a", refused("b"), "c"), order("d"))
    calling.run_all()
    assert calling.words() == ["a", "c", "d"]
    assert calling.states() == ["error", "finished"]


@pytest.mark.parametrize(
    ("error", "pointer"),
    [
        (BadInput("no", field="/address"), "/objects/0/address"),
        (BadInput("no", field="subject"), "/objects/0"),
        (Conflict("no", field="/customer_key"), "/objects/0/customer_key"),
        (NotFound("no"), "/objects/0"),
    ],
)
def test_a_refusal_points_at_what_is_at_fault(calling, error, pointer):
    calling.acts["refuse"] = raising(error)
    calling.receive(order(act("refuse")))
    calling.run_all()
    assert calling.rows("SELECT message, field FROM call_result") == [("no", pointer)]


@pytest.mark.parametrize("fault", [raising(RuntimeError("secret")), asking("SELECT 1 / 0"), asking("SELECT FROM nowhere")])
def test_a_fault_of_ours_is_the_result_of_its_object_alone_and_its_traceback_is_logged(calling, fault):
    calling.acts["fault"] = fault
    calling.receive(order("a", act("fault"), "b"), order("c"))
    with capture_logs() as logs:
        calling.run_all()
    assert calling.words() == ["a", "b", "c"]
    assert calling.results()[1] == ("error", FAULT)
    assert [(each["event"], each["ordinal"]) for each in logs if "exc_info" in each] == [("call.fault", 2)]


def test_an_object_of_a_kind_that_this_release_does_not_know_is_an_error(calling):
    calling.receive(order({"type": "burst"}), order("a"))
    calling.run_all()
    assert calling.results() == [("error", "this version knows no create of a burst"), ("ok", "said `a`")]


def test_a_result_may_tell_of_what_no_text_can_hold(calling):
    calling.acts["nul"] = raising(BadInput("a\0b"))
    calling.receive(order(act("nul")))
    calling.run_all()
    assert calling.results() == [("error", "a\N{REPLACEMENT CHARACTER}b")]


def test_large_calls_are_run_as_they_were_said(calling):
    words = [f"{number:0>2000}" for number in range(500)]
    calling.receive(order(*words), part(1, 2, *words), part(2, 2, *words))
    calling.run_all()
    assert calling.words() == words * 3


def test_every_method_is_done(calling):
    deeds = {method: lambda _, __, given, method=method: Done(f"{method} {given['word']}") for method in Method}
    calling.receive(*(replace(order("a"), method=method) for method in Method))
    calling.run_all(calling.runner(kinds={"word": Kind("word", "a word", deeds, {})}))
    assert calling.results() == [("ok", f"{method} a") for method in Method]


def test_answers_are_made_for_the_calls_that_want_any(calling):
    [_, received] = calling.receive(order("a"), order("b", refused("c"), responses=(ANSWER,)))
    calling.run_all()
    [told] = calling.answers.calls
    assert (told.organization_id, told.request_id, told.state, told.method) == (1, received.request_id, "error", Method.CREATE)
    assert (told.objects, told.responses, told.conversation_id) == ([say("b"), refused("c")], [ANSWER], None)
    assert [each.status for each in told.results] == [Status.OK, Status.ERROR]
    assert calling.rows("SELECT id, ended_at FROM call WHERE ended_at = :at", at=told.ended_at)[0].id == told.call_id


def test_a_fault_in_making_answers_keeps_no_call_from_running(calling, monkeypatch):
    def fail(tx, _):
        tx.execute(text("INSERT INTO word (word) VALUES ('half an answer')"))
        raise RuntimeError

    monkeypatch.setattr(calling.answers, "call", fail)
    calling.receive(order("a", responses=(ANSWER,)), order("b"))
    with capture_logs() as logs:
        calling.run_all()
    assert calling.words() == ["a", "b"]
    assert [each["event"] for each in logs if "exc_info" in each] == ["call.not_answered"]


def test_nothing_has_happened_when_the_connection_breaks_before_the_commit(calling, database_url):
    calling.receive(order("a"), part(1, 2), part(2, 2))
    faulty = FaultyDatabase(database_url)
    runner = calling.runner(faulty)
    faulty.breaks = "before"
    with pytest.raises(Unavailable):
        runner.run_due()
    assert (calling.words(), calling.results(), calling.states()) == ([], [], ["ready", "ready", "waiting"])
    calling.run_all(runner)
    assert calling.words() == ["a", "c1", "c2"]
    faulty.close()


def test_nothing_is_run_again_when_only_the_answer_to_the_commit_was_lost(calling, database_url):
    calling.receive(order("a"), part(1, 2), part(2, 2))
    faulty = FaultyDatabase(database_url)
    runner = calling.runner(faulty)
    faulty.breaks = "after"
    with pytest.raises(Unavailable):
        runner.run_due()
    calling.run_all(runner)
    assert calling.words() == ["a", "c1", "c2"]
    faulty.close()


def test_a_process_that_ends_in_the_middle_leaves_its_calls_to_others(calling):
    calling.receive(order("a"), part(1, 2), part(2, 2))
    calling.acts["die"] = asking("SELECT pg_terminate_backend(pg_backend_pid())")
    calling.change("""UPDATE call SET objects = '[{"type": "word", "word": "c2", "act": "die"}]' WHERE sequence_code = 2""")
    with pytest.raises(Unavailable):
        calling.runner().run_due()
    assert (calling.words(), calling.states()) == ([], ["ready", "ready", "waiting"])
    calling.acts.clear()
    calling.run_all()
    assert calling.words() == ["a", "c1", "c2"]


def test_while_the_database_is_away_the_runner_says_so_and_goes_on_afterwards(calling, database_url):
    calling.receive(order("a"))
    faulty = FaultyDatabase(database_url)
    faulty.away = 3
    runner = calling.runner(faulty)
    for _ in range(3):
        with pytest.raises(Unavailable):
            runner.run_due()
    calling.run_all(runner)
    assert calling.words() == ["a"]
    faulty.close()


POISONS = {
    "a statement that is cancelled": asking("SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(60)"),
    "a deadlock": asking("DO $$ BEGIN RAISE 'deadlock' USING ERRCODE = '40P01'; END $$"),
    "a transaction that has failed": lambda tx: _swallow(tx, "SELECT 1 / 0"),
    "a deed that is told of a lock": raising(Unavailable("another transaction was in the way")),
    "a connection that is lost over it": asking("SELECT pg_terminate_backend(pg_backend_pid())"),
}


def _swallow(tx, statement):
    try:
        tx.execute(text(statement))
    except Exception:  # noqa: BLE001 - as a careless deed might
        tx.execute(text("SELECT 1"))


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_call_that_poisons_its_transaction_keeps_no_others_from_running(calling, poison):
    """It is tried alone, and then is in error; nothing of it is left, not even of its other objects."""
    calling.acts["poison"] = poison
    calling.receive(order("a"), order("b", act("poison")), order("c"), part(1, 2, act("poison")), part(2, 2), part(1, 1, of="d"))
    runner = calling.runner()
    for _ in range(60):
        with suppress(Unavailable):
            runner.run_due()
    assert sorted(calling.words()) == ["a", "c", "d1"]
    assert calling.states() == ["finished", "error", "finished", "error", "not_run", "finished"]
    said, fault = "said `{}`".format, ("error", FAULT)
    assert calling.results() == [("ok", said("a")), fault, fault, ("ok", said("c")), fault, ("ok", said("d1"))]
    calling.receive(order("e"))
    calling.run_all(runner)
    assert calling.words()[-1] == "e"


def test_of_a_conversation_the_part_that_poisons_is_found(calling):
    calling.acts["poison"] = POISONS["a deadlock"]
    calling.receive(part(1, 3), part(2, 3, act("poison")), part(3, 3))
    calling.run_all()
    assert calling.states() == ["finished", "error", "not_run"]
    assert calling.conversation().error == f"part 2 is in error: object 1: {FAULT}"


def test_where_not_even_a_fault_can_be_written_others_run_and_the_runner_says_so(calling):
    calling.receive(order("a"), order("b"), order("c"))
    calling.change("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON call FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION refuse()""")
    runner = calling.runner()
    raised = 0
    for _ in range(20):
        try:
            runner.run_due()
        except Unavailable:
            raised += 1
    assert raised
    assert calling.words() == ["a", "c"]
    calling.change("DROP TRIGGER refuse ON call")
    with suppress(Unavailable):
        calling.run_all(runner)
    calling.run_all(runner)
    assert sorted(calling.words()) == ["a", "b", "c"]


def test_a_call_that_was_in_the_way_once_runs_when_it_is_not_any_more(calling):
    tries = iter([True, True])

    def first(tx):
        if next(tries, False):
            tx.execute(text("DO $$ BEGIN RAISE 'deadlock' USING ERRCODE = '40P01'; END $$"))

    calling.acts["first"] = first
    calling.receive(order("a"), order(act("first")), order("b"))
    calling.run_all()
    assert calling.words() == ["a", "first", "b"]
    assert calling.states() == ["finished"] * 3


def test_a_call_that_needs_what_another_transaction_holds_keeps_no_others_waiting_and_runs_when_it_can(calling):
    """Not only once more: an app may hold a key for as long as it likes, and that is no fault of the call."""
    calling.acts["lock"] = asking("INSERT INTO taken VALUES (1)")
    calling.change("CREATE TABLE taken (id integer PRIMARY KEY)")
    seconds = [0.0]
    runner = calling.runner(monotonic=lambda: seconds[0])
    with calling.database.begin() as app:
        app.execute(text("INSERT INTO taken VALUES (1)"))
        calling.receive(order("a"), part(1, 3), part(2, 3, act("lock")), part(3, 3), order("b", act("lock")), order("d"))
        for _ in range(5):
            calling.run_all(runner)
            seconds[0] += ASIDE_S
        assert sorted(calling.words()) == ["a", "c1", "d"]
        assert sorted(calling.states()) == ["finished"] * 3 + ["ready"] * 2 + ["waiting"]
        app.execute(text("DELETE FROM taken"))
    calling.acts["lock"] = asking("SELECT 1 FROM taken")
    for _ in range(2):
        seconds[0] += ASIDE_S
        calling.run_all(runner)
    assert calling.states() == ["finished"] * 6
    assert sorted(calling.words()) == ["a", "b", "c1", "c3", "d", "lock", "lock"]


def test_where_no_call_can_be_taken_the_runner_does_not_say_that_there_are_more(calling, database):
    """Whoever asks him again and again would never rest."""
    calling.receive(order("a"))
    with database.begin() as tx:
        tx.execute(text("ALTER TABLE call RENAME COLUMN priority TO rank"))
    with pytest.raises(Exception, match="does not exist"):
        calling.runner().run_due()
    with database.begin() as tx:
        tx.execute(text("ALTER TABLE call RENAME COLUMN rank TO priority"))
    calling.run_all()
    assert calling.words() == ["a"]


def test_two_runners_at_once_run_each_call_once_and_conversations_in_sequence(calling, database_url):
    length = 40
    for key in "abcd":
        calling.receive(*(part(code, length, of=key) for code in range(1, length + 1)))
    calling.receive(*(order(f"x{number}") for number in range(150)))
    other = Database(database_url)
    start = threading.Barrier(2)

    def run(runner: Runner):
        start.wait(10)
        calling.run_all(runner)

    threads = [threading.Thread(target=run, args=[calling.runner(each)]) for each in (calling.database, other)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    # Whoever found the other's rows locked has gone home.
    calling.run_all()
    other.close()
    words = calling.words()
    assert len(words) == len(set(words)) == 4 * length + 150
    for key in "abcd":
        assert [word for word in words if word[0] == key] == [f"{key}{code}" for code in range(1, length + 1)]


def test_what_another_runner_has_taken_is_left_to_him(calling, database_url):
    calling.receive(part(1, 2, act("meanwhile")), part(2, 2))
    calling.receive(order("a"))
    other = Database(database_url)
    seen = []
    calling.acts["meanwhile"] = lambda _: seen.append((calling.runner(other).run_due(), calling.words()))
    calling.run_all()
    assert seen == [(False, [])]
    assert calling.words() == ["meanwhile", "c2", "a"]
    other.close()


def test_a_part_whose_conversation_somebody_has_locked_is_left_for_later(calling):
    calling.receive(part(1, 1))
    calling.receive(order("a"))
    with calling.database.begin() as tx:
        tx.execute(text("SELECT FROM conversation FOR UPDATE"))
        calling.run_all()
        assert calling.words() == ["a"]
    calling.run_all()
    assert calling.words() == ["a", "c1"]


@pytest.mark.parametrize("column", ["maintenance_since", "behind_since"])
def test_nothing_runs_in_maintenance_or_while_the_database_has_forgotten(calling, column):
    calling.receive(order("a"), part(1, 2))
    calling.change(f"UPDATE installation SET {column} = now()")
    runner = calling.runner()
    assert calling.receive(part(2, 2))[0].created
    assert calling.receive(order("b"))[0].created
    assert not runner.run_due()
    assert not runner.sweep()
    assert calling.words() == []
    calling.change(f"UPDATE installation SET {column} = NULL")
    calling.run_all(runner)
    assert calling.words() == ["a", "c1", "c2", "b"]


def test_the_calls_of_each_organization_are_run_with_its_means(calling, them):
    calling.receive(order("a"))
    calling.receive(order("b"), organization_id=them)
    calling.run_all()
    assert calling.rows("SELECT organization_id, word FROM word ORDER BY id") == [(1, "a"), (them, "b")]


def test_the_parts_of_a_conversation_have_ended_in_sequence_though_one_transaction_ran_them(calling):
    calling.receive(*[part(code, 30) for code in range(30, 0, -1)])
    # Now PostgreSQL goes through the table, in which they lie the other way round.
    calling.change("ANALYZE call")

    calling.run_all()

    ends = calling.rows("SELECT sequence_code, ended_at FROM call ORDER BY ended_at")
    assert [row.sequence_code for row in ends] == [*range(1, 31)]
    assert len({row.ended_at for row in ends}) == 30
