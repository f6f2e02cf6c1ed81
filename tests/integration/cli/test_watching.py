"""list, show, watch, export and history: people and programs read the same books."""

import csv
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from mailq.core.mailing import State
from mailq.store import mailings
from mailq.store.database import Database
from tests.integration.cli.conftest import Command


def settle(database: Database, reference: str) -> None:
    """Let Ann's mail be sent and Bob's be refused, as a worker would have written it, and end the mailing."""
    with database.begin() as tx:
        found = mailings.find(tx, reference)
        write = "UPDATE delivery SET state = :state, attempts = 1, reply = :reply, settled_at = now() WHERE address = :address"
        tx.execute(text(write), {"state": "sent", "reply": "250 ok", "address": "ann@x.example"})
        tx.execute(text(write), {"state": "error", "reply": "550 no such user", "address": "bob@x.example"})
        tx.execute(text("UPDATE batch SET num_sent = 1, num_errors = 1, state = 'finished', finished_at = now()"))
        mailings.step(tx, found.id, State.FINISHED)


def test_list_shows_the_newest_first_and_filters_by_state(
    mailqctl: Command, submitted: str, people: str, content: str, database: Database
) -> None:
    newer = mailqctl("mailing", "submit", people, "--content", content, "--json").document["mailing"]
    mailqctl("mailing", "pause", newer)

    assert [each["mailing"] for each in mailqctl("mailing", "list", "--json").document] == [newer, submitted]
    assert [each["mailing"] for each in mailqctl("mailing", "list", "--state", "paused", "--json").document] == [newer]
    table = mailqctl("mailing", "list").out.splitlines()
    assert table[0].startswith("MAILING")
    assert table[1].split()[0] == newer


def test_an_empty_list_is_an_empty_array_and_a_hint(mailqctl: Command) -> None:
    assert mailqctl("mailing", "list", "--json").document == []
    assert "no mailings yet" in mailqctl("mailing", "list").err


def test_show_prints_the_equation_and_why_nothing_moves(mailqctl: Command, submitted: str) -> None:
    done = mailqctl("mailing", "show", submitted)

    assert "num_profiles  4" in done.out
    assert "the books balance" in done.out
    assert "no server is alive that serves the lane `bulk`" in done.out


@pytest.mark.parametrize("reference", ["spring", "{id}", "{prefix}"])
def test_a_mailing_is_found_by_key_id_or_prefix(mailqctl: Command, submitted: str, reference: str) -> None:
    done = mailqctl("mailing", "show", reference.format(id=submitted, prefix=submitted[:12]), "--json")

    assert done.document["mailing"] == submitted


def test_show_errors_counts_what_the_relay_said(mailqctl: Command, submitted: str, database: Database) -> None:
    settle(database, submitted)

    assert "550 no such user" in mailqctl("mailing", "show", submitted, "--errors").out
    shown = mailqctl("mailing", "show", submitted, "--errors", "--json").document
    assert shown["replies"] == [{"state": "error", "reply": "550 no such user", "num": 1}]


def test_one_recipient_can_be_asked_for_in_whatever_case(mailqctl: Command, submitted: str, database: Database) -> None:
    settle(database, submitted)

    of_mailing = mailqctl("mailing", "show", submitted, "--recipient", "BOB@x.example", "--json").document
    history = mailqctl("history", "bob@X.example", "--json").document
    assert [each["reply"] for each in of_mailing] == ["550 no such user"]
    assert of_mailing == history
    assert "550 no such user" in mailqctl("history", "bob@x.example").out


@pytest.mark.parametrize(
    "words",
    [["mailing", "show", "none"], ["mailing", "export", "none"], ["mailing", "watch", "none"], ["mailing", "pause", "none"]],
)
def test_a_mailing_that_is_not_there_is_4(mailqctl: Command, words: list[str]) -> None:
    done = mailqctl(*words)

    assert done.code == 4
    assert done.err == "mailqctl: there is no mailing `none`; `mailqctl mailing list` shows what there is\n"
    assert done.out in ("", "seq,address\n")


def test_a_recipient_that_was_never_there_is_4(mailqctl: Command, submitted: str) -> None:
    assert mailqctl("mailing", "show", submitted, "--recipient", "zoe@x.example").code == 4
    assert mailqctl("history", "zoe@x.example").code == 4


def test_watch_ends_with_0_when_the_books_are_complete(mailqctl: Command, submitted: str, database: Database) -> None:
    settle(database, submitted)

    done = mailqctl("mailing", "watch", submitted)
    assert done.code == 0
    assert "is finished" in done.out
    (document,) = map(json.loads, mailqctl("mailing", "watch", submitted, "--json").out.splitlines())
    assert document["balanced"] is True


def test_watch_of_a_cancelled_mailing_ends_with_1(mailqctl: Command, submitted: str) -> None:
    assert mailqctl("mailing", "cancel", submitted, "--yes").code == 0

    done = mailqctl("mailing", "watch", submitted)
    assert done.code == 1
    assert "is cancelled" in done.out


def test_an_export_names_every_recipient_with_its_outcome(mailqctl: Command, submitted: str, database: Database) -> None:
    settle(database, submitted)

    rows = list(csv.DictReader(io.StringIO(mailqctl("mailing", "export", submitted).out)))

    assert [(row["seq"], row["state"], row["skip"]) for row in rows] == [
        ("1", "sent", ""),
        ("2", "error", ""),
        ("3", "skipped", "duplicate"),
        ("4", "skipped", "invalid"),
    ]
    assert rows[0]["message_id"].endswith("@x.example>")
    assert rows[3]["message_id"] == ""


def test_an_export_as_ndjson_has_the_same_rows(mailqctl: Command, submitted: str, database: Database) -> None:
    settle(database, submitted)

    lines = mailqctl("mailing", "export", submitted, "--json", "--state", "sent").out.splitlines()

    assert [json.loads(line)["address"] for line in lines] == ["ann@x.example"]


def test_an_export_into_a_file_is_whole_or_not_there(mailqctl: Command, submitted: str, tmp_path: Path) -> None:
    target = tmp_path / "out" / "sale.csv"
    assert mailqctl("mailing", "export", submitted, "--output", str(target)).code == 69
    target.parent.mkdir()

    assert mailqctl("mailing", "export", "none", "--output", str(target)).code == 4
    assert list(target.parent.iterdir()) == []
    assert mailqctl("mailing", "export", submitted, "--output", str(target)).code == 0
    assert [path.name for path in target.parent.iterdir()] == ["sale.csv"]
    assert len(target.read_text().splitlines()) == 5


def test_steering_takes_the_steps_that_a_state_allows(mailqctl: Command, submitted: str) -> None:
    assert mailqctl("mailing", "resume", submitted).code == 0  # it runs already: no mistake
    assert mailqctl("mailing", "pause", submitted).code == 0
    assert "it is paused" in mailqctl("mailing", "show", submitted).out
    assert mailqctl("mailing", "resume", submitted).code == 0
    assert mailqctl("mailing", "cancel", submitted).code == 65  # nobody said yes
    assert mailqctl("mailing", "cancel", submitted, "--yes").code == 0
    refused = mailqctl("mailing", "pause", submitted)
    assert refused.code == 5
    assert "is cancelled: you cannot pause it" in refused.err
    shown = mailqctl("mailing", "show", submitted, "--json").document
    assert (shown["num_skipped"], shown["num_pending"], shown["balanced"]) == (4, 0, True)


def test_too_short_a_piece_of_an_id_is_told_how_long_it_must_be(mailqctl: Command) -> None:
    assert "write at least its first 8 characters" in mailqctl("mailing", "show", "mlg_kg6").err
