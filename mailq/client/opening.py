"""Which door a client means. Drivers are imported by the door that needs them."""

from typing import Any

from mailq.client.doors import AsyncDoor, Door
from mailq.errors import Misconfigured


def door(given: Any, *, organization: str, schema: str | None, key: str | None) -> Door:
    """The door to what a `Client` was given.

    Raises:
        Misconfigured: it is none.
    """
    if isinstance(given, str) and given.startswith(("http://", "https://")):
        from mailq.client.http import HttpDoor

        http: Door = HttpDoor(given, key=key)
        return http
    raise Misconfigured(f"a client needs a URL, a connection or a session; this is {type(given).__name__}")


def async_door(given: Any, *, organization: str, schema: str | None, key: str | None) -> AsyncDoor:
    """The door to what an `AsyncClient` was given.

    Raises:
        Misconfigured: it is none.
    """
    if isinstance(given, str) and given.startswith(("http://", "https://")):
        from mailq.client.http import AsyncHttpDoor

        http: AsyncDoor = AsyncHttpDoor(given, key=key)
        return http
    raise Misconfigured(f"a client needs a URL, a connection or a session; this is {type(given).__name__}")
