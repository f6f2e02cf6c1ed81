"""For load balancers: whether this process lives, and whether requests should come here."""

from typing import Literal

from anyio import to_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field

from mailq import telemetry
from mailq.web.api.operations import operation
from mailq.web.api.parts import InParts
from mailq.web.api.problems import RETRY_AFTER_S, Problem

log = telemetry.logger(__name__)

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Alive):
    """Requests can be served. Without Redis they are served too: mail waits for a tick of upkeep, and rates count by process."""

    checks: dict[str, bool] = Field(examples=[{"database": True, "schema": True, "broker": True}])
    maintenance: bool = Field(description="everything is accepted, and nothing is processed until an operator ends that")


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", **operation("get_health", scope=None))
async def health() -> Alive:
    """Whether the process answers; asks nobody."""
    return Alive()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", **operation("get_readiness", scope=None))
async def readiness(parts: InParts) -> Ready:
    """Whether requests should come here: PostgreSQL answers, and its schema fits. 503 if not."""
    found = await to_thread.run_sync(parts.readiness)
    if not found.ready:
        wrong = [each.name for each in found.findings if not each.ok]
        log.warning("http.not_ready", findings=[each.words for each in found.findings if not each.ok])
        raise Problem(503, f"no requests can be served: {', '.join(wrong)}", headers={"Retry-After": str(RETRY_AFTER_S)})
    return Ready(checks={each.name: each.ok for each in found.findings}, maintenance=found.maintenance)
