"""A stream is shown as one wherever mailings are, and its deliveries as those of any mailing."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from mailq.engine import messages, streams
from mailq.store.database import Database
from tests.integration.cli.conftest import Command
from tests.support.mailings import finish_batch, make_owner


@pytest.fixture
def stream(database: Database) -> str:
    """The public id of a stream with two messages, one of them sent."""
    for name in ("ann", "bob"):
        order = messages.order(to=f"{name}@x.example", subject="Your code", sender="shop@x.example", text="42")
        with database.begin() as tx:
            messages.accept(tx, 1, [order])
        streams.move(database)
    with database.begin() as tx:
        first = tx.execute(text("SELECT id FROM batch WHERE number = 1")).scalar_one()
        finish_batch(tx, first, make_owner(tx))
        tx.execute(text("UPDATE delivery SET attempts = 1 WHERE seq = 1"))
        return str(tx.execute(text("SELECT public_id FROM mailing")).scalar_one())


def test_list_and_show_say_that_it_is_one(mailqctl: Command, stream: str) -> None:
    assert "running stream" in mailqctl("mailing", "list").out
    shown = mailqctl("mailing", "show", stream)
    assert "open until" in shown.out
    assert "recipients/s" not in shown.out
    [document] = mailqctl("mailing", "list", "--json").document
    assert (document["is_stream"], document["num_sent"], document["num_pending"]) == (True, 1, 1)
    assert datetime.fromisoformat(document["open_until"]) > datetime.now(UTC)


def test_verify_and_export_know_its_deliveries_by_their_message_ids(mailqctl: Command, stream: str) -> None:
    assert "the books are right" in mailqctl("mailing", "verify", stream).out + mailqctl("mailing", "verify", stream).err
    exported = mailqctl("mailing", "export", stream).out.splitlines()
    assert [line.split(",")[1] for line in exported[1:]] == ["ann@x.example", "bob@x.example"]
    assert exported[1].endswith("@x.example>")


def test_it_can_be_paused_resumed_and_cancelled(mailqctl: Command, stream: str) -> None:
    assert mailqctl("mailing", "pause", stream).code == 0
    assert "paused stream" in mailqctl("mailing", "list").out
    assert mailqctl("mailing", "resume", stream).code == 0
    assert mailqctl("mailing", "cancel", stream, "--yes").code == 0
    [document] = mailqctl("mailing", "list", "--json").document
    assert (document["state"], document["num_sent"], document["num_skipped"]) == ("cancelled", 1, 1)


def test_history_shows_a_message_among_the_mailings(mailqctl: Command, stream: str) -> None:
    [contact] = mailqctl("history", "ann@x.example", "--json").document
    assert (contact["mailing"], contact["state"]) == (stream, "sent")


def test_doctor_takes_it_as_it_is(mailqctl: Command, stream: str) -> None:
    assert "stream" not in mailqctl("doctor").out
