"""API keys: made, presented, expired, revoked; and what the database keeps of them."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from mailq.admin import keys, organizations
from mailq.admin.keys import Refused, Scope
from mailq.core.api_key import ApiKey
from mailq.errors import BadInput, NotFound
from mailq.store.database import Database, moment
from mailq.store.tables import api_key


class NoDatabase:
    """Asked for a transaction it says so."""

    def begin(self):
        raise AssertionError("the database was asked")


def used_at(database: Database, public_id: str):
    with database.begin() as tx:
        return tx.execute(select(api_key.c.last_used_at).where(api_key.c.public_id == public_id)).scalar_one()


def test_a_key_says_whose_it_is_and_what_it_allows(database):
    organizations.create(database, "acme")
    made = keys.create(database, "acme", "shop", ["send", "read"], rate_per_s=7)

    who = keys.authenticate(database, made.key)

    assert who.organization == "acme"
    assert who.organization_id == organizations.find(database, "acme")
    assert (who.key_id, who.scopes, who.rate_per_s) == (made.public_id, {Scope.SEND, Scope.READ}, 7)


def test_an_admin_key_allows_everything(database):
    made = keys.create(database, "default", "ops", ["admin"])
    assert keys.authenticate(database, made.key).scopes == set(Scope)


def test_the_secret_is_shown_once_and_kept_nowhere(database):
    made = keys.create(database, "default", "shop", ["send"])
    secret = made.key.removeprefix(f"mq_{made.public_id}_")
    with database.begin() as tx:
        row = tx.execute(text("SELECT api_key::text FROM api_key")).scalar_one()
    assert made.public_id in row
    assert secret[:39] not in row + repr(made) + repr(keys.list_(database, None))


def test_a_typo_is_refused_without_asking_the_database():
    with pytest.raises(Refused, match="mistyped"):
        keys.authenticate(NoDatabase(), "mq_0000000000_nonsense")


def test_who_does_not_know_the_secret_is_told_nothing(database):
    made = keys.create(database, "default", "shop", ["send"])
    guessed = ApiKey.made_of(bytes(6), bytes(24))._replace(public_id=made.public_id).written
    stranger = ApiKey.made_of(bytes(6), bytes(24)).written
    keys.revoke(database, None, made.public_id)
    for presented in (guessed, stranger):
        with pytest.raises(Refused, match="not known here"):
            keys.authenticate(database, presented)


def test_a_revoked_key_is_good_for_nothing(database):
    made = keys.create(database, "default", "shop", ["send"])
    assert keys.revoke(database, None, f"mq_{made.public_id}")
    assert not keys.revoke(database, None, made.public_id)
    with pytest.raises(Refused, match="was revoked"):
        keys.authenticate(database, made.key)


def test_nobody_revokes_or_sees_another_organizations_keys(database):
    other = organizations.create(database, "acme").id
    made = keys.create(database, "default", "shop", ["send"])
    with pytest.raises(NotFound):
        keys.revoke(database, other, made.public_id)
    assert keys.list_(database, other) == []
    assert [each.public_id for each in keys.list_(database, None)] == [made.public_id]
    keys.authenticate(database, made.key)


def test_a_key_expires_by_the_databases_clock(database):
    with database.begin() as tx:
        now = moment(tx)
    made = keys.create(database, "default", "shop", ["send"], expires_at=now + timedelta(hours=1))
    keys.authenticate(database, made.key)
    with database.begin() as tx:
        tx.execute(update(api_key).values(expires_at=now))
    with pytest.raises(Refused, match="has expired"):
        keys.authenticate(database, made.key)


def test_its_last_use_is_noted_at_most_once_a_minute(database):
    made = keys.create(database, "default", "shop", ["send"])
    assert used_at(database, made.public_id) is None
    keys.authenticate(database, made.key)
    first = used_at(database, made.public_id)
    keys.authenticate(database, made.key)
    assert used_at(database, made.public_id) == first

    earlier = first - timedelta(minutes=2)
    with database.begin() as tx:
        tx.execute(update(api_key).values(last_used_at=earlier))
    keys.authenticate(database, made.key)
    assert used_at(database, made.public_id) > earlier


def test_a_note_of_its_use_waits_for_nobody(database):
    made = keys.create(database, "default", "shop", ["send"])
    with database.begin() as tx:
        tx.execute(select(api_key.c.id).with_for_update())
        keys.authenticate(database, made.key)
    assert used_at(database, made.public_id) is None


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", {"name": "a\nb"}),
        ("name", {"name": " "}),
        ("scopes", {"scopes": []}),
        ("scopes", {"scopes": ["send", "root"]}),
        ("rate_per_s", {"rate_per_s": 0}),
    ],
)
def test_what_makes_no_key_is_refused_by_name(database, field, given):
    with pytest.raises(BadInput) as refused:
        keys.create(database, **{"organization": "default", "name": "shop", "scopes": ["send"], **given})
    assert refused.value.field == field
    assert keys.list_(database, None) == []


def test_a_key_that_would_be_expired_is_not_made(database):
    with database.begin() as tx:
        now = moment(tx)
    for expires_at in (now, now.replace(tzinfo=None) + timedelta(days=1)):
        with pytest.raises(BadInput) as refused:
            keys.create(database, "default", "shop", ["send"], expires_at=expires_at)
        assert refused.value.field == "expires_at"


def test_there_are_no_keys_of_nobody(database):
    with pytest.raises(NotFound, match="no organization `nobody`"):
        keys.create(database, "nobody", "shop", ["send"])
