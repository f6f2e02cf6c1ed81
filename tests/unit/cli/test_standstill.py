"""Why a mailing does not move is said in a sentence with what to do."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailq.cli.standstill import reasons
from mailq.core.mailing import Books, DoubtPolicy, Lane, State
from mailq.store.mailings import Mailing
from mailq.store.watching import Standing

NOW = datetime(2026, 12, 24, 18, tzinfo=UTC)
MAILING = Mailing(
    id=1,
    public_id="mlg_1",
    organization_id=1,
    key=None,
    name="sale",
    state=State.RUNNING,
    lane=Lane.BULK,
    doubt_policy=DoubtPolicy.HOLD,
    content_digest="",
    source_digest="",
    batch_size=10,
    num_loaded=1234,
    created_at=NOW,
    scheduled_at=NOW + timedelta(hours=1),
    started_at=NOW,
    finished_at=None,
    expires_at=None,
)
MOVING = Standing(
    now=NOW, num_ready=3, num_leased=1, num_waiting=0, next_due_at=None, progressed_at=NOW - timedelta(seconds=1), slots=2
)
WAITING = replace(MOVING, num_ready=0, num_leased=0, num_waiting=4, next_due_at=NOW + timedelta(minutes=5))


def test_a_mailing_that_moves_needs_no_reason() -> None:
    assert reasons(MAILING, Books(num_profiles=40), MOVING) == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.LOADING, "still loading .1,234 records.*--resume mlg_1.*drop mlg_1"),
        (State.SCHEDULED, "scheduled for 2026-12-24 19:00 UTC"),
        (State.PAUSED, "mailing resume mlg_1"),
    ],
)
def test_a_state_that_does_not_move_is_a_reason(state: State, said: str) -> None:
    (reason,) = reasons(replace(MAILING, state=state), Books(), MOVING)

    assert re.search(said, reason)


@pytest.mark.parametrize("state", [State.FINISHED, State.CANCELLED, State.EXPIRED])
def test_a_mailing_that_is_over_needs_no_reason(state: State) -> None:
    assert reasons(replace(MAILING, state=state), Books(), replace(WAITING, slots=0)) == []


def test_a_lane_that_nobody_serves_is_named() -> None:
    (reason,) = reasons(MAILING, Books(), replace(MOVING, slots=0))

    assert "lane `bulk`" in reason
    assert "mailqctl worker" in reason


def test_batches_wait_for_a_resting_relay_until_a_time() -> None:
    (reason,) = reasons(MAILING, Books(), WAITING)

    assert reason == "4 batches wait until 18:05:00 UTC: the relay rests"


def test_batches_wait_for_recipients_that_are_to_be_tried_again() -> None:
    (reason,) = reasons(MAILING, Books(num_profiles=9, num_deferred=7), WAITING)

    assert reason.endswith("7 recipients are to be tried again")


def test_batches_whose_time_has_come_are_due_now() -> None:
    (reason,) = reasons(MAILING, Books(), replace(WAITING, next_due_at=NOW - timedelta(seconds=1)))

    assert reason.startswith("4 batches wait and should begin now")


@pytest.mark.parametrize("moving", [{"num_ready": 1}, {"num_leased": 1}])
def test_batches_that_wait_are_no_reason_while_others_move(moving: dict[str, int]) -> None:
    assert reasons(MAILING, Books(num_deferred=1), replace(WAITING, **moving)) == []


def test_one_is_said_as_one() -> None:
    (reason,) = reasons(MAILING, Books(num_deferred=1), replace(WAITING, num_waiting=1))

    assert reason == "1 batch waits until 18:05:00 UTC: 1 recipient is to be tried again"


def test_a_holder_that_settles_nothing_is_noticed() -> None:
    (reason,) = reasons(MAILING, Books(), replace(MOVING, progressed_at=NOW - timedelta(seconds=90)))

    assert "nothing was settled for 1 min 30 s" in reason


def test_a_load_that_is_complete_is_the_leading_servers() -> None:
    (reason,) = reasons(replace(MAILING, state=State.LOADING, loaded_at=NOW), Books(num_profiles=3), MOVING)

    assert "leading server" in reason
    assert "drop" not in reason


def test_a_stream_that_has_sent_everything_waits_for_messages() -> None:
    stream = replace(MAILING, stream="digest", open_until=NOW + timedelta(days=7))
    idle = replace(MOVING, num_ready=0, num_leased=0, slots=0)

    assert reasons(stream, Books(num_profiles=3, num_sent=3), idle) == [
        "it is a stream, and waits for messages until 2026-12-31 18:00 UTC"
    ]
    (reason,) = reasons(stream, Books(num_profiles=3, num_sent=2, num_pending=1), replace(idle, num_ready=1))
    assert "no server is alive" in reason
    (reason,) = reasons(replace(stream, open_until=NOW), Books(num_profiles=3, num_sent=3), replace(idle, slots=1))
    assert "mailing verify" in reason
