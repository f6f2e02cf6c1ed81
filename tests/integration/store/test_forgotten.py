"""A latch in the database: while it is set nothing is claimed, and what is in work comes to its end."""

from dataclasses import replace

import pytest

from mailq.core.batch import Tally
from mailq.core.mailing import State
from mailq.errors import BooksForgotten
from mailq.store import batches, beats, installation
from tests.support.mailings import finish_batch, make_mailing, make_owner


@pytest.fixture
def mailing(tx):
    return make_mailing(tx, [3, 3])


def test_nothing_can_be_claimed_while_the_database_has_forgotten(tx, mailing):
    owner = make_owner(tx)
    assert installation.latch(tx, "a lower beat")

    assert batches.claim(tx, mailing.batches[0], owner=owner) is None

    installation.accept(tx)
    assert batches.claim(tx, mailing.batches[0], owner=owner) is not None


def test_a_pass_in_work_learns_of_it_as_of_a_pause(tx, mailing):
    held = batches.claim(tx, mailing.batches[0], owner=make_owner(tx))
    installation.latch(tx, "a lower beat")

    assert batches.advance(tx, held, ledger_no=0, watermark=2, tally=Tally()) is State.PAUSED
    assert batches.standing(tx, held) == (1, State.RUNNING)


def test_the_first_reason_stays(tx):
    assert installation.forgotten(tx) is None
    assert installation.latch(tx, "the first")
    assert not installation.latch(tx, "the second")

    assert installation.forgotten(tx).why == "the first"


def test_an_accepted_restore_begins_a_new_life(tx):
    before = installation.uuid(tx)
    secret = installation.secret(tx)
    installation.latch(tx, "a lower beat")

    installation.accept(tx)

    assert installation.forgotten(tx) is None
    assert installation.uuid(tx) != before
    assert installation.secret(tx) == secret


def test_an_owner_who_knows_of_a_later_renewal_claims_nothing(tx, mailing):
    """The database was restored between two renewals of this server."""
    owner = make_owner(tx)
    known = beats.of_servers(tx)["web1:8851"]

    with pytest.raises(BooksForgotten, match=f"knows of renewal {known + 1} of its server, the database of {known} alone"):
        batches.claim(tx, mailing.batches[0], owner=replace(owner, beat=known + 1))
    finish_batch(tx, mailing.batches[0], replace(owner, beat=known))
