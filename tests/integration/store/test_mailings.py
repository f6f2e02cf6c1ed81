"""Mailings are found, listed and stepped as people mean it."""

import pytest
from sqlalchemy import Connection

from mailq.core.mailing import Books, State, month_of
from mailq.core.transitions import IllegalStep
from mailq.errors import Conflict, NotFound
from mailq.store import mailings
from mailq.store.database import Database
from tests.support.mailings import make_mailing


def test_an_id_carries_the_month(tx: Connection) -> None:
    made = mailings.get(tx, make_mailing(tx).id)

    assert made.id >> 40 == month_of(made.created_at)


def test_a_mailing_is_found_by_id_and_by_the_beginning_of_it(tx: Connection) -> None:
    made = make_mailing(tx)

    assert mailings.find(tx, made.public_id).id == made.id
    assert mailings.find(tx, made.public_id[:-2]).id == made.id
    for nothing in ("", "mlg_", made.public_id[:7], "mlg_%%%%%%", "nonsense"):
        with pytest.raises(NotFound):
            mailings.find(tx, nothing)


def test_a_beginning_that_several_share_is_refused(tx: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["twins_one", "twins_two"])
    monkeypatch.setattr("tests.support.mailings.secrets.token_hex", lambda _: next(names))
    make_mailing(tx)
    make_mailing(tx)

    with pytest.raises(Conflict, match="several mailings"):
        mailings.find(tx, "mlg_twins")


def test_the_newest_come_first_and_pages_follow_by_key(database: Database) -> None:
    with database.begin() as tx:
        made = [make_mailing(tx, (2, 3)).id for _ in range(5)]
        first = mailings.summaries(tx, limit=2)
        rest = mailings.summaries(tx, limit=9, before=first[-1].mailing.id)

        assert [each.mailing.id for each in first + rest] == made[::-1]
        assert {each.books for each in first} == {Books(num_profiles=5, num_pending=5)}
        assert (first[0].num_batches, first[0].num_batches_done) == (2, 0)
        mailings.step(tx, made[0], State.PAUSED)
        assert [each.mailing.id for each in mailings.summaries(tx, states=[State.PAUSED])] == [made[0]]


def test_a_step_that_the_core_does_not_know_is_refused(tx: Connection) -> None:
    made = make_mailing(tx)
    mailings.step(tx, made.id, State.CANCELLED)

    with pytest.raises(IllegalStep):
        mailings.step(tx, made.id, State.RUNNING)


def test_records_are_counted_as_loaded_only_by_who_knows_the_count(tx: Connection) -> None:
    made = make_mailing(tx)

    assert not mailings.note_loaded(tx, made.id, before=0, after=5), "it runs already"


def test_one_process_at_a_time_loads_a_mailing(database: Database) -> None:
    with mailings.loading(database, 7) as first, mailings.loading(database, 7) as second, mailings.loading(database, 8) as other:
        assert (first, second, other) == (True, False, True)
    with mailings.loading(database, 7) as again:
        assert again
