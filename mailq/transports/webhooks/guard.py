"""Where webhooks may connect to: a name is looked up once, everything it stands for is judged, and what was judged is connected to."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from httpcore2 import SOCKET_OPTION, AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError, ConnectTimeout

from mailq.core.networks import Network, is_open

MOST_TRIED = 4
"""Addresses of one name that are tried, one after the other."""

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a name; may block. Raises OSError."""


class Forbidden(Exception):
    """A name stands for an address that webhooks may not go to; nothing has been connected."""


class NotFound(Exception):
    """A name stands for no address, now."""


def look_up(host: str, port: int) -> list[str]:
    """What the system knows of a name: `Resolve`."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Guard(AsyncNetworkBackend):
    """Connects for httpcore, which keeps the name for `Host` and TLS, and never asks for it again.

    Args:
        allowed: networks that may be connected to though they are private.
        address_timeout_s: for one of several addresses of a name.
    """

    def __init__(self, allowed: Sequence[Network], *, address_timeout_s: float, resolve: Resolve = look_up) -> None:
        self._allowed = allowed
        self._timeout_s = address_timeout_s
        self._resolve = resolve
        self._inner = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to a host that may be connected to.

        Raises:
            Forbidden: see there.
            NotFound: see there.
            ConnectError: none of its addresses takes a connection.
        """
        addresses = await self._judged(host, port)
        for address in addresses[:-1]:
            with suppress(ConnectError, ConnectTimeout):
                return await self._inner.connect_tcp(address, port, timeout=self._timeout_s)
        return await self._inner.connect_tcp(addresses[-1], port)

    async def _judged(self, host: str, port: int) -> list[str]:
        try:
            found = await _apart(lambda: self._resolve(host, port))
        except (OSError, UnicodeError):
            raise NotFound(f"the name {host} is not found") from None
        for each in found:
            if not is_open(ipaddress.ip_address(each), self._allowed):
                where = each if each == host else f"{host} stands for {each}, which"
                raise Forbidden(f"{where} is no public address, and in no network of MAILQ_CALLS__WEBHOOK_NETWORKS")
        if not found:
            raise NotFound(f"the name {host} has no address")
        return list(dict.fromkeys(found))[:MOST_TRIED]


async def _apart(work: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Do what may block for long in a thread of its own, which nobody waits for who has given up: neither others, nor the end."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Sequence[str]] = loop.create_future()

    def run() -> None:
        try:
            result, fault = work(), None
        except Exception as error:  # noqa: BLE001 - handed over
            result, fault = (), error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_hand_over, found, result, fault)

    threading.Thread(target=run, name="webhook-name", daemon=True).start()
    return await found


def _hand_over(found: "asyncio.Future[Sequence[str]]", result: Sequence[str], fault: Exception | None) -> None:
    if found.done():
        return
    if fault is None:
        found.set_result(result)
    else:
        found.set_exception(fault)
