"""mailq for FastAPI.

app = FastAPI(lifespan=MailqLifespan("postgresql://…"))

@app.post("/welcome")
async def welcome(mailq: ClientDep): await mailq.send(Message(...))

@app.post("/sign-up")
async def sign_up(mailq: MailqDep, session: SessionDep): await mailq.within(session).send(Message(...))
"""

from mailq.contrib.fastapi.connecting import Mailq, MailqLifespan, connect
from mailq.contrib.fastapi.dependencies import ClientDep, MailqDep, SyncClientDep, get_client, get_mailq, get_sync_client
from mailq.contrib.fastapi.refusals import answer_errors

__all__ = [
    "ClientDep",
    "Mailq",
    "MailqDep",
    "MailqLifespan",
    "SyncClientDep",
    "answer_errors",
    "connect",
    "get_client",
    "get_mailq",
    "get_sync_client",
]
