"""Where webhooks may go, however an address is written."""

import ipaddress

import pytest

from mailq.core.networks import is_open, named, networks

ALLOWED = networks("10.1.0.0/16, fd00::/8")


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "10.1.2.3",
        "::ffff:1.1.1.1",
        "::ffff:10.1.2.3",
        "64:ff9b::101:101",
        "2606:4700:4700::1111",
        "fd12::1",
    ],
)
def test_the_world_and_what_is_allowed_are_open(address: str) -> None:
    assert is_open(ipaddress.ip_address(address), ALLOWED)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.2.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "192.0.0.192",
        "192.168.1.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:101:101::1",
        "2002:7f00:1::1",
        "2606:4700:4700::1111%1",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_what_is_private_or_wraps_it_is_closed(address: str) -> None:
    assert not is_open(ipaddress.ip_address(address), ALLOWED)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7F000001",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "localhost",
        "A.LocalHost.",
    ],
)
def test_every_way_to_write_this_host_names_it(host: str) -> None:
    """What `inet_aton` of C takes, a connection would go to."""
    assert named(host) == ipaddress.ip_address("127.0.0.1")


def test_an_address_of_ipv6_names_itself() -> None:
    assert named("fe80::1%eth0") == ipaddress.ip_address("fe80::1%eth0")


@pytest.mark.parametrize(
    "host", ["hooks.example.org", "localhost.example.org", "08.1.1.1", "256.1.1.1", "1.2.3.4.5", "4294967296", ""]
)
def test_a_name_is_to_be_looked_up(host: str) -> None:
    assert named(host) is None


@pytest.mark.parametrize(
    ("text", "said"), [("10.0.0.1/8", "host bits"), ("office", "does not appear"), ("10.0.0.0/33", "does not appear")]
)
def test_a_list_that_names_no_network_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        networks(text)
