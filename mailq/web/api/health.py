"""For load balancers: whether this process lives, and whether requests should come here."""

from typing import Literal

from anyio import to_thread
from fastapi import APIRouter
from pydantic import BaseModel

from mailq.web.api.operations import operation
from mailq.web.api.parts import InParts

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Alive):
    """Requests can be served. Without Redis they are served too: mail waits for a tick of upkeep, and rates count by process."""

    redis: Literal["ok", "away", "not set"]


@router.get("/healthz", **operation("get_health", scope=None))
async def health() -> Alive:
    """Whether the process answers; asks nobody."""
    return Alive()


@router.get("/readyz", **operation("get_readiness", scope=None))
async def readiness(parts: InParts) -> Ready:
    """Whether requests should come here: PostgreSQL answers, and its schema fits. 503 if not."""
    return Ready(redis=await to_thread.run_sync(parts.is_ready))
