"""Signatures, judged by the reference library of Standard Webhooks."""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from mailq.core.webhook_secret import of_key
from mailq.transports.webhooks.signing import headers

OLD, NEW, OTHER = (of_key(bytes([number]) * 32) for number in (1, 2, 3))
PAYLOAD = '{"type":"call.finished","data":{"name":"Zoë"}}'.encode()


def signed(*secrets: str, at: datetime | None = None) -> dict[str, str]:
    return headers("ntf_1", PAYLOAD, secrets, at=at or datetime.now(UTC))


@pytest.mark.parametrize("known", [OLD, NEW])
def test_whoever_knows_one_of_the_secrets_can_verify(known: str) -> None:
    assert Webhook(known).verify(PAYLOAD, signed(OLD, NEW))


@pytest.mark.parametrize(
    ("payload", "given", "known"),
    [
        (PAYLOAD, signed(OLD), OTHER),
        (PAYLOAD + b" ", signed(OLD), OLD),
        (PAYLOAD, signed(OLD) | {"webhook-id": "ntf_2"}, OLD),
        (PAYLOAD, signed(OLD, at=datetime.now(UTC) - timedelta(minutes=6)), OLD),
    ],
    ids=["another secret", "other words", "another id", "an old one again"],
)
def test_what_is_not_ours_or_of_another_time_is_found(payload: bytes, given: dict[str, str], known: str) -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(known).verify(payload, given)


def test_the_example_of_the_standard_is_signed_as_it_says() -> None:
    """So that the library and we are not wrong together."""
    at = datetime.fromtimestamp(1614265330, UTC)
    said = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], at=at)

    assert said["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
