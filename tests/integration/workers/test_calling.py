"""The leading warden runs calls and sends their answers: at once when it hears of them, and when it looks what is due."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq import bootstrap
from mailq.clock import utc_now
from mailq.core.call import RespondWhen, ResponseType
from mailq.engine import maintenance, messages
from mailq.engine.calls.order import Response
from mailq.engine.calls.receiving import receive
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.mover import Mover
from mailq.engine.upkeep import Upkeep
from mailq.settings import Settings
from mailq.store.database import KeptConnection
from mailq.store.waking import Ear, News
from tests.support.calling import Calling, order
from tests.support.receivers import receiving
from tests.support.waiting import eventually
from tests.support.workers import QuietDoorbell
from workers import calling as strands
from workers import listening
from workers.calling import Calls, Notifications, Strand
from workers.listening import Listening

BY = {"actor": "ann@web1"}


class Leader:
    """A warden that leads or not."""

    leads = True


@pytest.fixture
def leader(monkeypatch):
    monkeypatch.setattr(strands, "RETRY_S", 0.01)
    monkeypatch.setattr(listening, "LOOK_EVERY_S", 0.01)
    return Leader()


@pytest.fixture
def calling(database):
    return Calling(database)


@pytest.fixture
def make(leader):
    """Starts strands, and ends them."""
    made = []

    def start(work, **options):
        strand = Strand("calls", work, leads=lambda: leader.leads, **options)
        made.append(strand)
        strand.start()
        return strand

    yield start
    for each in made:
        each.end(10)
        assert not each._thread.is_alive()


@pytest.fixture
def runs(calling, database, make):
    """Starts a strand that runs calls about words, as the warden wires it."""

    def start(**options):
        connection = KeptConnection(database)
        return make(lambda: Calls(calling.runner(connection), connection), **options)

    return start


@pytest.fixture
def upkeep(database):
    return Upkeep(database, Dispatcher(database, QuietDoorbell()))


class Said:
    """Work that says what becomes of each of its steps, and remembers how often it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.closed = threading.Event()

    def step(self, *, due):
        self.asked.append(due)
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def close(self):
        self.closed.set()


def test_calls_run_when_their_producers_commit_is_heard_and_the_upkeep_is_left_alone(calling, database, runs):
    """Also nobody looks into the inbox for them."""
    strand, ticks = runs(), []

    def hear(news):
        if News.CALLS in news:
            strand.wake()

    ear = Ear(database)
    heard = Listening(ear, nobody_moves, leads=lambda: True, tick=lambda: ticks.append(1), tell=hear)
    ear.hears(0)

    calling.receive(order("one"), order("two"))
    heard.look()

    eventually(lambda: calling.words() == ["one", "two"])
    assert ticks == []
    ear.close()


def test_one_word_is_enough_for_as_many_as_there_are(calling, runs):
    """Several commits in a row."""
    calling.receive(*(order(str(number)) for number in range(150)))
    runs().wake()
    eventually(lambda: calling.words() == [str(number) for number in range(150)])
    assert set(calling.states()) == {"finished"}


def test_what_is_due_by_time_is_found_by_the_look_of_the_upkeep(calling, runs, upkeep):
    strand = runs()
    calling.receive(order("later", scheduled_time=utc_now() + timedelta(hours=1)))
    assert not upkeep.tick().calls
    calling.change("UPDATE call SET scheduled_at = now()")

    if upkeep.tick().calls:
        strand.wake(due=True)

    eventually(lambda: calling.words() == ["later"])
    assert not upkeep.tick().calls


def test_what_nobody_heard_is_found_by_the_look_of_the_upkeep(calling, upkeep, database):
    """Calls, conversations that wait in vain and answers; and nothing of it in maintenance, or while the database has forgotten."""
    assert not any(upkeep.tick())
    calling.receive(order("one"))
    maintenance.on(database, **BY)
    assert not any(upkeep.tick())
    maintenance.off(database, **BY)
    calling.change("UPDATE installation SET behind_since = now()")
    assert not any(upkeep.tick())
    calling.change("UPDATE installation SET behind_since = NULL")
    assert upkeep.tick().calls


def test_a_warden_that_does_not_lead_runs_nothing(calling, leader, runs):
    leader.leads = False
    strand = runs()
    calling.receive(order("one"))
    strand.wake()
    eventually(lambda: not strand._news.is_set())
    assert calling.words() == []
    leader.leads = True
    strand.wake()
    eventually(lambda: calling.words() == ["one"])


def test_two_leaders_at_once_run_each_call_once(calling, runs):
    """Which may be for a moment."""
    calling.receive(*(order(str(number)) for number in range(300)))
    first, second = runs(), runs()
    first.wake(due=True)
    second.wake(due=True)
    eventually(lambda: set(calling.states()) == {"finished"}, within=20)
    assert set(Counter(calling.words()).values()) == {1}
    assert len(calling.words()) == 300


