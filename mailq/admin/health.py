"""Whether requests can be served: what a load balancer asks."""

from dataclasses import dataclass

from mailq.admin import maintenance
from mailq.broker import health
from mailq.errors import MailqError, Misconfigured, Unavailable
from mailq.store import revision
from mailq.store.database import Database

__all__ = ["Finding", "Readiness", "ready"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        words: what is wrong, or that all is well. Names addresses, and so is for operators alone.
    """

    name: str
    ok: bool
    words: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served. Without a broker they can: mail waits for a tick of upkeep. In maintenance, too: it waits for
    its end.

    Attributes:
        maintenance: whether everything is accepted and nothing is processed.
    """

    findings: tuple[Finding, ...]
    maintenance: bool = False

    @property
    def ready(self) -> bool:
        """Whether requests should come here."""
        return all(each.ok for each in self.findings if each.name != "broker")


def ready(database: Database, redis_url: str | None = None) -> Readiness:
    """Look whether the database answers, its schema fits this version, and the broker answers, if one is set."""
    findings, maintained = _of_the_database(database)
    if redis_url is not None:
        findings.append(_of_the_broker(redis_url))
    return Readiness(tuple(findings), maintained)


def _of_the_database(database: Database) -> tuple[list[Finding], bool]:
    try:
        revision.require_up_to_date(database)
        maintained = maintenance.status(database) is not None
    except Unavailable as error:
        return [Finding("database", ok=False, words=str(error))], False
    except Misconfigured as error:
        return [Finding("database", ok=True, words="it answers"), Finding("schema", ok=False, words=str(error))], False
    fits = Finding("schema", ok=True, words=f"revision {revision.HEAD}")
    return [Finding("database", ok=True, words="it answers"), fits], maintained


def _of_the_broker(redis_url: str) -> Finding:
    try:
        answers = health.answers(redis_url)
    except MailqError as error:
        return Finding("broker", ok=False, words=str(error))
    return Finding("broker", ok=answers, words="it answers" if answers else "it does not answer: mail waits for a tick of upkeep")
