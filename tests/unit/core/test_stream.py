"""A stream is open for a month, and cut into batches that a worker can hold."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core import stream
from mailq.core.mailing import month_of
from mailq.core.message import Content, ReadyMade, literal


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=13)), timezone(timedelta(hours=-11))])))
def test_a_stream_is_open_until_the_month_is_over_everywhere(moment):
    if month_of(moment) == month_of(datetime.max.replace(tzinfo=UTC)):
        return
    end = stream.end_of_month(moment)
    assert end > moment
    assert month_of(end) == month_of(end - timedelta(microseconds=1)) + 1 == month_of(moment) + 1


def test_december_is_followed_by_january():
    assert stream.end_of_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)


@given(st.lists(st.integers(1, 3_000_000), max_size=60), st.integers(1, 10))
def test_batches_hold_every_message_once_and_no_more_than_a_worker_can(sizes, most):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stream, "MOST_DELIVERIES", most)
        parts = [sizes[part] for part in stream.cut(sizes)]
    assert [size for part in parts for size in part] == sizes
    assert all(0 < len(part) <= most and (len(part) == 1 or sum(part) <= stream.MOST_BYTES) for part in parts)


CODE = Content("Your code is 123456", "a@x.example", text="x")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (ReadyMade(), "ready-made messages"),
        (literal(subject="secret", sender="a@x.example", text="x").content, "messages"),
        (CODE, f"messages of template {CODE.digest()[:8]}"),
    ],
)
def test_a_stream_is_called_by_what_its_messages_have_in_common_and_never_by_their_words(content, name):
    assert stream.name_of(content) == name
