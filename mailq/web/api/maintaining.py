"""Whether things are processed, for those who accept the waiting and want to say so."""

from fastapi import APIRouter

from mailq.admin import maintenance
from mailq.admin.keys import Scope
from mailq.web.api.call_views import MaintenanceView
from mailq.web.api.operations import operation
from mailq.web.api.parts import InParts, Reader

router = APIRouter(tags=["operations"])


@router.get("/v1/maintenance", **operation("get_maintenance", scope=Scope.READ))
def get_maintenance(caller: Reader, parts: InParts) -> MaintenanceView:
    """Whether there is maintenance: everything is accepted, and nothing is run or sent until an operator ends it."""
    found = maintenance.status(parts.database)
    return MaintenanceView(maintenance=found is not None, since=found and found.since, why=found and found.why)
