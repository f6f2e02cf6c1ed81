"""The door over HTTP, for producers anywhere. What is said and how it is understood stands in one place; the two senders only carry it."""

from mailq.errors import Misconfigured

try:
    from mailq.client.http.asynchronous import AsyncHttpDoor
    from mailq.client.http.synchronous import HttpDoor
except ModuleNotFoundError as error:
    if error.name not in {"httpx2", "stamina"}:
        raise
    raise Misconfigured(f"the HTTP door needs `{error.name}`, which is not installed: `pip install 'mailq[client]'`") from None

__all__ = ["AsyncHttpDoor", "HttpDoor"]
