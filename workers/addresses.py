"""The addresses of this host, as migration lists may name it."""

import ipaddress
import re
from pathlib import Path

_NET = Path("/proc/net")
_LOCAL = re.compile(r"\|-- ([\d.]+)\n\s*/32 host LOCAL")


def addresses(net: Path = _NET) -> tuple[str, ...]:
    """Every address of this host but those of loopback and of one link; none where the kernel does not say."""
    found = [*_of_version_4(net / "fib_trie"), *_of_version_6(net / "if_inet6")]
    kept = (address for address in map(ipaddress.ip_address, found) if not (address.is_loopback or address.is_link_local))
    return tuple(dict.fromkeys(map(str, kept)))


def _of_version_4(file: Path) -> list[str]:
    return _LOCAL.findall(file.read_text()) if file.exists() else []


def _of_version_6(file: Path) -> list[str]:
    """Lines such as `fd00000000000000000000000000000b 02 40 00 80 eth0`."""
    words = [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []
    return [":".join(re.findall("....", word)) for word in words]
