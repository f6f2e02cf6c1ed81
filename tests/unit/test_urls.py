"""No password is ever shown, wherever it stands in a URL, and one that might hide is not guessed at."""

import pytest

from mailq import urls
from mailq.errors import Misconfigured


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://mailq:s3cret@db:5432/mailq", "postgresql://mailq:***@db:5432/mailq"),
        ("postgresql://mailq@db/mailq", "postgresql://mailq@db/mailq"),
        ("postgresql://db/mailq?password=s3cret", "postgresql://db/mailq"),
        ("postgresql:///mailq?host=/run", "postgresql:///mailq"),
        ("redis://:s3cret@cache:6379/0", "redis://:***@cache:6379/0"),
        ("smtp://u:s%2Fcret@relay:25", "smtp://u:***@relay:25"),
        ("smtp://[::1]:25", "smtp://[::1]:25"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert urls.shown(url, "it") == shown


@pytest.mark.parametrize(
    "url",
    [
        "smtp://u:SEC/s3cret@127.0.0.1:1",
        "redis://:SEC/s3cret@127.0.0.1:1",
        "postgresql://u:12/s3cret@127.0.0.1:1",
        "postgresql://u:s3cret@PW@host/db",
        "postgresql://u:s3cret@127.0.0.1:abc/db",
        "postgresql://u:s3cret@[::1/db",
        "s3cret",
        "",
    ],
)
def test_a_url_that_may_be_read_in_two_ways_is_refused_without_a_word_of_it(url):
    with pytest.raises(Misconfigured, match="database_url is no URL") as refused:
        urls.shown(url, "database_url")
    assert "s3cret" not in str(refused.value)
    assert "SEC" not in str(refused.value)
