"""mailq: a bulk mailer that keeps books. Producers take `Client` and what it understands from here."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailq.client import AsyncClient, Call, Client, Email, Mailing, Message, Outbox, Recipient, Response

# libpq's Kerberos probe takes a mutex that a forked child may inherit locked; who wants GSS says so before the import.
os.environ.setdefault("PGGSSENCMODE", "disable")

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Call", "Client", "Email", "Mailing", "Message", "Outbox", "Recipient", "Response"]


def __getattr__(name: str) -> Any:
    """What producers import, when they do: a worker does not need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mailq import client

    return getattr(client, name)
