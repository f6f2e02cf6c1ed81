"""Which network addresses a webhook may go to: those of the whole world, and what an operator allows beside them."""

import ipaddress
import re
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_BESIDE_HOSTS = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("168.63.129.16/32"))
"""What clouds serve to each of their hosts, secrets too, under addresses that some releases of Python, or all, take for global."""
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_OWN_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


def networks(text: str) -> tuple[Network, ...]:
    """Read a list such as `10.1.0.0/16, fd00::/8`.

    Raises:
        ValueError: an entry is no network, or has bits beyond its prefix.
    """
    entries = [entry.strip() for entry in text.split(",")]
    return tuple(_network(entry) for entry in entries if entry)


def is_open(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a webhook may be posted to this address: itself, and every other one that it stands for, is global or allowed.

    One with a zone is never, because it is of this host's own network.
    """
    if getattr(address, "scope_id", None) is not None:
        return False
    return all(
        _is_global(each) or any(each.version == network.version and each in network for network in allowed)
        for each in _meant(address)
    )


def named(host: str) -> Address | None:
    """The address that a host of a URL is, in whatever way it is written: `127.1`, `2130706433`, `0x7f.1`, `localhost`; None for a
    name that is to be looked up.
    """
    bare = host.removesuffix(".").lower()
    if bare in _OWN_NAMES or bare.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        return _in_numbers(bare)


def _network(entry: str) -> Network:
    try:
        return ipaddress.ip_network(entry)
    except ValueError as error:
        raise ValueError(f"{error}; write networks such as 10.1.0.0/16,fd00::/8") from None


def _is_global(address: Address) -> bool:
    # Python calls groups global, and what nobody has been given yet, such as ::7f00:1.
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        # Only older releases of Python call 6to4 global.
        return address in _UNICAST and address.sixtofour is None
    return not any(address in each for each in _BESIDE_HOSTS)


def _meant(address: Address) -> list[Address]:
    """The address, unless it only wraps one of IPv4; then that, and the wrapping of 6to4 and Teredo too."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    inner: list[Address] = [address]
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner.extend(address.teredo)
    return inner


def _in_numbers(host: str) -> ipaddress.IPv4Address | None:
    """As `inet_aton` of C reads it: up to four numbers, decimal, octal or hexadecimal, of which the last fills what is left."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        *first, last = [_number(part) for part in parts]
    except ValueError:
        return None
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return None
    return ipaddress.IPv4Address(sum(number << (24 - 8 * place) for place, number in enumerate(first)) + last)


def _number(digits: str) -> int:
    if digits[:2].lower() == "0x":
        return int(digits[2:] or "0", 16)
    return int(digits, 8) if digits[0] == "0" else int(digits)
