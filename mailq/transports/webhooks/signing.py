"""Signatures of Standard Webhooks 1.0.0: whoever has the secret knows that a webhook is ours, and when it was sent."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from mailq.core.webhook_secret import key_of


def headers(webhook_id: str, payload: bytes, secrets: Sequence[str], *, at: datetime) -> dict[str, str]:
    """The three headers of an attempt, with a signature by each secret: receivers take any that they know.

    Args:
        webhook_id: the same on every attempt.
        at: when this attempt is made.
    """
    timestamp = str(int(at.timestamp()))
    signed = f"{webhook_id}.{timestamp}.".encode() + payload
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(key_of(secret), signed) for secret in secrets),
    }


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
