"""The doctor looks at the migration list: entries that mean nobody, servers that are alive."""

import pytest
from sqlalchemy import text

from tests.support.mailings import make_owner


@pytest.fixture
def about_servers(mailqctl, database):
    """What the doctor of server `me` finds about other servers, as (level, text)."""
    with database.begin() as tx:
        for name in ("me", "alive", "dead"):
            make_owner(tx, name)
        tx.execute(text("UPDATE server SET lease_until = now() - interval '1 s' WHERE name = 'dead'"))

    def look(listed):
        env = {"MAILQ_MIGRATION_LIST": listed, "MAILQ_SERVER_ID": "me"}
        found = mailqctl("doctor", "--json", env=env).document
        return [(one["level"], one["text"], one["fix"]) for one in found if "migration list" in one["text"]]

    return look


def test_nothing_is_said_about_no_list(about_servers):
    assert about_servers("") == []


def test_a_listed_server_that_is_alive_and_one_that_is_unknown_are_warnings(about_servers):
    unknown, alive, dead = about_servers("alive,dead,nobody:8851")
    assert unknown[:2] == ("warn", "migration list: entry `nobody:8851` means no server that ever started")
    assert alive[:2] == ("warn", "migration list: server alive is alive on host web1; while it is, nothing of it is taken")
    assert "mailqctl server migrate --force" in alive[2]
    assert dead[:2] == ("ok", "migration list: dead may be taken over")


def test_a_whole_host_says_nothing_of_the_server_itself(about_servers):
    assert not any(" me" in said for _, said, _ in about_servers("web1:*"))


def test_a_list_at_fault_is_a_failure_with_its_entry(mailqctl):
    done = mailqctl("doctor", env={"MAILQ_MIGRATION_LIST": "web1:8851,web2:http"})
    assert done.code == 1
    assert "migration_list: entry `web2:http`: the port must be a number from 1 to 65535, or *" in done.out
