"""`mailqctl db prune` shows before it deletes, and deletes nothing that it was not told to."""

from datetime import timedelta

import pytest

from mailq.core.mailing import State
from mailq.store import mailings
from mailq.store.database import moment
from tests.support.mailings import finish_batch, make_mailing, make_owner


@pytest.fixture
def old(database):
    """A finished mailing of two months ago."""
    with database.begin() as tx:
        at = moment(tx).replace(day=15) - timedelta(days=60)
        made, owner = make_mailing(tx, [3], now=at), make_owner(tx)
        finish_batch(tx, made.batches[0], owner)
        mailings.step(tx, made.id, State.FINISHED)
    return made


def num_mailings(database):
    with database.begin() as tx:
        return len(mailings.summaries(tx))


def test_a_dry_run_shows_the_months_and_deletes_nothing(mailqctl, database, old):
    found = mailqctl("db", "prune", "--older-than", "1", "--dry-run", "--yes", "--json")
    assert found.code == 0
    assert [(each["num_mailings"], each["num_profiles"], each["pruned"]) for each in found.document] == [(1, 3, False)]
    assert num_mailings(database) == 1


def test_nothing_is_deleted_without_a_yes(mailqctl, database, old):
    found = mailqctl("db", "prune", "--older-than", "1")
    assert (found.code, num_mailings(database)) == (65, 1)
    assert "--yes" in found.err


def test_with_a_yes_the_month_goes(mailqctl, database, old):
    found = mailqctl("db", "prune", "--older-than", "1", "--yes")
    assert (found.code, num_mailings(database)) == (0, 0)
    assert "1 months pruned" in found.err


def test_the_setting_says_what_is_old(mailqctl, database, old):
    found = mailqctl("db", "prune", "--yes", env={"MAILQ_RETENTION__MONTHS": "2"})
    assert (found.code, num_mailings(database)) == (0, 1)
    found = mailqctl("db", "prune", "--yes", env={"MAILQ_RETENTION__MONTHS": "1"})
    assert (found.code, num_mailings(database)) == (0, 0)


def test_what_is_kept_says_why(mailqctl, database, old):
    with database.begin() as tx:
        mailings.step(tx, old.id, State.RUNNING)
    found = mailqctl("db", "prune", "--older-than", "2000-01", "--yes")
    assert "no month is old enough" in found.out
    found = mailqctl("db", "prune", "--older-than", "1", "--yes")
    assert "no: 1 of its mailings have not ended" in found.out
    assert num_mailings(database) == 1


@pytest.mark.parametrize("words", [(), ("--older-than", "soon"), ("--older-than", "2026-13"), ("--older-than", "0")])
def test_a_prune_that_does_not_say_what_is_old_is_refused(mailqctl, database, old, words):
    assert mailqctl("db", "prune", *words, "--yes").code == 65
    assert num_mailings(database) == 1


def test_one_mailing_is_pruned_by_name(mailqctl, database, old):
    assert mailqctl("db", "prune", "--mailing", old.public_id, "--older-than", "1", "--yes").code == 65
    assert mailqctl("db", "prune", "--mailing", old.public_id, "--yes").code == 0
    assert num_mailings(database) == 0
