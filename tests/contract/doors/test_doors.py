"""What a producer may expect of every door: the same calls, the same answers, the same refusals."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import func, select

from mailq import Mailing, Message, Recipient
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store.database import Database
from mailq.store.tables import delivery, inbox, mailing
from tests.support.doors import DoorUnderTest, OutboxUnderTest

Lead = Callable[[], None]
SALE: dict[str, Any] = {"name": "Sale", "subject": "Hi {{ name }}", "sender": "Shop <shop@x.example>", "text": "Dear {{ name }}"}
ORDER: dict[str, Any] = {
    "to": "ann@x.example",
    "subject": "Order 7",
    "sender": "shop@x.example",
    "text": "Thank you {{ not a template",
}
PEOPLE = [
    Recipient("ann@x.example", {"name": "Ännchen 🎉", "age": 7, "tags": ["a", None, 1.5]}),
    {"address": "Bob@X.Example", "variables": {"name": "Bob"}},
    Recipient("no address", {"name": "Nobody"}),
]


def count(database: Database, table: Any) -> int:
    with database.begin() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_mailing_arrives_with_all_its_recipients(the_door: DoorUnderTest, lead: Lead, database: Database) -> None:
    submitted = the_door.do(lambda client: client.submit(Mailing(**SALE), PEOPLE))
    lead()

    assert (submitted.created, submitted.num_profiles, submitted.num_skipped) == (True, 3, 1)
    progress = the_door.asking.progress(the_door.mailing_of(submitted))
    assert (progress.name, progress.state) == ("Sale", "running")
    assert (progress.num_profiles, progress.num_pending, progress.num_skipped) == (3, 2, 1)
    with database.begin() as tx:
        rows = tx.execute(select(delivery.c.address, delivery.c.variables, delivery.c.state).order_by(delivery.c.seq)).all()
    assert [(row.address, row.state) for row in rows] == [
        ("ann@x.example", "pending"),
        ("Bob@x.example", "pending"),
        ("no address", "skipped"),
    ]
    assert rows[0].variables == {"name": "Ännchen 🎉", "age": 7, "tags": ["a", None, 1.5]}


def test_recipients_may_come_from_a_generator(the_door: DoorUnderTest, lead: Lead) -> None:
    number = 5001
    recipients = (Recipient(f"r{each}@x.example", {"name": "Ann"}) for each in range(number))
    submitted = the_door.do(lambda client: client.submit(Mailing(**SALE), recipients))
    lead()

    assert submitted.num_profiles == number
    assert the_door.asking.progress(the_door.mailing_of(submitted)).num_pending == number


def test_bare_addresses_will_do(the_door: DoorUnderTest, lead: Lead) -> None:
    plain = Mailing(**SALE | {"subject": "Hi", "text": "Dear {{ address }}"})
    submitted = the_door.do(lambda client: client.submit(plain, ["ann@x.example", "bob@x.example", "ann@x.example"]))
    lead()

    assert the_door.asking.progress(the_door.mailing_of(submitted)).num_skipped == 1


def test_an_address_may_get_several_where_repeats_are_asked_for(the_door: DoorUnderTest, lead: Lead) -> None:
    sale = Mailing(**SALE, repeats=True)
    submitted = the_door.do(lambda client: client.submit(sale, [PEOPLE[0], PEOPLE[0]]))
    lead()

    assert the_door.asking.progress(the_door.mailing_of(submitted)).num_pending == 2


def test_the_same_key_with_the_same_words_is_the_same_mailing(the_door: DoorUnderTest, database: Database) -> None:
    sale = Mailing(**SALE, key="sale")
    first = the_door.do(lambda client: client.submit(sale, PEOPLE))
    again = the_door.do(lambda client: client.submit(sale, iter(PEOPLE)))

    assert the_door.mailing_of(first) == the_door.mailing_of(again)
    assert (again.num_profiles, again.num_skipped) == (3, 1)
    assert again.created is isinstance(the_door, OutboxUnderTest)
    assert count(database, mailing) == 1
    assert count(database, delivery) == 3


def test_and_when_it_is_on_its_way_already(the_door: DoorUnderTest, lead: Lead, database: Database) -> None:
    sale = Mailing(**SALE, key="sale")
    first = the_door.do(lambda client: client.submit(sale, PEOPLE))
    lead()
    again = the_door.do(lambda client: client.submit(sale, PEOPLE))

    assert the_door.mailing_of(first) == the_door.mailing_of(again)
    assert count(database, delivery) == 3


@pytest.mark.parametrize(
    ("words", "people"),
    [
        ({"text": "Something else, {{ name }}"}, PEOPLE),
        ({"lane": "normal"}, PEOPLE),
        ({}, [*PEOPLE, Recipient("eve@x.example", {"name": "Eve"})]),
        ({}, PEOPLE[:2]),
        ({}, [PEOPLE[0], PEOPLE[2], PEOPLE[1]]),
    ],
    ids=["other words", "another lane", "more recipients", "fewer recipients", "another order"],
)
def test_the_same_key_with_anything_else_is_a_conflict(
    the_door: DoorUnderTest, database: Database, words: dict[str, Any], people: list[Any]
) -> None:
    the_door.do(lambda client: client.submit(Mailing(**SALE, key="sale"), PEOPLE))
    refusal = the_door.refusal(lambda client: client.submit(Mailing(**SALE | words, key="sale"), people))

    assert isinstance(refusal, Conflict)
    assert count(database, mailing) == 1
    assert count(database, delivery) == 3


MAILING_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"subject": "{{ name"}, "subject"),
    ({"subject": "Hi\r\nBcc: eve@x.example"}, "subject"),
    ({"sender": "nobody"}, "sender"),
    ({"text": None}, "content"),
    ({"headers": {"X-Mood": "good\nBcc: eve@x.example"}}, "header X-Mood"),
    ({"headers": {"Message-ID": "<mine@x.example>"}}, "header Message-ID"),
    ({"name": "two\nlines"}, "name"),
    ({"key": "two\nlines"}, "key"),
    ({"lane": "fast"}, "lane"),
    ({"doubt_policy": "hope"}, "doubt_policy"),
    ({"scheduled_at": datetime(2030, 1, 1)}, "scheduled_at"),  # noqa: DTZ001 - that is the fault
    ({"expires_at": datetime(2029, 1, 1, tzinfo=UTC), "scheduled_at": datetime(2030, 1, 1, tzinfo=UTC)}, "expires_at"),
    ({"text": "{{ nmae }}"}, "recipients"),
]


def test_a_mailing_at_fault_is_refused_with_the_field(the_door: DoorUnderTest, database: Database) -> None:
    """One after the other through one door: a refusal closes it to nothing."""
    for fault, field in MAILING_FAULTS:
        refusal = the_door.refusal(lambda client, words=SALE | fault: client.submit(Mailing(**words), PEOPLE))

        assert isinstance(refusal, BadInput), fault
        assert refusal.field == field, fault
        assert count(database, delivery) == 0, fault


@pytest.mark.parametrize(
    ("people", "field"),
    [
        ([], "recipients"),
        ([PEOPLE[0], 7], "recipients[1]"),
        ([{"email": "ann@x.example"}], "recipients[0]"),
        ([Recipient("ann@x.example", {"name": object()})], "recipients[0].variables.name"),
    ],
    ids=["none", "no recipient", "another mapping", "no JSON"],
)
def test_recipients_of_another_shape_are_refused_with_their_place(
    the_door: DoorUnderTest, database: Database, people: list[Any], field: str
) -> None:
    refusal = the_door.refusal(lambda client: client.submit(Mailing(**SALE), people))

    assert isinstance(refusal, BadInput)
    assert refusal.field == field
    assert count(database, delivery) == 0


def test_recipients_whom_no_database_could_hold_are_skipped_and_counted(the_door: DoorUnderTest, lead: Lead) -> None:
    bad = [Recipient("ann@x.example", {"name": name}) for name in ("\0", "\ud800", float("nan"), float("inf"))]
    submitted = the_door.do(lambda client: client.submit(Mailing(**SALE), [PEOPLE[0], *bad]))
    lead()

    assert (submitted.num_profiles, submitted.num_skipped) == (5, 4)
    assert the_door.asking.progress(the_door.mailing_of(submitted)).num_pending == 1


def test_a_time_to_come_is_kept(the_door: DoorUnderTest, lead: Lead) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    sale = Mailing(**SALE, scheduled_at=soon, expires_at=soon + timedelta(hours=1))
    submitted = the_door.do(lambda client: client.submit(sale, PEOPLE))
    lead()

    progress = the_door.asking.progress(the_door.mailing_of(submitted))
    assert (progress.state, progress.scheduled_at, progress.expires_at) == ("scheduled", soon, soon + timedelta(hours=1))


def test_deliveries_come_in_their_order_and_by_state(the_door: DoorUnderTest, lead: Lead) -> None:
    submitted = the_door.do(lambda client: client.submit(Mailing(**SALE), PEOPLE))
    lead()
    reference = the_door.mailing_of(submitted)

    everybody = list(the_door.asking.deliveries(reference))
    assert [(each.mailing, each.seq, each.address) for each in everybody] == [
        (reference, 1, "ann@x.example"),
        (reference, 2, "Bob@x.example"),
        (reference, 3, "no address"),
    ]
    (skipped,) = the_door.asking.deliveries(reference, "skipped")
    assert (skipped.address, skipped.skip, skipped.attempts) == ("no address", "invalid", 0)
    assert skipped.reply


def test_a_mailing_is_steered_by_its_id_and_by_its_key(the_door: DoorUnderTest, lead: Lead) -> None:
    submitted = the_door.do(lambda client: client.submit(Mailing(**SALE, key="sale"), PEOPLE))
    lead()
    asking = the_door.asking

    assert asking.pause("sale").state == "paused"
    assert asking.pause("sale").state == "paused"
    assert asking.resume(the_door.mailing_of(submitted)).state == "running"
    cancelled = asking.cancel("sale")
    assert cancelled.state == "cancelled"
    the_door.arrive()
    with pytest.raises(Conflict):
        asking.resume("sale")


def test_what_is_not_there_is_not_found(the_door: DoorUnderTest) -> None:
    asking = the_door.asking

    for call in (asking.progress, asking.pause, asking.cancel):
        with pytest.raises(NotFound):
            call("mlg_0123456789abcdef")
    with pytest.raises(NotFound):
        list(asking.deliveries("mlg_0123456789abcdef"))
    with pytest.raises(NotFound):
        asking.message("msg_0123456789abcdef")


def test_a_message_arrives_with_its_words_as_they_are(the_door: DoorUnderTest, lead: Lead) -> None:
    accepted = the_door.do(lambda client: client.send(Message(**ORDER)))
    message_id = the_door.message_of(accepted)

    assert accepted.created
    waiting = the_door.asking.message(message_id)
    assert (waiting.address, waiting.state, waiting.message) == ("ann@x.example", "accepted", message_id)
    the_door.arrive()
    lead()
    assert the_door.asking.message(message_id).state == "pending"


def test_the_same_key_with_the_same_words_is_the_same_message(the_door: DoorUnderTest, database: Database) -> None:
    order = Message(**ORDER, key="order-7")
    first = the_door.do(lambda client: client.send(order))
    again = the_door.do(lambda client: client.send(order))

    assert the_door.message_of(first) == the_door.message_of(again)
    assert again.created is isinstance(the_door, OutboxUnderTest)
    assert count(database, inbox) == 1


def test_the_same_key_with_other_words_is_a_conflict(the_door: DoorUnderTest, database: Database) -> None:
    the_door.do(lambda client: client.send(Message(**ORDER, key="order-7")))
    refusal = the_door.refusal(lambda client: client.send(Message(**ORDER | {"text": "No thanks"}, key="order-7")))

    assert isinstance(refusal, Conflict)
    assert count(database, inbox) == 1


def test_without_keys_the_same_words_are_two_messages(the_door: DoorUnderTest, database: Database) -> None:
    the_door.do(lambda client: client.send_all([Message(**ORDER), Message(**ORDER)]))

    assert count(database, inbox) == 2


MESSAGE_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"to": "nobody"}, "to"),
    ({"to": "ann@x.example\nBcc: eve@x.example"}, "to"),
    ({"subject": "Hi\r\nBcc: eve@x.example"}, "subject"),
    ({"subject": "half \ud800"}, "subject"),
    ({"sender": "nobody"}, "sender"),
    ({"to_name": "Ann\n"}, "to_name"),
    ({"text": None}, "text"),
    ({"headers": {"X-Mood": "good\nBcc: eve@x.example"}}, "header X-Mood"),
    ({"headers": {"Bcc": "eve@x.example"}}, "header Bcc"),
    ({"variables": {"name": object()}}, "variables"),
    ({"variables": {"name": "\0"}}, "variables"),
    ({"variables": {}, "text": "{{ name }}"}, "text"),
    ({"key": " "}, "key"),
    ({"lane": "fast"}, "lane"),
    ({"doubt_policy": "hope"}, "doubt_policy"),
]


def test_a_message_at_fault_is_refused_with_the_field(the_door: DoorUnderTest, database: Database) -> None:
    """One after the other through one door: a refusal closes it to nothing."""
    for fault, field in MESSAGE_FAULTS:
        refusal = the_door.refusal(lambda client, words=ORDER | fault: client.send(Message(**words)))

        assert isinstance(refusal, BadInput), fault
        assert refusal.field == field, fault
        assert count(database, inbox) == 0, fault


def test_mails_that_are_ready_arrive_once_for_each_recipient(the_door: DoorUnderTest, lead: Lead, database: Database) -> None:
    email = EmailMessage()
    email["From"], email["To"], email["Cc"], email["Subject"] = "Shop <shop@x.example>", "ann@x.example", "bob@x.example", "Grüße"
    email.set_content("Hello")
    email.add_attachment(b"\x00\xff", maintype="application", subtype="pdf", filename="Rechnung Ä.pdf")

    accepted = the_door.do(lambda client: client.send_email(email, key="invoice-7"))
    again = the_door.do(lambda client: client.send_email(email, key="invoice-7"))
    submitted = the_door.do(lambda client: client.submit_emails([email], name="Invoices"))
    lead()

    assert list(map(the_door.message_of, accepted)) == list(map(the_door.message_of, again))
    assert count(database, inbox) == 2
    assert submitted.num_profiles == 2
    progress = the_door.asking.progress(the_door.mailing_of(submitted))
    assert (progress.state, progress.num_pending) == ("running", 2)


def test_the_history_of_an_address_has_every_mail_the_newest_first(the_door: DoorUnderTest, lead: Lead) -> None:
    submitted = the_door.do(lambda client: client.submit(Mailing(**SALE), PEOPLE))
    lead()
    accepted = the_door.do(lambda client: client.send(Message(**ORDER)))
    lead()

    found = the_door.asking.history("ANN@x.example")
    mine = the_door.mailing_of(submitted)
    assert {each.address for each in found} == {"ann@x.example"}
    assert len(found) == 2
    assert mine in {each.mailing for each in found}
    assert the_door.asking.message(the_door.message_of(accepted)).mailing in {each.mailing for each in found}
    assert the_door.asking.history("stranger@x.example") == []
