"""What a client is told: how far a mailing is, who got it, and that another organization's is not there."""

import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from mailq import Client, Mailing, Message, Recipient
from mailq.client.orders import mailing_order
from mailq.engine import sealing
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.upkeep import Upkeep
from mailq.errors import BadInput, Conflict, Misconfigured, NotFound
from mailq.store.database import Database
from tests.integration.client.conftest import MAILING, Ledger, people
from tests.support.producers import Producer, producing
from tests.support.workers import QuietDoorbell

MESSAGE = Message("ann@people.example", "s", "shop@shop.example", text="t", key="order 17")
SALE = Mailing("Sale", "s", "a@shop.example", text="t", key="spring")


def test_progress_is_told_by_id_and_by_key(client: Any) -> None:
    """The books of a mailing as they are."""
    submitted = client.submit(SALE, [*people(3), "nobody"])
    progress = client.progress(submitted.id)

    assert client.progress("spring") == progress
    assert (progress.name, progress.key, progress.state) == ("Sale", "spring", "loading")
    assert (progress.num_profiles, progress.num_pending, progress.num_skipped) == (4, 3, 1)


def test_deliveries_are_told_in_their_order(client: Any) -> None:
    """Over several pages, and of one state alone."""
    submitted = client.submit(SALE, [*people(2100), "nobody", *people(3)])
    everybody = list(client.deliveries(submitted.id))
    skipped = list(client.deliveries("spring", "skipped"))

    assert [each.seq for each in everybody] == list(range(1, 2105))
    assert [(each.seq, each.address, each.skip) for each in skipped] == [(2101, "nobody", "invalid")]
    assert skipped[0].reply is not None
    assert "recipient 2101: " in skipped[0].reply
    with pytest.raises(BadInput) as raised:
        list(client.deliveries("spring", "lost"))
    assert raised.value.field == "state"


def test_a_message_and_its_history_are_told(client: Any) -> None:
    """Sent again with its key it is the same one; with other words it is a conflict."""
    accepted = client.send(MESSAGE)
    again = client.send(MESSAGE)
    client.submit(MAILING, people(1))

    assert (accepted.created, again.created, again.id) == (True, False, accepted.id)
    with pytest.raises(Conflict):
        client.send(Message("ann@people.example", "other", "shop@shop.example", text="t", key="order 17"))
    found = client.message(accepted.id)
    assert (found.state, found.address, found.message) == ("accepted", "ann@people.example", accepted.id)
    assert [each.state for each in client.history("P1@people.example")] == ["pending"]


def test_of_several_messages_all_are_taken_or_none(client: Any, database_url: str) -> None:
    """It is said which one is at fault."""
    good = Message("a@people.example", "s", "shop@shop.example", text="t")
    with pytest.raises(BadInput, match="message 2") as raised:
        client.send_all([good, Message("nobody", "s", "shop@shop.example", text="t")])
    assert raised.value.field == "to"
    client.send(MESSAGE)
    with pytest.raises(Conflict):
        client.send_all([good, Message("ann@people.example", "other", "shop@shop.example", text="t", key="order 17")])

    assert client.history("a@people.example") == []
    assert len({each.id for each in client.send_all([good, good])}) == 2
    assert client.send_all([]) == []


def test_a_mailing_is_paused_resumed_and_cancelled(client: Any, database: Database, ledger: Ledger) -> None:
    """Once it runs; before, it is said why not."""
    submitted = client.submit(SALE, people(2))
    with pytest.raises(Conflict, match="loading"):
        client.pause("spring")
    if ledger.counts()["mailing"] == 0:
        return  # not committed: nothing can start it
    sealing.seal_complete(database)

    assert client.progress("spring").state == "running"
    assert client.pause("spring").state == "paused"
    assert client.resume(submitted.id).state == "running"
    cancelled = client.cancel("spring")
    assert (cancelled.state, cancelled.num_pending, cancelled.num_skipped) == ("cancelled", 2, 0)


def test_a_cancel_writes_one_row_and_the_upkeep_skips_what_has_not_begun(
    producer: Producer, database: Database, ledger: Ledger, heard: Callable[[], int]
) -> None:
    """However large the mailing is: what a producer's transaction writes is locked for as long as he likes."""
    producer.client.submit(SALE, people(2))
    producer.commit()
    sealing.seal_complete(database)
    heard()
    assert producer.client.cancel("spring").state == "cancelled"
    with database.begin() as tx:
        assert tx.execute(text("SELECT id FROM batch FOR UPDATE SKIP LOCKED")).rowcount == 1
        assert tx.execute(text("SELECT seq FROM delivery FOR UPDATE SKIP LOCKED")).rowcount == 2
    producer.commit()

    assert heard() == 1
    Upkeep(database, Dispatcher(database, QuietDoorbell())).tick()
    assert ledger.rows("SELECT state, skip FROM delivery") == [("skipped", "cancelled")] * 2
    assert ledger.rows("SELECT state, num_skipped FROM batch") == [("cancelled", 2)]


def test_another_organizations_mailings_are_not_there(database: Database, database_url: str) -> None:
    """Neither by their ids nor by their keys; a key is each organization's own."""
    with database.begin() as tx:
        tx.execute(text("INSERT INTO organization (public_id, name) VALUES ('org_b', 'other')"))
    with Client(database_url) as mine, Client(database_url, organization="other") as theirs:
        submitted = mine.submit(SALE, people(1))
        message = mine.send(MESSAGE)
        for ask in (
            theirs.progress,
            theirs.pause,
            theirs.resume,
            theirs.cancel,
            lambda reference: list(theirs.deliveries(reference)),
        ):
            for reference in (submitted.id, "spring"):
                with pytest.raises(NotFound):
                    ask(reference)
        with pytest.raises(NotFound):
            theirs.message(message.id)

        assert theirs.history("p1@people.example") == []
        assert theirs.submit(SALE, people(2)).created


