"""A conversation: what becomes of each part that arrives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.conversation import MOST_PARTS, NEXT, Judgement, Part, Standing, State, judge, missing

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
GAP = timedelta(minutes=5)
PART = Part(sequence_code=2, calls_in_conversation=3, digest="words")
STANDING = Standing(State.RECEIVING, 3, NOW - timedelta(seconds=1))
ENDED = [State.RUNNING, State.FINISHED, State.ERROR]


def judged(part=PART, known=STANDING, *, there=None):
    return judge(part, known, in_its_place=there, now=NOW, gap=GAP)


def test_the_first_part_is_taken():
    assert judged(known=None) is Judgement.TAKE


def test_a_part_whose_place_is_free_is_taken():
    assert judged() is Judgement.TAKE


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("ago", [timedelta(0), GAP * 100])
def test_a_part_that_was_taken_is_recognised_whatever_has_become_of_its_conversation(state, ago):
    assert judged(known=replace(STANDING, state=state, last_part_at=NOW - ago), there="words") is Judgement.REPEATED


@pytest.mark.parametrize("state", State)
def test_a_place_is_taken_by_what_was_said_first(state):
    assert judged(known=replace(STANDING, state=state), there="other words") is Judgement.OTHER_WORDS


@pytest.mark.parametrize("there", [None, "words", "other words"])
def test_all_parts_speak_of_the_same_number(there):
    assert judged(replace(PART, calls_in_conversation=4), there=there) is Judgement.OTHER_LENGTH


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize("length", [3, 4])
def test_an_id_that_was_used_is_not_to_be_had_again(state, length):
    assert judged(replace(PART, calls_in_conversation=length), replace(STANDING, state=state)) is Judgement.USED


@pytest.mark.parametrize(
    ("ago", "judgement"),
    [
        (GAP, Judgement.TAKE),
        (GAP + timedelta(microseconds=1), Judgement.LATE),
        (timedelta(days=9), Judgement.LATE),
        (-timedelta(seconds=1), Judgement.TAKE),
    ],
    ids=["just in time", "just too late", "days late", "the clock went back"],
)
def test_a_part_comes_in_time_or_too_late(ago, judgement):
    assert judged(known=replace(STANDING, last_part_at=NOW - ago)) is judgement


@given(
    known=st.none() | st.builds(Standing, st.sampled_from(State), st.integers(1, 3), st.just(NOW) | st.just(NOW - GAP * 2)),
    there=st.none() | st.sampled_from(["words", "other words"]),
    length=st.integers(2, 3),
)
def test_only_what_is_new_and_in_time_and_fits_is_taken(known, there, length):
    judgement = judged(replace(PART, calls_in_conversation=length), known, there=there)
    fits = known is None or (
        known.state is State.RECEIVING and known.calls_in_conversation == length and there is None and known.last_part_at == NOW
    )
    assert (judgement is Judgement.TAKE) == fits


@given(codes=st.frozensets(st.integers(1, 300)), length=st.integers(1, 300), most=st.integers(1, 300))
def test_the_first_codes_that_lack_are_named(codes, length, most):
    assert missing(codes, length, most=most) == [code for code in range(1, length + 1) if code not in codes][:most]


def test_no_more_are_named_than_anybody_reads():
    assert missing(frozenset(), MOST_PARTS) == list(range(1, 101))


def test_a_conversation_ends_for_good():
    assert {state for state, after in NEXT.items() if not after} == {State.FINISHED, State.ERROR}
    assert NEXT[State.RECEIVING] == {State.RUNNING, State.ERROR}
