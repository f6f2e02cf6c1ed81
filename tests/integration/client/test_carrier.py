"""The carrier brings every row of an outbox to mailq once, whatever happens to it on the way."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from mailq import Client, Mailing, Message, Outbox, Recipient
from mailq.client import opening
from mailq.client.carrier import MOST_MISSES, Carrier
from mailq.client.doors import Door, GivenRecipient
from mailq.client.outbox_door import ROW
from mailq.client.values import Accepted, Email, Submitted
from mailq.errors import NotFound, Unavailable
from mailq.store.database import Database
from mailq.store.outbox import outbox
from mailq.store.outbox_database import OutboxDatabase
from mailq.store.tables import delivery, inbox, mailing

MAILING = Mailing("Sale", "Hi {{ name }}", "Shop <shop@x.example>", text="Dear {{ name }}", key="sale")
MESSAGE = Message("ann@x.example", "Hi", "shop@x.example", text="Hello")
ANN = Recipient("ann@x.example", {"name": "Ännchen 🎉"})
NOW = datetime.now(UTC)


class Shop:
    """A producer with a database of his own, and the outbox in it."""

    def __init__(self, path: Path) -> None:
        self.database = OutboxDatabase(f"sqlite:///{path}")
        self.database.create()
        self.connection = sqlite3.connect(path)
        self.client = Client(Outbox(self.connection))
        self.refused: list[str] = []

    def carrier(self, door: Door, *, now: datetime = NOW) -> Carrier:
        return Carrier(self.database, door, now=lambda: now, told=lambda _head, reason: self.refused.append(reason))

    def states(self) -> list[str]:
        with self.database.begin() as tx:
            return list(tx.execute(select(outbox.c.state).where(outbox.c.state != "part").order_by(outbox.c.id)).scalars())

    def results(self) -> list[str]:
        with self.database.begin() as tx:
            return list(tx.execute(select(outbox.c.result).where(outbox.c.state == "done").order_by(outbox.c.id)).scalars())


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    opened = Shop(tmp_path / "shop.db")
    yield opened
    opened.connection.close()
    opened.database.close()


@pytest.fixture
def door(database_url: str) -> Iterator[Door]:
    """mailq, over a connection of our own."""
    opened = opening.door(database_url, organization="default", schema=None, key=None)
    yield opened
    opened.close()


class Between:
    """A door that does what it is told, and then tells of it or does not."""

    def __init__(self, door: Door, *, cut: Callable[[], None]) -> None:
        self._door = door
        self._cut = cut

    def send(self, messages: Sequence[Message | Email]) -> list[Accepted]:
        answer = self._door.send(messages)
        self._cut()
        return answer

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        answer = self._door.submit(mailing, recipients)
        self._cut()
        return answer


def count(database: Database, table: Any) -> int:
    with database.begin() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_what_is_committed_is_carried_and_what_is_not_is_not_seen(shop: Shop, door: Door, database: Database) -> None:
    shop.client.send(MESSAGE)
    shop.client.submit(MAILING, (Recipient(f"r{n}@x.example", {"name": "Ann"}) for n in range(ROW.num_recipients + 1)))
    shop.connection.commit()
    shop.client.send(MESSAGE)
    shop.connection.commit()

    done = shop.carrier(door).carry()

    assert (done.num_done, done.num_refused, done.num_missed) == (3, 0, 0)
    assert shop.states() == ["done", "done", "done"]
    assert [result[:4] for result in shop.results()] == ["msg_", "mlg_", "msg_"]
    assert count(database, delivery) == ROW.num_recipients + 1
    assert count(database, inbox) == 2


def test_a_transaction_that_is_rolled_back_sends_nothing(shop: Shop, door: Door, database: Database) -> None:
    shop.client.send(MESSAGE)
    shop.client.submit(MAILING, [ANN])
    shop.connection.rollback()

    assert shop.carrier(door).carry().num_done == 0
    assert count(database, inbox) == 0


def test_recipients_come_out_as_they_went_in(shop: Shop, door: Door, database: Database) -> None:
    variables = {"name": "Ännchen 🎉", "nested": {"b": [1, 2.5, None, True]}, "tricky": 'a\\n"\u2028'}
    shop.client.submit(MAILING, [Recipient("ann@x.example", variables)])
    shop.connection.commit()
    shop.carrier(door).carry()

    with database.begin() as tx:
        row = tx.execute(select(delivery.c.address, delivery.c.variables)).one()
    assert row.address == "ann@x.example"
    assert row.variables == variables


def test_mails_that_are_ready_are_carried_too(shop: Shop, door: Door, database: Database) -> None:
    email = EmailMessage()
    email["From"], email["To"], email["Subject"] = "shop@x.example", "ann@x.example, bob@x.example", "Grüße"
    email.set_content("Hello")
    shop.client.send_email(email)
    shop.client.submit_emails([email], name="Invoices")
    shop.connection.commit()

    assert shop.carrier(door).carry().num_done == 3
    assert shop.refused == []
    assert count(database, inbox) == 2
    assert count(database, delivery) == 2


@pytest.mark.parametrize("keys", [{"key": "mine"}, {}], ids=["own key", "no key"])
def test_a_carrier_that_dies_before_it_has_noted_what_it_did_does_it_once(
    shop: Shop, door: Door, database: Database, keys: dict[str, str]
) -> None:
    """The next one hands over the same under the same key."""
    shop.client.send(Message("ann@x.example", "Hi", "shop@x.example", text="Hello", **keys))
    shop.client.submit(Mailing("Sale", "Hi", "shop@x.example", text="Hello", **keys), [ANN])
    shop.connection.commit()

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            shop.carrier(Between(door, cut=_die)).carry()  # type: ignore[arg-type]
    shop.carrier(door).carry()
    shop.carrier(door).carry()

    assert shop.states() == ["done", "done"]
    assert count(database, inbox) == 1
    assert count(database, mailing) == 1
    assert count(database, delivery) == 1


def _die() -> None:
    raise KeyboardInterrupt


def test_two_carriers_at_once_deliver_everything_once(shop: Shop, door: Door, database: Database) -> None:
    """The second takes what the first has under way, and each is counted by the one that noted it first."""
    for number in range(3):
        shop.client.send(Message("ann@x.example", f"Hi {number}", "shop@x.example", text="Hello"))
    shop.client.submit(MAILING, [ANN])
    shop.connection.commit()
    others: list[int] = []

    def another() -> None:
        others.append(shop.carrier(door).carry().num_done)

    done = shop.carrier(Between(door, cut=another)).carry()  # type: ignore[arg-type]

    assert done.num_done + sum(others) == 4
    assert others[0] == 4
    assert count(database, inbox) == 3
    assert count(database, mailing) == 1


def test_what_mailq_refuses_is_kept_with_the_reason_and_keeps_nobody_waiting(shop: Shop, door: Door, database: Database) -> None:
    shop.client.send(Message("ann@x.example", "Hi", "shop@x.example", text="Hello", key="taken"))
    shop.client.send(Message("ann@x.example", "Hi", "shop@x.example", text="Something else", key="taken"))
    shop.client.submit(MAILING, [ANN])
    shop.client.submit(MAILING, [ANN, ANN])
    shop.client.send(MESSAGE)
    shop.connection.commit()

    done = shop.carrier(door).carry()

    assert shop.states() == ["done", "refused", "done", "refused", "done"]
    assert (done.num_done, done.num_refused) == (3, 2)
    assert [("taken" in reason, "sale" in reason) for reason in shop.refused] == [(True, False), (False, True)]
    assert shop.carrier(door).carry().num_refused == 0


@pytest.mark.parametrize("payload", ["no json", "[]", "{}", '{"to": "ann@x.example", "surprise": 1}'])
def test_a_row_that_somebody_has_spoilt_is_refused(shop: Shop, door: Door, payload: str) -> None:
    shop.client.send(MESSAGE)
    shop.client.send(MESSAGE)
    shop.connection.execute("UPDATE mailq_outbox SET payload = ? WHERE id = 1", (payload,))
    shop.connection.commit()

    shop.carrier(door).carry()

    assert shop.states() == ["refused", "done"]
    assert "cannot be read" in shop.refused[0]


def test_a_recipient_that_somebody_has_spoilt_refuses_his_mailing(shop: Shop, door: Door, database: Database) -> None:
    shop.client.submit(MAILING, [ANN])
    shop.client.send(MESSAGE)
    shop.connection.execute("UPDATE mailq_outbox SET payload = 'no json' WHERE id = 1")
    shop.connection.commit()

    shop.carrier(door).carry()

    assert shop.states() == ["refused", "done"]
    assert count(database, mailing) == 0


def test_a_row_of_a_later_version_waits_for_its_relay(shop: Shop, door: Door) -> None:
    shop.client.send(MESSAGE)
    shop.client.send(MESSAGE)
    shop.connection.execute("UPDATE mailq_outbox SET kind = 'telegram' WHERE id = 1")
    shop.connection.commit()

    assert shop.carrier(door).carry().num_done == 1
    assert shop.states() == ["waiting", "done"]


def test_a_mailing_that_lacks_recipients_is_refused_and_not_sent_to_some(shop: Shop, door: Door, database: Database) -> None:
    shop.client.submit(MAILING, [ANN] * (ROW.num_recipients + 1))
    shop.connection.execute("DELETE FROM mailq_outbox WHERE part = 0")
    shop.connection.commit()

    shop.carrier(door).carry()

    assert shop.states() == ["refused"]
    assert "1 of 2 rows" in shop.refused[0]
    assert count(database, mailing) == 0


def test_while_mailq_is_away_everything_waits(shop: Shop, door: Door) -> None:
    for _ in range(5):
        shop.client.submit(Mailing("Sale", "Hi", "shop@x.example", text="Hello"), [ANN])
    shop.connection.commit()
    away = _Away(door, num_times=100)

    with pytest.raises(Unavailable):
        shop.carrier(away).carry()  # type: ignore[arg-type]
    assert away.num_asked == MOST_MISSES
    assert shop.states() == ["waiting"] * 5
    assert shop.carrier(door).carry().num_done == 5


def test_one_that_mailq_gives_no_answer_for_does_not_keep_the_others_waiting(shop: Shop, door: Door) -> None:
    for _ in range(3):
        shop.client.submit(Mailing("Sale", "Hi", "shop@x.example", text="Hello"), [ANN])
    shop.connection.commit()

    done = shop.carrier(_Away(door, num_times=1)).carry()  # type: ignore[arg-type]

    assert (done.num_done, done.num_missed) == (2, 1)
    assert shop.states() == ["waiting", "done", "done"]


class _Away:
    def __init__(self, door: Door, *, num_times: int) -> None:
        self._door = door
        self._num_times = num_times
        self.num_asked = 0

    def submit(self, mailing: Mailing, recipients: Iterable[GivenRecipient]) -> Submitted:
        self.num_asked += 1
        if self.num_asked <= self._num_times:
            raise Unavailable("mailq is away")
        return self._door.submit(mailing, recipients)


def test_an_organization_that_mailq_does_not_know_refuses_no_row(shop: Shop, database_url: str) -> None:
    """The command is wrong, and not what the producers have written."""
    shop.client.send(MESSAGE)
    shop.connection.commit()
    elsewhere = opening.door(database_url, organization="nobody", schema=None, key=None)

    with pytest.raises(NotFound):
        shop.carrier(elsewhere).carry()
    assert shop.states() == ["waiting"]
    elsewhere.close()


@pytest.mark.parametrize("died", [False, True], ids=["in one go", "after a carrier died"])
def test_a_mailing_whose_time_has_come_while_it_waited_is_sent_at_once(
    shop: Shop, door: Door, database: Database, *, died: bool
) -> None:
    """It could be ordered when it was written; that its carrier was away must not lose it."""
    soon = datetime.now(UTC) - timedelta(seconds=1)
    shop.client.submit(Mailing("Sale", "Hi", "shop@x.example", text="Hello", key="sale", scheduled_at=soon), [ANN])
    shop.connection.commit()

    if died:
        with pytest.raises(KeyboardInterrupt):
            shop.carrier(Between(door, cut=_die), now=datetime.now(UTC)).carry()  # type: ignore[arg-type]
    done = shop.carrier(door, now=datetime.now(UTC)).carry()

    assert (done.num_done, shop.refused) == (1, [])
    with database.begin() as tx:
        assert tx.execute(select(mailing.c.scheduled_at)).scalar_one() is None


def test_one_that_mailq_knows_already_stays_as_it_was_ordered(shop: Shop, door: Door, database: Database) -> None:
    """The carrier died before it could note it, and its time has come since."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    shop.client.submit(Mailing("Sale", "Hi", "shop@x.example", text="Hello", key="sale", scheduled_at=soon), [ANN])
    shop.connection.commit()
    with pytest.raises(KeyboardInterrupt):
        shop.carrier(Between(door, cut=_die)).carry()  # type: ignore[arg-type]

    done = shop.carrier(door, now=soon + timedelta(hours=1)).carry()

    assert (done.num_done, shop.refused) == (1, [])
    assert count(database, mailing) == 1


