"""Answers are sent: each at least once and always with its id, and nobody waits for a receiver that is slow."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from mailq.core.call import Event
from mailq.core.networks import networks
from mailq.core.notification import WAITS, Change, State
from mailq.engine.calls import webhook_secrets
from mailq.engine.notifier import AT_ONCE_TO_SILENT, EACH_HOST, SOON_S, Notifier
from mailq.store import maintenance, notifications
from mailq.store.database import Database
from mailq.store.notifications import Entry, Lent, Room
from mailq.transports.webhooks import Poster
from tests.support.plans import explained
from tests.support.receivers import TAKEN, Caller, Received, Receiver, answering, receiving, status
from tests.support.waiting import eventually

HERE = networks("127.0.0.0/8")
NAMES = itertools.count(1)
EVERYTHING = Room(most=1000, each=1000, under_way={})


class Sending:
    """A database of answers, and whoever sends them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._notifiers: list[Notifier] = []

    def put(self, receiver: Receiver, *, host: str = "127.0.0.1", number: int = 1) -> list[str]:
        """Answers that are due, to a host that is this one."""
        names = [f"ntf_{next(NAMES)}" for _ in range(number)]
        entries = [
            Entry(name, 1, None, None, Event.CALL_FINISHED, receiver.named(host), host, payload='{"name":"Zoë"}')
            for name in names
        ]
        with self.database.begin() as tx:
            notifications.add(tx, entries)
        return names

    def notifier(self, **options: Any) -> Notifier:
        """Somebody who sends, and finds every name here."""
        timeout = options.pop("timeout", timedelta(seconds=20))
        chosen = {"allowed": HERE, "resolve": lambda _host, _port: ["127.0.0.1"], "timeout": timeout} | options
        make = chosen.pop("make", lambda: Poster(**chosen))
        monotonic = chosen.pop("monotonic", time.monotonic)
        made = Notifier(self.database, make, timeout=timeout, spread=lambda: 0.0, slice_s=0.05, monotonic=monotonic)
        self._notifiers.append(made)
        return made

    def send_all(self, notifier: Notifier | None = None) -> None:
        """Send what is due, until nothing is under way."""
        sending = notifier or self.notifier()
        while sending.send_due():
            pass

    def rows(self) -> list[Any]:
        with self.database.begin() as tx:
            return list(tx.execute(text("SELECT * FROM notification ORDER BY id")))

    def row(self) -> Any:
        [row] = self.rows()
        return row

    def change(self, statement: str) -> None:
        with self.database.begin() as tx:
            tx.execute(text(statement))

    def lend(self) -> list[Lent]:
        with self.database.begin() as tx:
            return notifications.lend(tx, EVERYTHING, lease=timedelta(minutes=1))

    def close(self) -> None:
        for each in self._notifiers:
            each.close(grace=timedelta(0))


