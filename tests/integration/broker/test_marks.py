"""Marks and fences in Redis: only ever raised."""

import secrets
from datetime import UTC, datetime

import pytest

from mailq.broker.marks import RedisMarks
from mailq.core.forgetting import Mark
from mailq.errors import Unavailable

NOON = datetime(2026, 12, 24, 12, tzinfo=UTC)


@pytest.fixture
def marks(redis_url):
    return RedisMarks(redis_url)


@pytest.fixture
def life():
    return secrets.token_hex(8)


def test_a_server_keeps_its_highest_mark(marks, life):
    for server, beat in (("web1:8851", 7), ("web 2", 3), ("web1:8851", 5), ("web 2", 10)):
        marks.note(life, server, Mark(beat, NOON))

    assert marks.read(life) == {"web1:8851": Mark(7, NOON), "web 2": Mark(10, NOON)}
    assert marks.read("another") == {}


def test_a_batch_keeps_its_highest_fence_and_says_what_it_had(marks, life):
    assert [marks.raised(life, 42, fence) for fence in (1, 3, 2, 4)] == [0, 1, 3, 3]


def test_marks_go_by_themselves_when_nobody_keeps_them_any_more(marks, life):
    marks.note(life, "web1:8851", Mark(7, NOON))
    marks.raised(life, 42, 1)

    assert marks._redis.ttl(f"mailq:{life}:beats") > 80 * 86400
    assert marks._redis.ttl(f"mailq:{life}:fence:42") > 6 * 86400


def test_a_redis_that_is_away_is_named_without_its_password():
    marks = RedisMarks("redis://:s3cret@127.0.0.1:1")

    for ask in (
        lambda: marks.read("life"),
        lambda: marks.note("life", "web1:8851", Mark(7, NOON)),
        lambda: marks.raised("life", 1, 1),
    ):
        with pytest.raises(Unavailable, match=r"redis://:\*\*\*@127.0.0.1:1 keeps no marks"):
            ask()
