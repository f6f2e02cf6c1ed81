"""A database whose numbers are below what it has acknowledged has forgotten."""

from datetime import UTC, datetime

import pytest

from mailq.core.forgetting import Mark, behind, granted_again, highest

NOON = datetime(2026, 12, 24, 12, tzinfo=UTC)


def mark(beat: int) -> Mark:
    return Mark(beat, NOON)


@pytest.mark.parametrize("beat", [9, 10, 11])
def test_a_database_that_stands_below_a_mark_is_behind(beat: int) -> None:
    assert bool(behind({"web1": mark(10)}, {"web1": beat})) is (beat < 10)


def test_a_server_that_the_database_does_not_know_shows_it_too() -> None:
    (found,) = behind({"web1": mark(10)}, {"web2": 50})

    assert found.beat is None
    assert "does not know that server" in str(found)


def test_a_server_without_a_mark_shows_nothing() -> None:
    assert behind({}, {"web1": 1}) == []


def test_what_shows_it_is_said_with_numbers_and_time() -> None:
    (found,) = behind({"web1": mark(1200)}, {"web1": 900})

    assert str(found) == (
        "renewal 1,200 of server web1 was acknowledged at 2026-12-24 12:00:00 UTC, and the database knows of 900 alone"
    )


@pytest.mark.parametrize(
    ("kept", "granted", "now", "again"),
    [
        pytest.param(0, 1, 1, False, id="the first of all"),
        pytest.param(9, 10, 10, False, id="the next one"),
        pytest.param(10, 10, 10, True, id="restored to one grant back"),
        pytest.param(30, 10, 10, True, id="restored to long ago"),
        pytest.param(12, 10, 12, False, id="slept while others were granted more"),
        pytest.param(12, 10, 11, True, id="slept while the database was restored"),
    ],
)
def test_a_number_that_is_granted_twice_shows_it(kept: int, granted: int, now: int, again: bool) -> None:
    assert granted_again(kept, granted, now=now) is again


def test_of_several_keepers_the_one_that_knows_most_counts() -> None:
    """Redis was flushed, or the host is a new one."""
    kept = highest([{"web1": mark(3), "web2": mark(9)}, {"web1": mark(7)}, {}])

    assert {server: each.beat for server, each in kept.items()} == {"web1": 7, "web2": 9}
