"""What an attempt makes of a notification."""

from datetime import timedelta

import pytest

from mailq.core.notification import WAITS, Answer, Change, State, settle


def after(status: int | None, *, attempts: int = 1, retry_after: timedelta | None = None) -> Change:
    return settle(Answer(status, "words", retry_after), attempts=attempts, spread=0)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_what_was_taken_is_sent(status: int) -> None:
    assert after(status) == Change(State.SENT, "words")


@pytest.mark.parametrize("status", [None, 199, 301, 307, 400, 401, 404, 408, 500, 503])
def test_everything_else_is_tried_again(status: int | None) -> None:
    assert after(status) == Change(State.PENDING, "words", WAITS[0])


def test_whoever_is_gone_gets_no_more() -> None:
    change = after(410)

    assert change.state is State.ERROR
    assert "wants no more" in change.reply


def test_what_we_do_not_send_is_not_tried_again() -> None:
    refused = Answer(None, "it is private", refused=True)

    assert settle(refused, attempts=1, spread=0) == Change(State.ERROR, "it is private")
    assert not refused.is_silence


def test_the_waits_are_those_of_standard_webhooks_and_the_tenth_attempt_is_the_last() -> None:
    changes = [after(500, attempts=number) for number in range(1, 11)]

    assert [change.wait for change in changes] == [*WAITS, None]
    assert changes[-1] == Change(State.ERROR, "words; given up after 10 attempts")
    assert timedelta(days=3) < sum(WAITS, timedelta()) < timedelta(days=4)


def test_waits_are_spread() -> None:
    early, late = (settle(Answer(500, "words"), attempts=2, spread=spread).wait for spread in (-1, 1))

    assert (early, late) == (WAITS[1] * 0.9, WAITS[1] * 1.1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_time_gets_it_up_to_a_day(status: int) -> None:
    assert after(status, retry_after=timedelta(hours=1)).wait == timedelta(hours=1)
    assert after(status, retry_after=timedelta(days=30)).wait == timedelta(days=1)


def test_a_receiver_cannot_use_up_its_attempts_sooner() -> None:
    """One that always says «in a second» would be given up after ten of them."""
    assert after(503, attempts=4, retry_after=timedelta(seconds=1)).wait == WAITS[3]


def test_of_other_answers_nobody_asks_for_time() -> None:
    assert after(500, retry_after=timedelta(hours=1)).wait == WAITS[0]