def test_one_that_has_expired_is_refused(shop: Shop, door: Door) -> None:
    shop.client.submit(
        Mailing("Sale", "Hi", "shop@x.example", text="Hello", expires_at=datetime.now(UTC) - timedelta(seconds=1)), [ANN]
    )
    shop.connection.commit()

    shop.carrier(door).carry()

    assert shop.states() == ["refused"]


def test_done_rows_are_deleted_after_a_while(shop: Shop, door: Door) -> None:
    shop.client.submit(MAILING, [ANN])
    shop.client.send(MESSAGE)
    shop.connection.commit()
    shop.carrier(door).carry()

    assert shop.carrier(door).forget(older_than=timedelta(days=7)) == 0
    assert shop.carrier(door, now=NOW + timedelta(days=8)).forget(older_than=timedelta(days=7)) == 2
    assert shop.connection.execute("SELECT count(*) FROM mailq_outbox").fetchone() == (0,)


def test_an_outbox_that_goes_away_in_the_middle_of_a_mailing_leaves_no_half_of_it(
    shop: Shop, door: Door, database: Database
) -> None:
    """Its rows are read some at a time, while the others are on their way already."""
    shop.client.submit(MAILING, (Recipient(f"r{n}@x.example", {"name": "Ann"}) for n in range(11 * ROW.num_recipients)))
    shop.connection.commit()
    reads: list[int] = []
    begin = shop.database.begin

    def sometimes() -> Any:
        reads.append(1)
        if len(reads) == 4:
            raise Unavailable("the outbox is away")
        return begin()

    shop.database.begin = sometimes  # type: ignore[method-assign]
    assert shop.carrier(door).carry().num_missed == 1
    assert count(database, mailing) == 0
    assert shop.carrier(door).carry().num_done == 1
    assert count(database, delivery) == 11 * ROW.num_recipients
