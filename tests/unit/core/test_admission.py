"""Whether a server may start beside what its row says of the last one."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mailq.core.admission import Answer, Standing, admit, refusal
from mailq.core.server import Place, State

MOMENT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
ALIVE = Standing(
    server_id=1,
    name="web1:8851",
    incarnation=3,
    state=State.ALIVE,
    place=Place("web1", 4711, 8851, ("10.0.0.7", "fd00::7"), "/var/lib/mailq", "boot", "nonce"),
    started_at=MOMENT,
    renewed_at=MOMENT,
    beat=12,
    leased=True,
)
STOPPED = replace(ALIVE, state=State.STOPPED, leased=False)
SILENT = replace(ALIVE, state=State.SILENT, leased=False)
RUN_OUT = replace(ALIVE, leased=False)
DRAINING = replace(ALIVE, state=State.DRAINING)


@pytest.mark.parametrize("row", [None, STOPPED, SILENT, RUN_OUT])
def test_a_server_starts_at_once_where_nobody_of_its_id_lives(row: Standing | None) -> None:
    assert admit(row, first_beat=None, locked=True, former_nonce=None) is Answer.START


@pytest.mark.parametrize("row", [ALIVE, DRAINING])
def test_the_lock_file_that_the_row_names_proves_its_holder_dead(row: Standing) -> None:
    """No need to wait for the end of a lease."""
    assert admit(row, first_beat=None, locked=True, former_nonce="nonce", boot_id="boot") is Answer.START


def test_the_lock_file_of_a_home_that_hosts_share_proves_nothing_about_another_host() -> None:
    """Its file system may keep the locks of each host apart: this one would start beside a server that lives."""
    assert admit(ALIVE, first_beat=None, locked=True, former_nonce="nonce", boot_id="another") is Answer.WAIT
    assert admit(RUN_OUT, first_beat=None, locked=True, former_nonce="nonce", boot_id="another") is Answer.START


@pytest.mark.parametrize("former", [None, "another"])
def test_another_lock_file_proves_nothing(former: str | None) -> None:
    assert admit(ALIVE, first_beat=None, locked=True, former_nonce=former, boot_id="boot") is Answer.WAIT


def test_a_row_without_a_nonce_is_not_proven_dead_by_a_fresh_file() -> None:
    row = replace(ALIVE, place=replace(ALIVE.place, lock=None))
    assert admit(row, first_beat=None, locked=True, former_nonce=None) is Answer.WAIT


@pytest.mark.parametrize("row", [None, STOPPED, RUN_OUT, ALIVE])
def test_nobody_starts_while_another_process_holds_the_lock(row: Standing | None) -> None:
    """The row may be of another database, or its holder may be just ending."""
    assert admit(row, first_beat=None, locked=False, former_nonce=None) is Answer.WAIT


@pytest.mark.parametrize("locked", [True, False])
def test_a_start_is_refused_as_soon_as_the_other_server_renews(locked: bool) -> None:
    assert admit(ALIVE, first_beat=12, locked=locked, former_nonce=None) is Answer.WAIT
    assert admit(ALIVE, first_beat=11, locked=locked, former_nonce=None) is Answer.REFUSE


def test_one_that_drains_is_waited_for_though_it_renews() -> None:
    assert admit(DRAINING, first_beat=11, locked=False, former_nonce=None) is Answer.WAIT


def test_a_refusal_says_who_holds_the_id_where_and_since_when() -> None:
    assert refusal(ALIVE) == (
        "server web1:8851 is alive on host web1 (10.0.0.7, fd00::7) as process 4711 since 2026-11-21 10:00:00 UTC; "
        "stop it, or give this one another MAILQ_SERVER_ID or MAILQ_SERVER_PORT"
    )
