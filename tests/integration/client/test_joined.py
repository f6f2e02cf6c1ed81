"""In the producer's own transaction: what he submits is there when he commits, or never was; and everything else is left as it was."""

from collections.abc import Callable, Iterator
from contextlib import closing
from email.message import EmailMessage

import psycopg2
import pytest

from mailq import Client, Mailing, Message, Recipient
from mailq.errors import BadInput, Conflict, Misconfigured, NotFound
from tests.integration.client.conftest import MAILING, Ledger, people
from tests.support.producers import WAITING, Producer

NOTHING = {"mailing": 0, "batch": 0, "delivery": 0, "inbox": 0}
MESSAGE = Message("ann@people.example", "Your order", "shop@shop.example", text="Thank you\n")
SETTINGS = (
    "search_path",
    "statement_timeout",
    "lock_timeout",
    "timezone",
    "datestyle",
    "transaction_isolation",
    "client_encoding",
)


def test_what_is_submitted_is_there_when_its_producer_commits(
    producer: Producer, ledger: Ledger, heard: Callable[[], int]
) -> None:
    """Together with his own rows, not before; and then the leader is woken."""
    producer.execute("INSERT INTO app_order VALUES (1)")
    submitted = producer.client.submit(MAILING, people(2500))
    accepted = producer.client.send(MESSAGE)
    before, woken_before = ledger.counts(), heard()
    producer.commit()

    assert (before, woken_before) == (NOTHING, 0)
    assert ledger.counts() == {"mailing": 1, "batch": 3, "delivery": 2500, "inbox": 1}
    assert ledger.rows("SELECT count(*) FROM app_order") == [(1,)]
    assert heard() == 1  # PostgreSQL makes one of equal ones
    assert (submitted.created, submitted.num_profiles, submitted.num_skipped) == (True, 2500, 0)
    assert ledger.rows("SELECT public_id, state, loaded_at IS NOT NULL, num_loaded FROM mailing") == [
        (submitted.id, "loading", True, 2500)
    ]
    assert ledger.rows("SELECT public_id FROM inbox") == [(accepted.id,)]


def test_every_recipient_is_stored_as_he_was_given(producer: Producer, ledger: Ledger) -> None:
    """Quotes, backslashes, tabs, other scripts and nested values: whatever the driver, and in whichever order the variables came."""
    given = [
        Recipient("plain@people.example", {"name": "Ann", "city": "Ulm"}),
        Recipient("odd@people.example", {"name": 'a"b\\c\td\ne', "city": "東京 🎉"}),
        Recipient("nested@people.example", {"name": None, "city": {"zip": [1, 2.5, True], "text": "\\N"}}),
        Recipient("UPPER@People.Example", {"city": "Ulm", "name": "Ann"}),
    ]
    producer.client.submit(MAILING, given)
    producer.commit()

    stored = ledger.rows("SELECT address, variables FROM delivery ORDER BY seq")
    assert stored == [(each.address.replace("People.Example", "people.example"), each.variables) for each in given]


def test_a_rollback_leaves_nothing(producer: Producer, ledger: Ledger, heard: Callable[[], int]) -> None:
    """No rows, nobody woken, and the next submit finds all as it was."""
    producer.client.submit(MAILING, people(1500))
    producer.client.send(MESSAGE)
    producer.rollback()

    assert ledger.counts() == NOTHING
    assert heard() == 0
    producer.client.submit(MAILING, people(3))
    producer.commit()
    assert ledger.counts() == {"mailing": 1, "batch": 1, "delivery": 3, "inbox": 0}
    assert heard() == 1


def _ends_badly() -> Iterator[Recipient]:
    yield from people(12_000)
    raise LookupError("the third page of customers is missing")


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (lambda client: client.submit(Mailing("x", "{{ broken", "a@shop.example", text="t"), people(1)), BadInput),
        (lambda client: client.submit(MAILING, []), BadInput),
        (lambda client: client.submit(MAILING, [*people(12_000), 17]), BadInput),
        (lambda client: client.submit(MAILING, _ends_badly()), LookupError),
        (lambda client: client.submit(MAILING, [Recipient("a@people.example", {"name": object()})]), BadInput),
        (lambda client: client.progress("mlg_not_there"), NotFound),
        (lambda client: client.send(Message("nobody", "s", "a@shop.example", text="t")), BadInput),
    ],
    ids=["template", "nobody", "no recipient", "generator", "variable", "unknown", "address"],
)
def test_a_refusal_leaves_their_transaction_usable(
    producer: Producer, ledger: Ledger, refused: Callable[..., object], error: type[Exception]
) -> None:
    """What they did before and what they do after is theirs to commit; of what was refused nothing stays."""
    producer.execute("INSERT INTO app_order VALUES (1)")
    with pytest.raises(error):
        refused(producer.client)
    producer.execute("INSERT INTO app_order VALUES (2)")
    producer.commit()

    assert ledger.rows("SELECT number FROM app_order ORDER BY number") == [(1,), (2,)]
    assert ledger.counts() == NOTHING


