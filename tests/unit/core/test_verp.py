"""Every delivery has an envelope sender of its own; what comes back names it, and nobody can forge one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.mailing import mailing_id, month_of
from mailq.core.verp import MAX_NAME, Verp, require_bounce_address

VERP = Verp("Bounces@example.com", "a secret")
MAILING = mailing_id(datetime(2026, 11, 21, tzinfo=UTC), 7)

mailings = st.integers(0, 2**56 - 1)
seqs = st.integers(1, 2**31 - 1)


@given(mailings, seqs)
def test_what_is_made_can_be_read(mailing: int, seq: int) -> None:
    sender = VERP.sender(mailing, seq)

    assert VERP.read(sender) == (mailing, seq)
    assert VERP.read(sender.upper()) == (mailing, seq)


@given(mailings, seqs)
def test_it_keeps_within_what_smtp_allows(mailing: int, seq: int) -> None:
    """RFC 5321 4.5.3.1: 64 octets before the @, 254 in all; the longest bounce address that is let pass."""
    domain = ".".join(["d" * 47] * 4)[: 254 - 35 - MAX_NAME - 1]
    address = require_bounce_address(f"{'b' * MAX_NAME}@{domain}")
    local, _, domain = Verp(address, "s").sender(mailing, seq).rpartition("@")

    assert len(local) <= 64
    assert len(local) + 1 + len(domain) <= 254


def test_it_is_the_same_on_every_attempt_and_another_for_every_delivery() -> None:
    assert VERP.sender(MAILING, 1) == VERP.sender(MAILING, 1)
    assert len({VERP.sender(mailing, seq) for mailing in (MAILING, MAILING + 1) for seq in range(1, 50)}) == 98


def test_it_reads_as_documented() -> None:
    name, _, detail = VERP.sender(MAILING, 42).partition("@")[0].partition("+")

    assert name == "Bounces"
    assert detail.startswith(f"{MAILING:x}.42.")
    assert VERP.sender(MAILING, 42).endswith("@example.com")
    assert month_of(datetime(2026, 11, 21, tzinfo=UTC)) == MAILING >> 40


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "bounces@example.com",
        "shop@example.com",
        "bounces+@example.com",
        f"bounces+{MAILING:x}.42@example.com",
        f"bounces+{MAILING:x}.42.aaaaaaaa@example.com",
        f"bounces+{MAILING:x}.42.aaaaaaaa@other.example",
        "bounces+" + "f" * 5000 + ".1.aaaaaaaa@example.com",
    ],
)
def test_what_is_not_ours_is_nobody_s(sender: str) -> None:
    assert VERP.read(sender) is None


def test_another_delivery_s_tag_another_name_and_another_secret_are_refused() -> None:
    sender = VERP.sender(MAILING, 42)

    assert VERP.read(sender.replace(".42.", ".43.")) is None
    assert VERP.read(sender.replace(".42.", ".042.")) is None
    assert Verp("other@example.com", "a secret").read(sender) is None
    assert Verp("Bounces@example.com", "another").read(sender) is None


@given(st.text(max_size=90))
def test_reading_never_fails(text: str) -> None:
    assert VERP.read(text) is None
    assert VERP.read(f"bounces+{text}@example.com") is None


@pytest.mark.parametrize("address", ["bounces@example.com", "b@x.example", "no-reply.list@mail.example.org"])
def test_a_plain_address_may_be_a_bounce_address(address: str) -> None:
    assert require_bounce_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bounces",
        "@example.com",
        "bounces@",
        "bounces@localhost",
        "bounces+x@example.com",
        "Bounces <bounces@example.com>",
        "a@b@example.com",
        "a b@example.com",
        "bounces@example.com\r\nRCPT TO:<x@y.example>",
        "böunces@example.com",
        "bounces@-example.com",
        "b..b@example.com",
    ],
)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must be a plain address"):
        require_bounce_address(address)


def test_what_is_too_long_is_refused_with_what_there_is_room_for() -> None:
    with pytest.raises(ValueError, match="may have 29 characters before the @"):
        require_bounce_address("b" * 30 + "@example.com")
    with pytest.raises(ValueError, match="may have 219 characters"):
        require_bounce_address("b@" + ".".join(["d" * 60] * 4))
