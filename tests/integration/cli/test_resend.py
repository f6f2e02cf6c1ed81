"""`mailing resend` and `backlog`: what people type, and what they are told."""

import pytest
from sqlalchemy import text

from mailq.store.database import Database
from tests.integration.cli.conftest import Command


@pytest.fixture
def failed(submitted: str, database: Database) -> str:
    """A finished mailing of which two recipients ended in an error."""
    with database.begin() as tx:
        tx.execute(text("UPDATE delivery SET state = 'error', reply = '550 no', settled_at = now() WHERE state = 'pending'"))
        tx.execute(text("UPDATE batch SET state = 'finished', num_errors = num_profiles - num_skipped"))
        tx.execute(text("UPDATE mailing SET state = 'finished', finished_at = now()"))
    return submitted


def test_all_errors_are_sent_again_after_a_yes(mailqctl: Command, failed: str) -> None:
    assert mailqctl("mailing", "resend", "spring").code == 65
    done = mailqctl("mailing", "resend", "spring", "--yes")
    assert (done.code, "2 deliveries are sent again" in done.out) == (0, True), done.err
    shown = mailqctl("mailing", "show", failed, "--json").document
    assert (shown["state"], shown["num_pending"], shown["num_errors"], shown["balanced"]) == ("running", 2, 0, True)
    assert "nothing" in mailqctl("mailing", "resend", failed, "--yes").err


def test_who_is_named_is_sent_to_again_at_once(mailqctl: Command, failed: str) -> None:
    assert mailqctl("mailing", "resend", failed, "ann@x.example", "--json").document == {"mailing": failed, "num": 1}
    refused = mailqctl("mailing", "resend", failed, "ann@x.example")
    assert refused.code == 5
    assert "it is pending" in refused.err
    assert mailqctl("mailing", "resend", failed, "nobody@x.example").code == 4
    assert mailqctl("mailing", "resend", failed, "nobody").code == 2
    assert mailqctl("mailing", "resend", failed, "--state", "sent", "--yes").code == 2


def test_the_backlog_is_shown_by_lane(mailqctl: Command, submitted: str) -> None:
    lanes = {each["lane"]: each for each in mailqctl("backlog", "--json").document}
    assert list(lanes) == ["transactional", "normal", "bulk"]
    assert (lanes["bulk"]["num_ready"], lanes["bulk"]["num_pending"], lanes["bulk"]["num_slots"]) == (1, 2, 0)
    assert lanes["bulk"]["oldest_ready_age_s"] >= 0
    assert lanes["normal"]["oldest_ready_age_s"] is None
    assert "transactional" in mailqctl("backlog").out