def test_their_settings_are_as_before(producer: Producer) -> None:
    """Those of the session and those of the transaction."""
    producer.execute("SET statement_timeout = '11s'")
    producer.execute("SET LOCAL lock_timeout = '7s'")
    producer.execute("SET LOCAL timezone = 'Asia/Tokyo'")

    def settings() -> list[object]:
        return [producer.execute(f"SHOW {name}")[0][0] for name in SETTINGS]

    before = settings()
    producer.client.submit(MAILING, people(5))
    producer.client.send(MESSAGE)
    with pytest.raises(NotFound):
        producer.client.progress("mlg_not_there")

    assert settings() == before


def test_the_same_key_is_the_same_mailing(producer: Producer, ledger: Ledger) -> None:
    """Within the transaction and in a later one, however the recipients are cut and their variables are ordered."""
    keyed = Mailing("Sale", "s", "a@shop.example", text="t", key="spring")
    first = producer.client.submit(keyed, [*people(1200), "no address"])
    again = producer.client.submit(keyed, iter([*people(1200), "no address"]))
    producer.commit()
    later = producer.client.submit(
        keyed, [{"variables": each.variables, "address": each.address} for each in people(1200)] + ["no address"]
    )
    producer.commit()

    assert (first.created, again.created, later.created) == (True, False, False)
    assert {(each.id, each.num_profiles, each.num_skipped) for each in (first, again, later)} == {(first.id, 1201, 1)}
    assert ledger.counts()["mailing"] == 1


@pytest.mark.parametrize(
    ("other", "recipients", "what"),
    [
        (Mailing("Sale", "other", "a@shop.example", text="t", key="spring"), people(5), "another content"),
        (Mailing("Sale", "s", "a@shop.example", text="t", key="spring"), people(6), "other recipients"),
        (Mailing("Sale", "s", "a@shop.example", text="t", key="spring"), people(4), "other recipients"),
    ],
    ids=["content", "more", "fewer"],
)
def test_the_key_of_another_mailing_is_a_conflict(
    producer: Producer, ledger: Ledger, other: Mailing, recipients: list[Recipient], what: str
) -> None:
    """It says which mailing has it, and leaves that one alone."""
    producer.client.submit(Mailing("Sale", "s", "a@shop.example", text="t", key="spring"), people(5))
    with pytest.raises(Conflict, match=what):
        producer.client.submit(other, recipients)
    producer.commit()

    assert ledger.counts() == {"mailing": 1, "batch": 1, "delivery": 5, "inbox": 0}


@pytest.mark.parametrize("producer", list(WAITING), indirect=True)
def test_recipients_may_be_read_over_the_same_connection(producer: Producer, ledger: Ledger) -> None:
    """A generator that asks the database for every page of them, in the very transaction. Those who await: test_asynchronous.py."""
    producer.execute("INSERT INTO app_order SELECT * FROM generate_series(1, 22000)")

    def pages() -> Iterator[str]:
        for first in range(1, 22_000, 4_000):
            found = producer.execute(f"SELECT number FROM app_order WHERE number BETWEEN {first} AND {first + 3_999} ORDER BY 1")
            yield from (f"p{number}@people.example" for (number,) in found)

    producer.client.submit(Mailing("Sale", "s", "a@shop.example", text="t"), pages())
    producer.commit()

    assert ledger.counts() == {"mailing": 1, "batch": 22, "delivery": 22_000, "inbox": 0}


def test_messages_that_are_ready_go_as_one_mailing(producer: Producer, ledger: Ledger) -> None:
    """Each to everybody it is addressed to, and nobody sees the Bcc."""
    email = EmailMessage()
    email["From"], email["To"], email["Cc"], email["Bcc"] = (
        "Shop <shop@shop.example>",
        "a@x.example, b@x.example",
        "c@x.example",
        "d@x.example",
    )
    email["Subject"] = "Minutes"
    email.set_content("Attached.\n")
    email.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream", filename="minutes.bin")

    submitted = producer.client.submit_emails([email, email], name="Minutes")
    accepted = producer.client.send_email(email, to="e@x.example", key="copy")
    producer.commit()

    assert submitted.num_profiles == 8
    assert ledger.rows("SELECT repeats FROM mailing") == [(True,)]
    assert [address for (address,) in ledger.rows("SELECT address FROM delivery ORDER BY seq")] == [
        f"{who}@x.example" for who in "abcdabcd"
    ]
    assert ledger.rows("SELECT count(*) FROM delivery WHERE variables->>'mime' LIKE '%Bcc%'") == [(0,)]
    assert [each.created for each in accepted] == [True]
    assert ledger.rows("SELECT address, key FROM inbox") == [("e@x.example", "copy")]


def test_a_schema_that_has_no_tables_is_named(database_url: str) -> None:
    """With a connection of the client's own, and in a transaction that is joined and stays usable."""
    with Client(database_url, schema="nosuch") as own, pytest.raises(Misconfigured, match="schema `nosuch`"):
        own.send(MESSAGE)
    with closing(psycopg2.connect(database_url)) as joined, joined.cursor() as cursor:
        with pytest.raises(Misconfigured, match="in schema `nosuch`"):
            Client(joined, schema="nosuch").send(MESSAGE)
        cursor.execute("SELECT 1")