def test_an_unknown_organization_is_not_found(database_url: str) -> None:
    """By its name."""
    with Client(database_url, organization="nobody") as client, pytest.raises(NotFound, match="nobody"):
        client.submit(SALE, people(1))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"key": "a\nb"}, "key"),
        ({"subject": "{{ broken"}, "subject"),
        ({"sender": "nobody"}, "sender"),
        ({"text": None}, "content"),
        ({"headers": {"Bcc": "a@x.example"}}, "header Bcc"),
        ({"lane": "fast"}, "lane"),
        ({"doubt_policy": "guess"}, "doubt_policy"),
        ({"scheduled_at": datetime(2030, 1, 1)}, "scheduled_at"),  # noqa: DTZ001 - that is the point
        ({"scheduled_at": datetime(2020, 1, 1, tzinfo=UTC)}, "scheduled_at"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "expires_at"),
        ({"text": "Dear {{ nmae }}"}, "recipients"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_field_at_fault_is_named(database_url: str, ledger: Ledger, change: dict[str, Any], field: str) -> None:
    """And nothing is stored."""
    values = {"name": "Sale", "subject": "s", "sender": "a@shop.example", "text": "Dear {{ name }}"} | change
    with Client(database_url) as client, pytest.raises(BadInput) as raised:
        client.submit(Mailing(**values), people(3))

    assert raised.value.field == field
    assert ledger.counts()["mailing"] == 0


def test_a_time_that_is_past_by_now_is_no_fault_of_a_known_key(database: Database, database_url: str) -> None:
    """A producer that tries again after an outage gets the mailing he made."""
    now = datetime.now(UTC)
    before, after = (
        Mailing("Sale", "s", "a@shop.example", text="t", key="spring", scheduled_at=now + timedelta(hours=hours))
        for hours in (1, -1)
    )
    with Client(database_url) as client:
        made = client.submit(before, people(1))
        with database.begin() as tx:
            # As if it had been ordered two hours ago.
            tx.execute(text("UPDATE mailing SET content_digest = :digest"), {"digest": mailing_order(after).digest()})
        again = client.submit(after, people(1))

    assert (again.id, again.created) == (made.id, False)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (17, "recipients[2]"),
        ({"email": "a@x.example"}, "recipients[2]"),
        ({"address": "a@x.example", "name": "Ann"}, "recipients[2]"),
        (Recipient("a@x.example", 17), "recipients[2]"),  # type: ignore[arg-type]
        (Recipient(None, {}), "recipients[2]"),  # type: ignore[arg-type]
        (Recipient("a@x.example", {"when": datetime.now(UTC)}), "recipients[2].variables.when"),
        (Recipient("a@x.example", {17: "x"}), "recipients[2]"),  # type: ignore[dict-item]
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_recipient_of_another_shape_is_refused(database_url: str, ledger: Ledger, given: Any, field: str) -> None:
    """With its place."""
    with Client(database_url) as client, pytest.raises(BadInput) as raised:
        client.submit(SALE, [*people(2), given])

    assert raised.value.field == field
    assert ledger.counts()["mailing"] == 0


def test_a_mailing_is_sealed_and_started_by_the_leader(database: Database, database_url: str, ledger: Ledger) -> None:
    """Repeated addresses are skipped then, unless the mailing wants them; and the books balance."""
    with Client(database_url) as client:
        once = client.submit(SALE, [*people(3), *people(2)])
        twice = client.submit(Mailing("Sale", "s", "a@shop.example", text="t", repeats=True), [*people(3), *people(2)])
        sealing.seal_complete(database)

        assert client.progress(once.id).num_skipped == 2
        assert client.progress(twice.id).num_skipped == 0
        assert {client.progress(each.id).state for each in (once, twice)} == {"running"}


def test_a_schema_that_does_not_fit_is_told(databases: Any, empty_database_url: str) -> None:
    """Before anything is asked of it."""
    with Client(empty_database_url) as client, pytest.raises(Misconfigured, match="db upgrade"):
        client.submit(SALE, people(1))


@pytest.mark.parametrize(
    "kind", ["own", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("psycopg2", "async-session-asyncpg"))]
)
def test_recipients_are_never_held_all_at_once(kind: str, database_url: str) -> None:
    """60 MB of them pass through, and a fraction of it is there at any moment."""

    def large() -> Iterator[Recipient]:
        for each in range(30_000):
            yield Recipient(f"p{each}@people.example", {"story": f"{each} " * 400})

    def submit(client: Any) -> int:
        tracemalloc.start()
        client.submit(SALE, large())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    if kind == "own":
        with Client(database_url) as client:
            assert submit(client) < 30_000_000
    else:
        with producing(kind, database_url) as producer:
            assert submit(producer.client) < 30_000_000


def test_what_is_no_message_is_refused_in_words(client: Any) -> None:
    """By every client that can be made."""
    with pytest.raises(BadInput, match="give a Message or an Email, not str"):
        client.send("ann@people.example")
    with pytest.raises(BadInput, match="give a Message or an Email, not dict"):
        client.send_all([{"to": "ann@people.example"}])


def test_who_asks_for_a_mailing_that_is_not_there_is_told_no_command(client: Any) -> None:
    """What a client says may reach somebody in a browser."""
    with pytest.raises(NotFound) as told:
        client.progress("spring-sale")

    assert str(told.value) == "there is no mailing `spring-sale`"
