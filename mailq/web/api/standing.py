"""How the installation stands, as clients are told: servers, doubts, what waits."""

from datetime import datetime, timedelta
from typing import Self

from pydantic import Field

from mailq.admin.backlog import Backlog
from mailq.admin.doubts import Listed as Doubtful
from mailq.admin.servers import Listed as Server
from mailq.web.api.views import Listed, View


class ServerView(View):
    """A worker server."""

    server: str
    state: str = Field(description="`silent` once its lease has run out", examples=["running"])
    host: str
    port: int | None
    pid: int
    version: str
    slots: dict[str, int] = Field(description="worker processes by lane")
    num_leased: int = Field(description="batches that it holds")
    incarnation: int
    started_at: datetime
    renewed_at: datetime

    @classmethod
    def of(cls, found: Server) -> Self:
        """As its row has it."""
        standing, place = found.standing, found.standing.place
        return cls(
            server=standing.name,
            state=found.state.value,
            host=place.host,
            port=place.port,
            pid=place.pid,
            version=found.version,
            slots=dict(found.slots),
            num_leased=found.num_leased,
            incarnation=standing.incarnation,
            started_at=standing.started_at,
            renewed_at=standing.renewed_at,
        )


class ServerPage(Listed[ServerView]):
    """All servers."""


class DoubtView(View):
    """A delivery in doubt: it may have arrived or not, and nobody can know."""

    mailing: str
    seq: int
    address: str
    reason: str
    relay: str | None
    since: datetime
    attempts: int

    @classmethod
    def of(cls, found: Doubtful) -> Self:
        """As its row has it."""
        return cls(**{name: getattr(found, name) for name in cls.model_fields})


class DoubtPage(Listed[DoubtView]):
    """A page of doubts."""


class ResolvedView(View):
    """What was settled."""

    num: int


class LaneView(View):
    """What waits in a lane, of all organizations: they share its workers."""

    lane: str
    num_ready: int = Field(description="batches that nobody works yet")
    num_leased: int = Field(description="batches that are worked")
    num_waiting: int = Field(description="batches that are not due yet")
    num_pending: int
    num_deferred: int
    num_inbox: int = Field(description="messages that have no place in a stream yet")
    oldest_ready_age_s: float | None = Field(description="for how long the oldest batch has waited to be worked")
    oldest_inbox_age_s: float | None
    num_slots: int = Field(description="worker processes that serve it")

    @classmethod
    def of(cls, found: Backlog) -> Self:
        """As it was counted."""
        ages = {"oldest_ready_age_s": _seconds(found.oldest_ready_age), "oldest_inbox_age_s": _seconds(found.oldest_inbox_age)}
        counts = ("num_ready", "num_leased", "num_waiting", "num_pending", "num_deferred", "num_inbox", "num_slots")
        return cls(lane=found.lane.value, **ages, **{name: getattr(found, name) for name in counts})


class BacklogView(View):
    """What waits, lane by lane, the most urgent first."""

    data: list[LaneView]
    maintenance: bool = Field(description="nothing is sent until an operator ends that, however many servers there are")


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else age.total_seconds()
