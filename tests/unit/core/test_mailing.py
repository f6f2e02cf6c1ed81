"""A mailing's books, and the id that carries its month."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.mailing import Books, mailing_id, month_of, retries_began

counts = st.integers(min_value=0, max_value=10**7)
moments = st.datetimes(timezones=st.just(UTC))
numbers = st.integers(min_value=0, max_value=2**40 - 1)

COLUMNS = ("num_pending", "num_deferred", "num_sent", "num_errors", "num_skipped", "num_in_doubt")


def books(**counted: int) -> Books:
    """Books whose total is right."""
    return Books(num_profiles=sum(counted.values()), **counted)


@given(st.fixed_dictionaries(dict.fromkeys(COLUMNS, counts)))
def test_books_balance_when_every_recipient_is_in_exactly_one_column(counted: dict[str, int]) -> None:
    """Design section 2, invariant 5."""
    assert books(**counted).balanced


@given(st.fixed_dictionaries(dict.fromkeys(COLUMNS, counts)), st.integers(-1000, 1000).filter(bool))
def test_one_recipient_too_many_or_too_few_unbalances_the_books(counted: dict[str, int], off: int) -> None:
    """A lost recipient and one counted twice are the two faults that books exist to find."""
    total = sum(counted.values())
    wrong = Books(num_profiles=total + off, **counted)

    assert not wrong.balanced
    assert not wrong.complete


def test_a_negative_remainder_is_not_balanced_though_its_sum_is() -> None:
    """`pending` is what is left over; below zero it says that somebody was counted twice."""
    assert not Books(num_profiles=1, num_pending=-1, num_sent=2).balanced


@pytest.mark.parametrize("column", COLUMNS)
def test_books_are_complete_unless_somebody_is_pending_or_deferred(column: str) -> None:
    """Doubt does not keep a mailing open: it is counted, listed and settled apart."""
    assert books(**{column: 1}).complete is (column not in {"num_pending", "num_deferred"})


def test_empty_books_are_complete() -> None:
    """A mailing whose every row was at fault still ends."""
    assert Books().complete


@given(moments, moments, numbers, numbers)
def test_a_later_month_always_has_higher_ids(one: datetime, other: datetime, number: int, other_number: int) -> None:
    """Partitions of `delivery` are ranges of ids, so no number within a month may reach into the next."""
    if month_of(one) < month_of(other):
        assert mailing_id(one, number) < mailing_id(other, other_number)
    elif month_of(one) == month_of(other):
        assert (mailing_id(one, number) < mailing_id(other, other_number)) is (number < other_number)


@given(moments, numbers)
def test_an_id_gives_back_its_month_and_number_and_fits_a_bigint(moment: datetime, number: int) -> None:
    """`id >> 40` is what people write in SQL."""
    made = mailing_id(moment, number)

    assert (made >> 40, made & (2**40 - 1)) == (month_of(moment), number)
    assert 0 <= made < 2**63


def test_december_and_january_are_neighbours() -> None:
    """Months are counted through, so a range of them never breaks at new year."""
    new_year = datetime(2027, 1, 1, tzinfo=UTC)

    assert month_of(new_year) - month_of(new_year - timedelta(seconds=1)) == 1
    assert month_of(new_year) == 2027 * 12


def test_retries_age_from_the_start_of_what_they_belong_to_or_from_a_resend():
    start, claimed, resent = (datetime(2026, 11, day, tzinfo=UTC) for day in (1, 5, 9))
    facts = {"started_at": start, "first_claimed_at": claimed}
    assert retries_began(**facts, is_stream=False, resent_at=None) == start
    assert retries_began(**facts, is_stream=True, resent_at=None) == claimed
    assert retries_began(**facts, is_stream=False, resent_at=resent) == resent
    assert retries_began(started_at=start, first_claimed_at=resent, is_stream=True, resent_at=claimed) == resent
