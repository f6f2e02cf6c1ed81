"""The doctor fails a server that forgets commits, and warns of one that is slow."""

from dataclasses import replace

import pytest

from mailq.cli.checks_postgres import of_tuning
from mailq.cli.findings import Level
from mailq.store.health import Tuning

SAFE = {"fsync": True, "synchronous_commit": True, "full_page_writes": True}
GOOD = Tuning(SAFE, autovacuum=True, shared_buffers_bytes=512 << 20, max_wal_bytes=4 << 30)


def test_a_server_that_is_set_well_is_told_so_once():
    assert [finding.level for finding in of_tuning(GOOD)] == [Level.OK]


@pytest.mark.parametrize("name", SAFE)
def test_what_forgets_commits_is_a_failure(name):
    (found,) = of_tuning(replace(GOOD, safe=SAFE | {name: False}))
    assert found.level is Level.FAIL
    assert found.text.startswith(f"{name} is off")
    assert f"SET {name} = on" in found.fix


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"autovacuum": False}, "autovacuum is off"),
        ({"shared_buffers_bytes": 128 << 20}, "shared_buffers is 128 MB"),
        ({"max_wal_bytes": 512 << 20}, "max_wal_size is 512 MB"),
    ],
)
def test_what_costs_time_is_a_warning(change, text):
    (found,) = of_tuning(replace(GOOD, **change))
    assert found.level is Level.WARN
    assert found.text.startswith(text)
