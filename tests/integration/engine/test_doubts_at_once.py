"""Everybody at once: whoever settles doubts, works, cancels, finishes and applies policies, the books balance afterwards."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import text

from mailq.core.delivery import Change, State
from mailq.core.in_doubt import Verdict
from mailq.core.mailing import State as Mailing
from mailq.core.outcome import Doubt
from mailq.engine import doubt_lists, doubts, steering
from mailq.engine.doubt_lists import Named
from mailq.engine.ledger import Ledger
from mailq.errors import BadInput, Conflict, LeaseLost, NotFound
from mailq.store import batches, deliveries, endings, mailings
from mailq.store.deliveries import Settled
from tests.support.doubts import doubtful_mailing, require_balance
from tests.support.mailings import make_owner

SIZES = [8, 8, 8]
ROUNDS = 6


def resolving(database, made, dice):
    """An operator who names some, right or wrong."""
    named = [Named(made.public_id, dice.randint(1, sum(SIZES)), dice.choice(list(Verdict))) for _ in range(dice.randint(1, 4))]
    doubt_lists.resolve(database, named, actor="ann@desk")


def resolving_all(database, made, dice):
    """An operator who settles the whole mailing for one reason."""
    doubts.resolve_mailing(
        database, made.public_id, dice.choice(list(Verdict)), actor="bob@desk", reason=dice.choice(list(Doubt))
    )


def policies(database, made, dice):
    """Upkeep."""
    doubts.apply_policies(database, older_than=timedelta(0), limit=2)


def working(database, made, dice):
    """A worker process: claims a batch, ends some in doubt, hands back."""
    with database.begin() as tx:
        held = batches.claim(tx, dice.choice(made.batches), owner=make_owner(tx, f"web{threading.get_ident()}:1"))
    if held is None:
        return
    with database.begin() as tx:
        work = deliveries.worklist(tx, held)
    ledger = Ledger(database, held, relay="relay:25")
    for one in work:
        doubtful = Change(State.IN_DOUBT, doubt=dice.choice(list(Doubt)))
        ledger.commit([Settled(one.seq, one.state, dice.choice([doubtful, Change(State.SENT, reply="250 ok")]))], one.seq)
    ledger.close()


def finishing(database, made, dice):
    """Upkeep that finds what was overlooked."""
    with database.begin() as tx:
        endings.finish_mailing(tx, made.id)


def again_and_again(act, database, made, dice):
    """What another one was faster with is no mistake; books that differ are."""
    for _ in range(ROUNDS):
        with suppress(Conflict, NotFound, BadInput, LeaseLost):
            act(database, made, dice)


@pytest.mark.parametrize("seed", range(2))
def test_the_books_balance_whoever_comes_first(database, seed):
    made = doubtful_mailing(database, SIZES, dict.fromkeys(range(1, 25), Doubt.RELAY_CLOSED))
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET doubt_policy = 'resend'"))
    acts = (resolving, resolving_all, policies, working, working, finishing)
    with ThreadPoolExecutor(len(acts)) as threads:
        dice = [random.Random(f"{seed} {number}") for number in range(len(acts))]
        running = [threads.submit(again_and_again, act, database, made, one) for act, one in zip(acts, dice, strict=True)]
        running[0].result()
        if seed:  # and once it is cancelled in the middle of it all
            with suppress(Conflict):
                steering.cancel(database, made.public_id)
        for each in running:
            each.result()
    books = require_balance(database, made)
    with database.begin() as tx:
        state = mailings.get(tx, made.id).state
        undone = tx.execute(text("SELECT count(*) FROM batch WHERE state IN ('ready', 'leased', 'waiting')")).scalar_one()
    assert state is not Mailing.FINISHED or books.complete
    assert undone or not books.num_pending + books.num_deferred