@pytest.fixture
def sending(database: Database) -> Iterator[Sending]:
    made = Sending(database)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that takes everything."""
    with receiving() as taking:
        yield taking


def _until_it_lets_go(caller: Caller, _: Received) -> None:
    caller.hold()
    caller.say(TAKEN)


@pytest.fixture
def slow() -> Iterator[Receiver]:
    """One that takes nothing until it is let go."""
    with receiving(_until_it_lets_go) as holding:
        yield holding


def test_what_is_due_is_sent_once_and_settled(sending: Sending, receiver: Receiver) -> None:
    names = sending.put(receiver, number=5)
    sending.send_all()
    sending.send_all()

    assert sorted(receiver.ids()) == sorted(names)
    assert {(row.state, row.attempts, row.reply, row.due_at) for row in sending.rows()} == {("sent", 1, "204 No Content", None)}
    assert all(row.settled_at for row in sending.rows())


def test_a_webhook_is_signed_with_a_secret_that_is_made_at_first_use_and_stays(sending: Sending, receiver: Receiver) -> None:
    for _ in range(2):
        sending.put(receiver)
        sending.send_all()
    with sending.database.begin() as tx:
        [secret] = webhook_secrets.listed(tx, 1)

    assert len(receiver.received) == 2
    for each in receiver.received:
        assert Webhook(secret).verify(each.body, each.headers) == {"name": "Zoë"}


def test_while_a_secret_is_changed_webhooks_are_signed_with_both(sending: Sending, receiver: Receiver) -> None:
    with sending.database.begin() as tx:
        [old] = webhook_secrets.listed(tx, 1)
        new = webhook_secrets.add(tx, 1)
    sending.put(receiver)
    sending.send_all()

    [webhook] = receiver.received
    assert all(Webhook(each).verify(webhook.body, webhook.headers) for each in (old, new))


def test_what_failed_is_tried_again_when_it_is_due_with_the_same_id_and_words(sending: Sending) -> None:
    with receiving(answering(status(500), TAKEN)) as receiver:
        [name] = sending.put(receiver)
        sending.send_all()
        row = sending.row()
        assert (row.state, row.attempts, row.reply) == ("pending", 1, "500 Internal Server Error")
        assert timedelta(0) < row.due_at - datetime.now(UTC) <= WAITS[0]

        sending.change("UPDATE notification SET due_at = now()")
        sending.send_all()

        assert receiver.ids() == [name, name]
        assert receiver.received[0].body == receiver.received[1].body
    assert (sending.row().state, sending.row().attempts) == ("sent", 2)


def test_a_receiver_that_asks_for_time_gets_it(sending: Sending) -> None:
    with receiving(status(503, "Retry-After: 3600")) as receiver:
        sending.put(receiver)
        sending.send_all()

    assert timedelta(minutes=59) < sending.row().due_at - datetime.now(UTC) <= timedelta(hours=1)


def test_after_the_last_attempt_it_is_in_error(sending: Sending) -> None:
    with receiving(status(404)) as receiver:
        sending.put(receiver)
        for _ in range(12):
            sending.send_all()
            sending.change("UPDATE notification SET due_at = now() WHERE state = 'pending'")

        assert len(receiver.received) == 10
    assert (sending.row().state, sending.row().attempts) == ("error", 10)
    assert sending.row().reply == "404 Not Found; given up after 10 attempts"


@pytest.mark.parametrize(
    ("answer", "reply"), [(status(410), "410 Gone"), (status(200), "200 OK")], ids=["gone is told at once", "taken"]
)
def test_what_is_settled_is_not_tried_again(sending: Sending, answer: bytes, reply: str) -> None:
    with receiving(answer) as receiver:
        sending.put(receiver)
        sending.send_all()
        sending.send_all()

        assert len(receiver.received) == 1
    assert sending.row().reply.startswith(reply)


def test_a_fault_of_ours_is_a_failed_attempt_and_keeps_nothing_from_being_sent_later(
    sending: Sending, receiver: Receiver
) -> None:
    [name] = sending.put(receiver)
    faults = iter([OSError("no certificates here")])

    def make() -> Poster:
        for fault in faults:
            raise fault
        return Poster(timeout=timedelta(seconds=20), allowed=HERE, resolve=lambda _host, _port: ["127.0.0.1"])

    notifier = sending.notifier(make=make)
    sending.send_all(notifier)
    assert (sending.row().state, sending.row().attempts) == ("pending", 1)
    assert "the log of the worker" in sending.row().reply

    sending.change("UPDATE notification SET due_at = now()")
    sending.send_all(notifier)
    assert receiver.ids() == [name]


def test_a_name_that_leads_to_a_private_address_is_in_error_and_says_so(sending: Sending, receiver: Receiver) -> None:
    sending.put(receiver, host="metadata.example")
    sending.send_all(sending.notifier(resolve=lambda _host, _port: ["169.254.169.254"]))

    row = sending.row()
    assert (row.state, row.attempts) == ("error", 1)
    assert "metadata.example stands for 169.254.169.254" in row.reply
    assert receiver.connections == 0


def test_a_redirect_is_a_failed_attempt_that_says_so(sending: Sending, receiver: Receiver) -> None:
    with receiving(status(302, f"Location: {receiver.url}")) as redirecting:
        sending.put(redirecting)
        sending.send_all()

    assert (sending.row().state, receiver.connections) == ("pending", 0)
    assert "not followed" in sending.row().reply


def test_what_was_taken_by_somebody_who_has_died_is_sent_again_with_the_same_id(sending: Sending, receiver: Receiver) -> None:
    """He may have sent it: he has only not said so."""
    [name] = sending.put(receiver)
    [lent] = sending.lend()
    sending.send_all()
    assert receiver.ids() == []

    sending.change("UPDATE notification SET due_at = now()")
    sending.send_all()
    assert receiver.ids() == [lent.public_id] == [name]


def test_two_who_send_at_once_do_not_send_the_same(sending: Sending, receiver: Receiver) -> None:
    names = sending.put(receiver, number=40)
    threads = [threading.Thread(target=sending.send_all, args=(sending.notifier(),)) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(receiver.ids()) == sorted(names)


def _settle(sending: Sending, lent: Lent, change: Change) -> int:
    with sending.database.begin() as tx:
        return notifications.settle(tx, [notifications.Settled(lent, change)])


def test_whoever_has_lost_an_answer_can_only_say_that_it_was_taken(sending: Sending, receiver: Receiver) -> None:
    sending.put(receiver)
    [lost] = sending.lend()
    sending.change("UPDATE notification SET due_at = now()")
    [held] = sending.lend()

    assert _settle(sending, lost, Change(State.ERROR, "late")) == 0
    assert _settle(sending, lost, Change(State.PENDING, "late", timedelta(0))) == 0
    assert sending.row().due_at == held.due_at
    assert _settle(sending, lost, Change(State.SENT, "204")) == 1
    assert _settle(sending, held, Change(State.ERROR, "500")) == 0
    assert sending.row().state == "sent"


def test_a_slow_receiver_keeps_nobody_else_waiting(sending: Sending, slow: Receiver, receiver: Receiver) -> None:
    sending.put(slow, host="slow.example", number=100)
    names = sending.put(receiver, host="quick.example", number=5)
    notifier = sending.notifier()

    def the_others_are_there() -> bool:
        assert notifier.send_due()
        return sorted(receiver.ids()) == sorted(names)

    eventually(the_others_are_there)
    assert len(slow.received) == slow.most_at_once == EACH_HOST

    later = sending.put(receiver, host="quick.example")
    eventually(lambda: notifier.send_due() and later[0] in receiver.ids())
    slow.let_go.set()
    sending.send_all(notifier)
    assert len(slow.received) == 100
    assert {row.state for row in sending.rows()} == {"sent"}


@pytest.mark.parametrize(("answer", "took_s"), [(None, 0), (TAKEN, SOON_S + 1)], ids=["silent", "slow"])
def test_many_hosts_that_are_silent_or_slow_keep_nobody_else_waiting(
    sending: Sending, receiver: Receiver, answer: bytes | None, took_s: float
) -> None:
    """Once nobody has answered there, or not soon, they have room of their own."""
    holding = threading.Event()
    clock_s = itertools.accumulate(itertools.repeat(took_s))
    last_s = [0.0]

    def apart(caller: Caller, _: Received) -> None:
        if holding.is_set():
            caller.hold()
        last_s[0] = next(clock_s)
        if answer is not None:
            caller.say(answer)
        caller.hang_up()

    with receiving(apart) as slow:
        for number in range(30):
            sending.put(slow, host=f"slow{number}.example", number=4)
        notifier = sending.notifier(monotonic=lambda: last_s[0])
        sending.send_all(notifier)
        assert {(row.state, row.attempts) for row in sending.rows()} == {("sent" if answer else "pending", 1)}

        holding.set()
        sending.change("UPDATE notification SET state = 'pending', settled_at = NULL, due_at = now()")
        eventually(lambda: notifier.send_due() and len(slow.received) == 120 + AT_ONCE_TO_SILENT)
        [name] = sending.put(receiver, host="quick.example")
        eventually(lambda: notifier.send_due() and receiver.ids() == [name])
        assert len(slow.received) == 120 + AT_ONCE_TO_SILENT


def _begin_maintenance(database: Database) -> None:
    with database.begin() as tx:
        maintenance.begin(tx, by="anna", why=None)


def _forget(database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text("UPDATE installation SET behind_since = now(), behind_why = 'restored'"))


@pytest.mark.parametrize("stand_still", [_begin_maintenance, _forget])
def test_nothing_is_sent_in_maintenance_nor_by_a_database_that_has_forgotten(
    sending: Sending, receiver: Receiver, stand_still: Callable[[Database], None]
) -> None:
    sending.put(receiver)
    stand_still(sending.database)
    sending.send_all()
    assert (receiver.connections, sending.row().state) == (0, "pending")

    sending.change(
        "UPDATE installation SET behind_since = NULL, behind_why = NULL, maintenance_since = NULL, maintenance_by = NULL"
    )
    sending.send_all()
    assert sending.row().state == "sent"


def test_what_is_broken_off_at_the_end_is_due_again_and_what_has_come_is_settled(
    sending: Sending, slow: Receiver, receiver: Receiver
) -> None:
    notifier = sending.notifier()
    [broken_off] = sending.put(slow, host="slow.example")
    [taken] = sending.put(receiver, host="quick.example")
    eventually(lambda: notifier.send_due() and slow.ids() and receiver.ids())
    notifier.close(grace=timedelta(0))

    assert {row.public_id: (row.state, row.attempts) for row in sending.rows()} == {
        broken_off: ("pending", 0),
        taken: ("sent", 1),
    }
    assert [each.public_id for each in sending.lend()] == [broken_off]


@pytest.mark.parametrize("analysed", [True, False])
def test_old_answers_about_conversations_are_deleted_by_an_index(sending: Sending, receiver: Receiver, analysed: bool) -> None:
    sending.put(receiver, number=3000)
    sending.change("UPDATE notification SET state = 'sent', due_at = NULL, settled_at = now() - id * interval '1 minute'")
    if analysed:
        sending.change("ANALYZE notification")
    with sending.database.begin() as tx, explained(tx) as plans:
        first = tx.execute(text("SELECT min(id) FROM notification")).scalar_one()
        age = timedelta(minutes=first + 3000 - 7.5)
        assert [notifications.prune(tx, age, limit=5) for _ in range(3)] == [5, 2, 0]

    assert all("notification_settled_idx" in plan.indexes() and not plan.scanned() for plan in plans[1:])


def test_a_host_with_very_many_answers_is_passed_by_without_reading_them(sending: Sending, receiver: Receiver) -> None:
    """What is lent is found by host, so that a backlog of one costs the others nothing."""
    sending.put(receiver, host="busy.example", number=3000)
    names = sending.put(receiver, host="quick.example")
    sending.change("ANALYZE notification")
    with sending.database.begin() as tx, explained(tx) as plans:
        busy = Room(most=20, each=2, under_way={"busy.example": 2})
        lent = notifications.lend(tx, busy, lease=timedelta(minutes=1))
        apart = notifications.lend(tx, Room(20, 2, {}, ["busy.example"], wanted=True), lease=timedelta(minutes=1))

    assert [each.public_id for each in lent] == names
    assert [each.host for each in apart] == ["busy.example"] * 2
    assert all("notification_host_idx" in plan.indexes() and "notification" not in plan.scanned() for plan in plans)
