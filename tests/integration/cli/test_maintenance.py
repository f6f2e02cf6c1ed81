"""An operator begins, sees and ends maintenance, and whoever looks is told why nothing moves."""

import pytest
from sqlalchemy import text

from mailq.store.database import Database
from tests.integration.cli.conftest import Command

NONE = {"maintenance": False, "since": None, "by": None, "why": None}


def audited(database: Database) -> list[tuple[str, str | None]]:
    with database.begin() as tx:
        return [(row.action, row.details["why"]) for row in tx.execute(text("SELECT action, details FROM audit ORDER BY id"))]


def test_it_is_begun_seen_and_ended(mailqctl: Command, database: Database) -> None:
    assert mailqctl("maintenance", "status", "--json").document == NONE

    begun = mailqctl("maintenance", "on", "--why", "the relay moves")
    assert (begun.code, begun.err) == (0, "")
    assert "maintenance since" in begun.out
    shown = mailqctl("maintenance", "status", "--json").document
    assert (shown["maintenance"], shown["why"], "@" in shown["by"]) == (True, "the relay moves", True)
    assert "the relay moves" in mailqctl("maintenance", "status").out

    ended = mailqctl("maintenance", "off")
    assert (ended.code, "the relay moves" in ended.out) == (0, True)
    assert mailqctl("maintenance", "status", "--json").document == NONE
    assert "no maintenance" in mailqctl("maintenance", "status").out
    assert audited(database) == [("maintenance.on", "the relay moves"), ("maintenance.off", "the relay moves")]


def test_said_again_it_is_no_mistake_and_changes_nothing(mailqctl: Command, database: Database) -> None:
    """Neither since when, by whom and why, nor the audit."""
    mailqctl("maintenance", "on", "--why", "the relay moves")
    first = mailqctl("maintenance", "status", "--json").document

    again = mailqctl("maintenance", "on", "--why", "another reason")
    assert (again.code, "nothing was changed" in again.err, "the relay moves" in again.out) == (0, True, True)
    assert mailqctl("maintenance", "status", "--json").document == first

    mailqctl("maintenance", "off")
    again = mailqctl("maintenance", "off")
    assert (again.code, again.out, "nothing was changed" in again.err) == (0, "", True)
    assert len(audited(database)) == 2


@pytest.mark.parametrize("why", ["x" * 501, "two\nlines", "bell\a"])
def test_a_reason_that_nobody_could_read_is_refused(mailqctl: Command, why: str) -> None:
    done = mailqctl("maintenance", "on", "--why", why)

    assert (done.code, "500 printable characters" in done.err) == (65, True)
    assert mailqctl("maintenance", "status", "--json").document == NONE


def test_whoever_looks_is_told(mailqctl: Command, submitted: str) -> None:
    """The commands that one asks why nothing moves."""
    asked = [("doctor",), ("mailing", "show", submitted), ("backlog",), ("backlog", "--json"), ("server", "list")]
    said = "maintenance since"
    assert [said in done.out + done.err for done in (mailqctl(*words) for words in asked)] == [False] * len(asked)

    mailqctl("maintenance", "on", "--why", "the relay moves")

    for words in asked:
        done = mailqctl(*words)
        assert said in done.out + done.err, words
        assert "the relay moves" in done.out + done.err, words
    assert "mailqctl maintenance off" in mailqctl("doctor").out
    assert "mailqctl maintenance off" in mailqctl("mailing", "show", submitted, "--json").document["why_not_moving"][0]
    assert len(mailqctl("backlog", "--json").document) == 3


def test_a_mailing_whose_hour_passes_says_why_it_does_not_start(mailqctl: Command, submitted: str, database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET state = 'scheduled', started_at = NULL, scheduled_at = now()"))
    mailqctl("maintenance", "on")

    why = mailqctl("mailing", "show", submitted, "--json").document["why_not_moving"]

    assert [reason.split(" ")[:3] for reason in why] == [["nothing", "is", "sent"], ["it", "is", "scheduled"]]


def test_everything_is_accepted(mailqctl: Command, people: str, content: str, database: Database) -> None:
    """And nobody is rung for what could not be claimed."""
    mailqctl("maintenance", "on")

    done = mailqctl("mailing", "submit", people, "--content", content, "--json")

    assert (done.code, done.document["state"]) == (0, "running")
    with database.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM batch WHERE rung_at IS NOT NULL")).scalar_one() == 0
