"""Single messages go out: from a producer's commit through inbox, stream, doorbell, worker and SMTP, each exactly once."""

import email
import signal
from collections import Counter
from email import policy

import pytest
from sqlalchemy import text

from mailq.admin import mailings as admin
from mailq.engine import messages
from mailq.store import mailings
from tests.scenarios.brisk import SHORT_LEASE
from tests.support.mailings import recount
from tests.support.waiting import eventually

ORGANIZATION = 1
QUEUE = "mailq.transactional"


def order(number, **changed):
    """A message that says which one it is."""
    words = {"subject": f"Code {number}", "sender": "Shop <shop@mailq.example>", "text": f"{{{{ {number} }}}}\n.dot\n"}
    return messages.order(to=f"r{number}@example.com", **(words | changed))


@pytest.fixture
def send(database):
    """A producer who commits at once."""

    def send(*orders):
        with database.begin() as tx:
            return messages.accept(tx, ORGANIZATION, orders)

    return send


@pytest.fixture
def states(database):
    """What became of the messages of a test, counted by state."""

    def states():
        with database.begin() as tx:
            ids = tx.execute(text("SELECT public_id FROM inbox")).scalars().all()
            return Counter(messages.find(tx, ORGANIZATION, public_id).state for public_id in ids)

    return states


def books_agree(database):
    with database.begin() as tx:
        for each in mailings.summaries(tx, limit=1000):
            assert each.books == recount(tx, each.mailing.id)


def test_a_message_is_sent_as_it_was_said(start_server, sink, send, states, database):
    """Words, templates and a mail that a program has built; each in the stream of its kind."""
    start_server(queues=QUEUE)
    built = email.message.EmailMessage(policy=policy.SMTP)
    built["From"], built["To"], built["Subject"] = "shop@mailq.example", "a@example.com, b@example.com", "Your ticket"
    built.set_content("See attachment.")
    built.add_attachment(b"%PDF\x00\xff", maintype="application", subtype="pdf", filename="ticket.pdf")

    send(
        order(1),
        order(2, subject="Code for {{ name }}", text="Dear {{ name }}", variables={"name": "Ann"}),
        messages.ready_made(built, "r3@example.com", "bounces@mailq.example"),
    )

    eventually(lambda: states() == {"sent": 3}, within=20)
    arrived = {one.recipient: email.message_from_bytes(one.content, policy=policy.default) for one in sink.accepted}
    assert arrived["r1@example.com"].get_content().splitlines() == ["{{ 1 }}", ".dot"]
    assert arrived["r2@example.com"]["Subject"] == "Code for Ann"
    assert [part.get_content() for part in arrived["r3@example.com"].iter_attachments()] == [b"%PDF\x00\xff"]
    assert {one.sender for one in sink.accepted} == {"shop@mailq.example", "bounces@mailq.example"}
    assert len({mail["Message-ID"] for mail in arrived.values()}) == 3
    with database.begin() as tx:
        streams = [each.mailing.public_id for each in mailings.summaries(tx)]
    exported = [row for stream in streams for row in admin.export(database, None, stream)]
    assert {row.address: row.message_id for row in exported} == {name: mail["Message-ID"] for name, mail in arrived.items()}
    books_agree(database)


def test_a_producer_who_rolls_back_sends_nothing(start_server, sink, send, states, database):
    start_server(queues=QUEUE)
    with database.engine.connect() as connection, connection.begin() as producer:
        messages.accept(connection, ORGANIZATION, [order(1)])
        producer.rollback()
    send(order(2))
    eventually(lambda: states() == {"sent": 1}, within=20)
    assert sink.accepted_recipients == ["r2@example.com"]


def test_messages_go_out_when_nobody_hears_of_them(start_server, sink, send, states, database):
    """Behind a connection pooler nobody listens: the upkeep finds them."""
    start_server(queues=QUEUE)
    eventually(lambda: listener(database), within=20)
    with database.begin() as tx:
        messages.accept(tx, ORGANIZATION, [order(1)])
        tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": listener(database)})
    eventually(lambda: states() == {"sent": 1}, within=20)
    assert sink.accepted_recipients == ["r1@example.com"]


@pytest.mark.slow
def test_a_leader_that_is_killed_while_messages_come_in_loses_and_doubles_none(start_pair, sink, send, states, database):
    """The other server takes the lead; what was moved stays where it is, and what was not is moved."""
    servers = dict(zip(("one", "two"), start_pair(queues=QUEUE, **SHORT_LEASE), strict=True))
    number = iter(range(10_000))

    def burst():
        send(*[order(next(number)) for _ in range(20)])

    for _ in range(3):
        led = eventually(lambda: leader(database), within=30)
        burst()
        servers[led].warden.send_signal(signal.SIGKILL)
        burst()
        eventually(lambda: states()["accepted"] == 0, within=30)
    total = next(number)
    eventually(lambda: states() == {"sent": total}, within=30)
    assert Counter(sink.accepted_recipients) == {f"r{each}@example.com": 1 for each in range(total)}
    books_agree(database)


def listener(database):
    """The connection that listens."""
    with database.begin() as tx:
        return tx.execute(
            text("SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN mailq' AND datname = current_database()")
        ).scalar_one_or_none()


def leader(database):
    """The server that leads."""
    with database.begin() as tx:
        holder = tx.execute(text("SELECT holder FROM leader WHERE role = 'upkeep' AND until > clock_timestamp()"))
        return (holder.scalar_one_or_none() or "").partition("/")[0]
