"""Secrets of webhooks, as they are written."""

import base64

import pytest

from mailq.core.webhook_secret import key_of, of_key


def test_a_secret_stands_for_its_key() -> None:
    key = bytes(range(32))

    assert of_key(key).startswith("whsec_AAEC")
    assert key_of(of_key(key)) == key


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_not base64 at all, by no means",
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
        "whsec_" + base64.b64encode(b"k" * 65).decode(),
        base64.b64encode(b"k" * 32).decode(),
    ],
)
def test_what_is_none_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes") as refused:
        key_of(secret)

    assert not secret or secret == "whsec_" or secret not in str(refused.value)
