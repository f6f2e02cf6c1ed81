"""The board by which the processes of a server know until when they may send."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workers.signboard import _LEASE_AT, EXPIRED, Lease, Signboard, boottime_s, pulse_path

leases = st.builds(
    Lease,
    st.integers(1, 2**63),
    st.floats(0, 1e9, allow_nan=False),
    st.integers(1, 2**63),
)
on_one_board = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def board(tmp_path: Path) -> Signboard:
    return Signboard.create(tmp_path / "run" / "one.1.board")


def in_an_hour() -> float:
    return boottime_s() + 3600


def test_a_fresh_board_says_nothing(board: Signboard) -> None:
    assert board.lease == EXPIRED
    assert not board.says_stop
    assert not board.may_send(0)
    assert (board.main_seen_s, board.warden_seen_s) == (0, 0)


@on_one_board
@given(lease=leases)
def test_what_was_granted_is_read_by_every_process_that_maps_the_file(board: Signboard, lease: Lease) -> None:
    board.grant(lease)

    assert board.lease == Signboard.open(board.path).lease == lease


@on_one_board
@given(before=leases, after=leases, written=st.integers(0, 28))
def test_a_half_written_lease_reads_as_run_out(board: Signboard, before: Lease, after: Lease, written: int) -> None:
    """Whatever its writer died over: the old one, the new one, or none; never a mixture."""
    board.grant(after)
    new = bytes(board._mapped[_LEASE_AT : _LEASE_AT + written])
    board.grant(before)

    board._mapped[_LEASE_AT : _LEASE_AT + written] = new

    assert board.lease in {before, after, EXPIRED}
    if board.lease == EXPIRED:
        assert not board.may_send(before.incarnation)
        assert not board.may_send(after.incarnation)


@on_one_board
@given(junk=st.binary(min_size=28, max_size=28).filter(any))
def test_junk_reads_as_run_out(board: Signboard, junk: bytes) -> None:
    board._mapped[_LEASE_AT : _LEASE_AT + 28] = junk

    assert board.lease == EXPIRED


def test_only_the_incarnation_on_the_board_may_send_and_only_before_its_deadline(board: Signboard) -> None:
    board.grant(Lease(7, in_an_hour(), 20))
    assert board.may_send(7)
    assert not board.may_send(6)
    assert not board.may_send(8)

    board.grant(Lease(7, boottime_s(), 21))
    assert not board.may_send(7)


def test_stop_is_read_by_every_process_and_leaves_the_lease_alone(board: Signboard) -> None:
    """What is under way may still be settled."""
    board.grant(Lease(7, in_an_hour(), 20))

    Signboard.open(board.path).say_stop()

    assert board.says_stop
    assert board.may_send(7)


def test_the_signs_of_life_of_main_process_and_warden_are_told_apart(board: Signboard) -> None:
    os.utime(pulse_path(board.path), (0, 0))
    board.show_warden()
    assert board.warden_seen_s == pytest.approx(boottime_s(), abs=1)
    assert board.main_seen_s == 0
    assert pulse_path(board.path).stat().st_mtime == 0

    board.show_life()
    assert board.main_seen_s == pytest.approx(boottime_s(), abs=1)
    assert pulse_path(board.path).stat().st_mtime == pytest.approx(time.time(), abs=5)


def test_a_new_board_of_the_same_name_is_not_seen_by_who_maps_the_former_one(board: Signboard) -> None:
    board.grant(Lease(7, in_an_hour(), 20))

    Signboard.create(board.path).say_stop()

    assert not board.says_stop
    assert board.lease.incarnation == 7


def test_a_board_that_was_taken_down_is_still_read(board: Signboard) -> None:
    board.take_down()
    board.take_down()
    board.show_life()
    board.say_stop()

    assert board.says_stop
    assert list(board.path.parent.iterdir()) == []
