"""The secrets that webhooks are signed with: made, added and removed."""

from collections.abc import Sequence
from threading import Thread

import pytest
from sqlalchemy import Connection, text

from mailq.core.webhook_secret import MOST, key_of, of_key
from mailq.engine.calls import webhook_secrets
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store.database import Database
from tests.support.waiting import eventually

US = 1


@pytest.fixture
def other(tx: Connection) -> int:
    """Another organization."""
    made = text("INSERT INTO organization (public_id, name) VALUES ('org_other', 'other') RETURNING id")
    return int(tx.execute(made).scalar_one())


def test_the_first_secret_is_made_when_somebody_asks_for_it(tx: Connection, other: int) -> None:
    [ours], [theirs] = webhook_secrets.listed(tx, US), webhook_secrets.listed(tx, other)

    assert len(key_of(ours)) == 32
    assert ours != theirs
    assert webhook_secrets.of_all(tx, {US, other}) == {US: [ours], other: [theirs]}


def test_a_new_one_comes_before_an_old_one_goes(tx: Connection) -> None:
    [old] = webhook_secrets.listed(tx, US)
    new = webhook_secrets.add(tx, US)
    assert webhook_secrets.listed(tx, US) == [old, new]

    webhook_secrets.remove(tx, US, old)
    assert webhook_secrets.listed(tx, US) == [new]


def test_one_of_the_producers_own_is_added_once(tx: Connection) -> None:
    own = of_key(b"k" * 24)
    assert webhook_secrets.add(tx, US, own) == webhook_secrets.add(tx, US, own) == own

    assert webhook_secrets.listed(tx, US)[1:] == [own]


def test_the_last_one_stays_because_nothing_is_sent_without_a_signature(tx: Connection) -> None:
    [only] = webhook_secrets.listed(tx, US)

    with pytest.raises(Conflict, match="add another one first"):
        webhook_secrets.remove(tx, US, only)


def test_there_are_not_more_than_fit_into_a_header(tx: Connection) -> None:
    while len(webhook_secrets.listed(tx, US)) < MOST:
        webhook_secrets.add(tx, US)

    with pytest.raises(Conflict, match="there are 5"):
        webhook_secrets.add(tx, US)


def test_what_is_no_secret_is_refused(tx: Connection) -> None:
    with pytest.raises(BadInput) as refused:
        webhook_secrets.add(tx, US, "whsec_tooshort")
    assert refused.value.field == "secret"


def test_what_is_not_there_cannot_be_removed(tx: Connection, other: int) -> None:
    """Nor can another's."""
    webhook_secrets.listed(tx, US)
    [theirs] = webhook_secrets.listed(tx, other)

    with pytest.raises(NotFound):
        webhook_secrets.remove(tx, US, theirs)


def test_two_who_need_the_first_one_at_once_get_the_same(database: Database) -> None:
    """A receiver would be given one, and webhooks be signed with the other."""
    found: list[Sequence[str]] = []

    def ask() -> None:
        with database.begin() as tx:
            found.append(webhook_secrets.listed(tx, US))

    def somebody_waits() -> bool:
        with database.begin() as tx:
            return bool(tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())

    asking = Thread(target=ask)
    with database.begin() as tx:
        made = webhook_secrets.listed(tx, US)
        asking.start()
        eventually(somebody_waits)
    asking.join()

    assert found == [made]
