"""Pause, resume, cancel, drop: what they change, what they refuse, and that twice is once."""

import pytest

from mailq.core.mailing import Books, State
from mailq.engine import steering
from mailq.errors import Conflict, NotFound
from mailq.store import batches
from mailq.store.database import Database
from tests.integration.producer.conftest import Ledger, Submit, people
from tests.support.mailings import make_mailing, make_owner, states


def test_pause_and_resume_may_be_said_twice(submit: Submit, database: Database) -> None:
    mailing = submit(people(2)).public_id

    assert [steering.pause(database, mailing).state for _ in range(2)] == [State.PAUSED] * 2
    assert [steering.resume(database, mailing).state for _ in range(2)] == [State.RUNNING] * 2


def test_cancel_skips_what_nobody_holds_and_balances(submit: Submit, database: Database, ledger: Ledger) -> None:
    mailing = submit(people(250) + "bad,x\n", batch_size=10).public_id

    assert [steering.cancel(database, mailing).state for _ in range(2)] == [State.CANCELLED] * 2
    assert ledger.mailings()[0].books == Books(num_profiles=251, num_skipped=251)
    assert {each.skip for each in ledger.deliveries()} == {"cancelled", "invalid"}
    assert ledger.mailings()[0].num_batches_done == 26
    ledger.require_balance()


def test_cancel_leaves_a_leased_batch_to_its_holder(database: Database) -> None:
    with database.begin() as tx:
        made = make_mailing(tx, (2, 2))
        assert batches.claim(tx, made.batches[0], owner=make_owner(tx)) is not None

    steering.cancel(database, made.public_id)

    with database.begin() as tx:
        assert list(states(tx, made.id).values()) == ["pending", "pending", "skipped", "skipped"]


def test_what_a_state_does_not_allow_is_a_conflict_in_a_sentence(submit: Submit, database: Database) -> None:
    finished = submit("email\nbad\n").public_id
    running = submit(people(1)).public_id

    for steer in (steering.pause, steering.resume, steering.cancel):
        with pytest.raises(Conflict, match=f"{finished} is finished: you cannot {steer.__name__} it"):
            steer(database, finished)
    with pytest.raises(Conflict, match="is running: only one that is still loading can be dropped"):
        steering.drop(database, running)
    with pytest.raises(NotFound):
        steering.pause(database, "mlg_nothing")
