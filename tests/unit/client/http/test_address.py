"""Where the API is, and the key that opens it: what would give the key away is refused before anything is sent."""

import pytest

from mailq.client.http.address import parse_address, require_key
from mailq.errors import Misconfigured


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://mailq.example", "https://mailq.example"),
        ("https://mailq.example/", "https://mailq.example"),
        ("https://tools.example/mailq/", "https://tools.example/mailq"),
        ("https://tools.example/mailq/v1", "https://tools.example/mailq"),
        ("https://mailq.example:8443/v1/", "https://mailq.example:8443"),
        ("http://127.0.0.1:8025", "http://127.0.0.1:8025"),
        ("http://[::1]:8025", "http://[::1]:8025"),
        ("http://localhost:8025", "http://localhost:8025"),
        ("http://mailq.internal:8025?plaintext=allow", "http://mailq.internal:8025"),
    ],
)
def test_an_address_may_have_a_prefix_and_need_not_say_v1(url: str, base: str) -> None:
    address = parse_address(url)

    assert address.base == base
    assert address.url("/mailings") == f"{base}/v1/mailings"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://mailq.example", "not encrypted"),
        ("http://10.0.0.7:8025", "plaintext=allow"),
        ("http://127.0.0.1.mailq.example", "not encrypted"),
        ("https://user:secret@mailq.example", "given as `key`"),
        ("https://secret@mailq.example", "given as `key`"),
        ("ftp://mailq.example", "https://"),
        ("https://", "https://"),
        ("https://mailq.example?token=secret", "one option"),
        ("https://mailq.example?plaintext=yes", "one option"),
        ("https://mailq.example#secret", "one option"),
    ],
)
def test_an_address_that_is_none_or_would_give_the_key_away_is_refused(url: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says) as told:
        parse_address(url)

    assert "secret" not in str(told.value)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine() -> None:
    """It would be handed the key in the clear."""
    assert parse_address("http://127.0.0.5:8025").loopback
    assert not parse_address("https://mailq.example").loopback


@pytest.mark.parametrize("key", [None, "", "mq_secret\r\nX-Evil: 1", "mq secret", "mq_sécret"])
def test_a_key_that_cannot_be_one_is_refused_and_not_repeated(key: str | None) -> None:
    with pytest.raises(Misconfigured) as told:
        require_key(key)

    assert "cret" not in str(told.value)
