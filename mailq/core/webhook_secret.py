"""Secrets that webhooks are signed with, as Standard Webhooks 1.0.0 writes them: `whsec_` and the key in base 64."""

import base64
import binascii

PREFIX = "whsec_"
KEY_BYTES = 32
"""Of a key that we make."""
MOST = 5
"""Of one organization: the signatures of all are in every webhook."""

_FEWEST_BYTES, _MOST_BYTES = 24, 64


def of_key(key: bytes) -> str:
    """A key as a secret."""
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for.

    Raises:
        ValueError: it is none; its text does not show it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not (secret.startswith(PREFIX) and _FEWEST_BYTES <= len(key) <= _MOST_BYTES):
        raise ValueError(f"a webhook secret is {PREFIX} and {_FEWEST_BYTES} to {_MOST_BYTES} bytes in base 64")
    return key