def test_a_restart_of_the_database_is_survived(calling, runs, database):
    strand = runs()
    calling.receive(order("before"))
    strand.wake()
    eventually(lambda: calling.words() == ["before"])
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    calling.receive(order("after"))
    with database.begin() as tx:
        tx.execute(text(others))
    strand.wake()
    eventually(lambda: "after" in calling.words())
    assert Counter(calling.words()) == {"before": 1, "after": 1}


def test_in_maintenance_no_call_runs_and_its_end_is_heard(calling, runs, database, upkeep):
    """The leader looks at once, as it does for whatever there may be: also when there were messages to be moved."""
    strand, ear = runs(), Ear(database)
    mover = Mover(database, Dispatcher(database, QuietDoorbell()))
    told = []
    heard = Listening(ear, lambda: mover, leads=lambda: True, tick=lambda: told.append(upkeep.tick()))
    heard.look()
    maintenance.on(database, **BY)
    heard.look()
    calling.receive(order("one"))
    with database.begin() as tx:
        messages.accept(tx, 1, [messages.order(to="ann@x.example", subject="Code", sender="shop@x.example", text="42")])
    strand.wake(due=True)
    eventually(lambda: not (strand._news.is_set() or strand._due.is_set()))
    assert (calling.words(), any(told[-1])) == ([], False)

    maintenance.off(database, **BY)
    eventually(lambda: heard.look() or told[-1].calls)
    strand.wake(due=told[-1].calls)

    eventually(lambda: calling.words() == ["one"])
    ear.close()


def test_a_step_that_fails_is_done_again_though_nobody_wakes_it(make):
    """And what was due stays due."""
    work = Said(ZeroDivisionError(), ZeroDivisionError(), True)
    make(lambda: work).wake(due=True)
    eventually(lambda: len(work.asked) == 4)
    assert work.asked == [True, True, True, False]


def test_who_cannot_begin_tries_again(make):
    """Settings may name what is not there yet."""
    work, tries = Said(), [OSError(), OSError()]

    def begin():
        if tries:
            raise tries.pop()
        return work

    make(begin).wake()
    eventually(lambda: work.asked)


def test_who_loses_the_lead_lets_go_and_begins_anew_when_he_has_it_again(make, leader):
    """What is under way is another's from then on."""

    def lose():
        leader.leads = False
        return True

    former, later = Said(lose), Said()
    works = [former, later]
    strand = make(lambda: works.pop(0))
    strand.wake()
    eventually(former.closed.is_set)
    leader.leads = True
    strand.wake()
    eventually(lambda: later.asked)
    assert len(former.asked) == 1


def test_who_is_asked_to_end_finishes_its_step_begins_no_other_and_lets_go(make):
    entered, go_on = threading.Event(), threading.Event()

    def step():
        entered.set()
        assert go_on.wait(10)
        return True

    work = Said(step)
    strand = make(lambda: work)
    strand.wake()
    assert entered.wait(10)
    strand.ask_to_end()
    assert not work.closed.is_set()
    go_on.set()
    strand.end(10)
    assert (len(work.asked), work.closed.is_set()) == (1, True)


def test_after_a_while_it_looks_though_nobody_wakes_it(make):
    """Old calls are deleted even where there are no new ones."""
    work = Said()
    make(lambda: work, look_every_s=0.01)
    eventually(lambda: work.asked)
    assert work.asked[0] is True


def test_answers_are_sent_when_the_call_has_ended(database, database_url, make):
    """As the warden wires it: the end of the call is heard."""
    settings = Settings(database_url=database_url, calls={"webhook_networks": "127.0.0.0/8"})
    connection = KeptConnection(database)
    calls = make(lambda: Calls(bootstrap.runner(settings, connection), connection))
    answers = make(lambda: Notifications(bootstrap.notifier(settings, database)))

    def hear(news):
        if News.NOTIFICATIONS in news:
            answers.wake()

    ear = Ear(database)
    heard = Listening(ear, nobody_moves, leads=lambda: True, tick=lambda: None, tell=hear)
    ear.hears(0)
    with receiving() as receiver:
        wanted = Response(ResponseType.HTTP_POST, receiver.url, RespondWhen.ALWAYS)
        said = order({"type": "suppression", "address": "ann@x.example"}, responses=(wanted,))
        with database.begin() as tx:
            receive(tx, 1, [said], terms=bootstrap.call_terms(settings))
        calls.wake()

        eventually(lambda: heard.look() or receiver.ids())
        assert eventually(lambda: sent(database)) == receiver.ids()
    ear.close()


def sent(database):
    with database.begin() as tx:
        return tx.execute(text("SELECT public_id FROM notification WHERE state = 'sent'")).scalars().all()


def nobody_moves():
    raise AssertionError("nobody was told of messages")
