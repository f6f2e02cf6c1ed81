"""Message-ID and Date are functions of the delivery, so that a second attempt is recognised as the same message."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.message import date_header, message_id

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16)
IDS = st.tuples(st.integers(1, 2**62), st.integers(1, 10_000_000), SECRETS)


def test_a_message_id_stays_what_it_was_once_released():
    """Deliveries under way when mailq is upgraded must keep theirs."""
    assert message_id(5 << 40 | 7, 42, "secret", "shop.example") == "<50000000007.42.0c92c4aac360d657502f@shop.example>"


@given(IDS, IDS)
def test_two_deliveries_share_a_message_id_only_if_they_are_one(one, other):
    ids = [message_id(mailing, seq, secret, "shop.example") for mailing, seq, secret in (one, other)]
    assert (ids[0] == ids[1]) == (one == other)
    assert all(re.fullmatch(r"<[0-9a-f]+\.\d+\.[0-9a-f]{20}@shop\.example>", each) for each in ids)


def test_the_secret_may_be_text_or_bytes():
    assert message_id(1, 1, "key", "a.example") == message_id(1, 1, b"key", "a.example")


@pytest.mark.parametrize("domain", ["", "a b", "a\r\nBcc: x", "a>", "münchen.example", ".a", "a..b", "x" * 254])
def test_a_message_id_takes_no_domain_that_breaks_the_header(domain):
    with pytest.raises(ValueError, match="not a domain"):
        message_id(1, 1, "key", domain)


def test_a_date_is_the_moment_in_utc():
    moment = datetime(2026, 11, 1, 1, 5, 9, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert date_header(moment) == "Sat, 31 Oct 2026 23:05:09 +0000"
    assert date_header(moment.astimezone(UTC)) == date_header(moment)
    with pytest.raises(ValueError, match="aware"):
        date_header(datetime(2026, 1, 1))  # noqa: DTZ001
