"""`key` and `organization`: made, listed, revoked; a secret is printed once, alone."""

import pytest

from mailq.admin import keys
from mailq.admin.keys import Refused, Scope
from mailq.store.database import Database
from tests.integration.cli.conftest import Command


def test_a_key_is_printed_alone_and_opens_the_door(mailqctl: Command, database: Database) -> None:
    assert mailqctl("organization", "create", "acme").code == 0
    done = mailqctl(
        "key", "create", "--name", "shop", "--scope", "send", "--scope", "read", "--organization", "acme", "--rate", "5"
    )

    assert done.code == 0, done.err
    who = keys.authenticate(database, done.out.strip())
    assert (who.organization, who.scopes, who.rate_per_s) == ("acme", {Scope.SEND, Scope.READ}, 5)
    assert "shown once" in done.err
    assert done.out.strip() not in done.err


def test_keys_are_listed_without_their_secrets_and_revoked(mailqctl: Command, database: Database) -> None:
    made = mailqctl("key", "create", "--name", "shop", "--scope", "admin", "--expires", "2999-01-01T00:00Z", "--json").document
    listed = mailqctl("key", "list", "--json")

    (only,) = listed.document
    assert (only["id"], only["name"], only["scopes"]) == (made["id"], "shop", ["admin"])
    assert only["expires_at"].startswith("2999-01-01")
    assert made["key"] not in listed.out
    assert "shop" in mailqctl("key", "list").out

    assert mailqctl("key", "revoke", f"mq_{made['id']}").code == 0
    assert "before" in mailqctl("key", "revoke", made["id"]).out
    assert mailqctl("key", "revoke", "nothing").code == 4
    with pytest.raises(Refused, match="revoked"):
        keys.authenticate(database, made["key"])


def test_what_makes_no_key_is_refused(mailqctl: Command) -> None:
    assert mailqctl("key", "create", "--name", "shop", "--scope", "root").code == 2
    assert mailqctl("key", "create", "--name", "shop").code == 2
    assert mailqctl("key", "create", "--name", "", "--scope", "send").code == 65
    assert mailqctl("key", "create", "--name", "shop", "--scope", "send", "--expires", "2020-01-01T00:00Z").code == 65
    assert mailqctl("key", "create", "--name", "shop", "--scope", "send", "--organization", "nobody").code == 4
    assert mailqctl("key", "list", "--json").document == []
    assert mailqctl("key", "list", "--organization", "nobody").code == 4


def test_organizations_are_made_once_and_listed(mailqctl: Command) -> None:
    made = mailqctl("organization", "create", "acme", "--json").document
    assert mailqctl("organization", "create", "acme").code == 5
    first = mailqctl("organization", "list", "--json").document[0]
    assert (first["name"], first["id"]) == ("acme", made["id"])
    assert "default" in mailqctl("organization", "list").out
