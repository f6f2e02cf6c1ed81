"""What endpoints ask for."""

from typing import Annotated

from fastapi import Depends, Request

from mailq.client import AsyncClient, Client
from mailq.contrib.fastapi.connecting import Mailq
from mailq.errors import Misconfigured


# Not `async def` where nothing is awaited would run in a thread: these are called in the loop.
async def get_mailq(request: Request) -> Mailq:
    """The door of the app.

    Raises:
        Misconfigured: its lifespan did not connect.
    """
    mailq = getattr(request.app.state, "mailq", None)
    if not isinstance(mailq, Mailq):
        raise Misconfigured("the app has no mailq: give it lifespan=MailqLifespan(url), or connect(app, url) in its own")
    return mailq


MailqDep = Annotated[Mailq, Depends(get_mailq)]


async def get_client(mailq: MailqDep) -> AsyncClient:
    """For `async def` endpoints."""
    return mailq.client


async def get_sync_client(mailq: MailqDep) -> Client:
    """For `def` endpoints."""
    return mailq.sync


ClientDep = Annotated[AsyncClient, Depends(get_client)]
SyncClientDep = Annotated[Client, Depends(get_sync_client)]
