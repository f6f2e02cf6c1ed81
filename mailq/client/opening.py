"""Which door a client means. Drivers are imported by the door that needs them."""

from typing import TYPE_CHECKING, Any, TypeVar

from mailq.client.doors import AsyncDoor, Door
from mailq.client.outbox import Outbox
from mailq.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from mailq.client.async_spooling_door import AsyncSpoolingDoor
    from mailq.client.postgres import PostgresDoor
    from mailq.client.spooling_door import SpoolingDoor
    from mailq.store.database import Transactions

_HTTP = ("http://", "https://")
_POSTGRES = ("postgresql://", "postgres://", "postgresql+")
Spooling = TypeVar("Spooling")
_IDLE_MS = 15 * 60 * 1000


def door(given: Any, *, organization: str, schema: str | None, key: str | None) -> Door:
    """The door to what a `Client` was given.

    Raises:
        Misconfigured: it is none.
    """
    if isinstance(given, str):
        return _http(given, key) if given.startswith(_HTTP) else _own(given, organization, schema)
    if isinstance(given, Outbox):
        from mailq.client.outbox_door import OutboxDoor

        return OutboxDoor(given.connection)
    from mailq.client.postgres import PostgresDoor
    from mailq.store.joined import Joined

    return PostgresDoor(Joined(given, schema=schema), organization)


def async_door(given: Any, *, organization: str, schema: str | None, key: str | None) -> AsyncDoor:
    """The door to what an `AsyncClient` was given.

    Raises:
        Misconfigured: it is none.
    """
    if isinstance(given, str) and given.startswith(_HTTP):
        from mailq.client.http import AsyncHttpDoor

        return AsyncHttpDoor(given, key=key)
    if isinstance(given, Outbox):
        from mailq.client.async_outbox_door import AsyncOutboxDoor

        return AsyncOutboxDoor(given.connection)
    from mailq.client.postgres_async import AsyncPostgresDoor, InTheirTransaction, InThreads, WhileAwaited
    from mailq.store.joined import JoinedAsync

    if isinstance(given, str):
        return AsyncPostgresDoor(InThreads(_own(given, organization, schema, WhileAwaited)))
    return AsyncPostgresDoor(InTheirTransaction(JoinedAsync(given, schema=schema), organization))


def spooling(given: Any, spool: "str | PathLike[str]", *, key: str | None) -> "SpoolingDoor":
    """The door over HTTP that writes into a spool what the API does not answer.

    Raises:
        Misconfigured: this is no HTTP API, or the spool cannot be made.
    """
    url = _require_http(given)
    from mailq.client.spool import Spool
    from mailq.client.spooling_door import SpoolingDoor

    return SpoolingDoor(url, key=key, spool=Spool(spool))


def async_spooling(given: Any, spool: "str | PathLike[str]", *, key: str | None) -> "AsyncSpoolingDoor":
    """The same for asynchronous producers.

    Raises:
        Misconfigured: as `spooling`.
    """
    url = _require_http(given)
    from mailq.client.async_spooling_door import AsyncSpoolingDoor
    from mailq.client.spool import Spool

    return AsyncSpoolingDoor(url, key=key, spool=Spool(spool))


def required(found: Spooling | None) -> Spooling:
    """What a client writes into its spool with.

    Raises:
        Misconfigured: it has none.
    """
    if found is None:
        raise Misconfigured('this client has no spool; Client("https://…", key="mq_…", spool="calls.spool") has one')
    return found


def _require_http(given: Any) -> str:
    if isinstance(given, str) and given.startswith(_HTTP):
        return given
    raise Misconfigured("a spool is for the HTTP API, https://…; whoever reaches a database writes into that")


def _http(url: str, key: str | None) -> Door:
    from mailq.client.http import HttpDoor

    return HttpDoor(url, key=key)


def _own(
    url: str, organization: str, schema: str | None, wrap: "Callable[[Transactions], Transactions] | None" = None
) -> "PostgresDoor":
    if not url.startswith(_POSTGRES):
        raise Misconfigured("a client needs a URL that begins with postgresql:// or https://, a connection or a session")
    from mailq.client.postgres import PostgresDoor
    from mailq.store.checked import Checked
    from mailq.store.database import Database

    # The producer's own generator of recipients may take its time.
    database = Database(url, application="mailq client", idle_timeout_ms=_IDLE_MS, schema=schema)
    transactions = Checked(database)
    return PostgresDoor(wrap(transactions) if wrap else transactions, organization, alone=True, close=database.close)
