"""The figures that were asked for, beside what a run showed: found in the document that `--json` writes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """A figure that was asked for.

    Attributes:
        where: its place in the document.
        stretch: what would be better still.
        at_most: whether less is better.
    """

    name: str
    work: str
    where: tuple[str, ...]
    unit: str
    asked: float
    stretch: float | None = None
    at_most: bool = False

    def in_document(self, document: Mapping[str, Any]) -> float | None:
        """What the run showed; None if this was not measured."""
        found: Any = document
        for part in self.where:
            if not isinstance(found, Mapping) or found.get(part) is None:
                return None
            found = found[part]
        return float(found)


@dataclass(frozen=True)
class Figure:
    """A target and what was measured of it."""

    target: Target
    value: float | None

    @property
    def ratio(self) -> float | None:
        """Ours by what was asked."""
        return None if self.value is None else self.value / self.target.asked

    @property
    def reached(self) -> bool | None:
        """Whether it is what was asked for; None if it was not measured."""
        return self._meets(self.target.asked)

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.value is None:
            return "not measured"
        if not self.reached:
            return "short"
        stretched = self.target.stretch is not None and self._meets(self.target.stretch)
        return "stretch reached" if stretched else "reached"

    def as_mapping(self) -> dict[str, Any]:
        """As the document has it."""
        ratio = None if self.ratio is None else round(self.ratio, 3)
        target = self.target
        asked = {"unit": target.unit, "asked": target.asked, "stretch": target.stretch, "at_most": target.at_most}
        return {"value": self.value, **asked, "ratio": ratio, "reached": self.reached}

    def _meets(self, bound: float) -> bool | None:
        if self.value is None:
            return None
        return self.value <= bound if self.target.at_most else self.value >= bound


TARGETS = (
    Target("end_to_end", "end to end, 1 KB personalised multipart", ("end_to_end", "mails_per_s"), "mails/s", 6000, 10_000),
    Target(
        "cpu_per_mail",
        "the same, CPU of all our processes, PostgreSQL and Redis",
        ("end_to_end", "cpu_us_per_mail_without_sink"),
        "µs/mail",
        250,
        150,
        at_most=True,
    ),
    Target("ratio_to_smtp_source", "ratio to C smtp-source", ("smtp_source", "ratio"), "", 0.35, 0.55),
    Target("end_to_end_11_kb", "end to end, 11 KB multipart", ("end_to_end_large", "mails_per_s"), "mails/s", 3500, 5000),
    Target(
        "client_asyncio",
        "the SMTP client alone, 50 sessions, asyncio",
        ("client", "asyncio", "cpu_us_per_mail"),
        "µs/mail",
        45,
        at_most=True,
    ),
    Target("client_uvloop", "the same on uvloop", ("client", "uvloop", "cpu_us_per_mail"), "µs/mail", 20, at_most=True),
    Target(
        "accept",
        "accept from CSV: validation, duplicates, suppressions, every index",
        ("accept", "recipients_per_s"),
        "recipients/s",
        80_000,
        110_000,
    ),
    Target(
        "submit_joined",
        "submit in the producer's transaction, beside a submit of a file",
        ("doors_python", "doors", "psycopg2 generator", "by_the_file"),
        "",
        0.9,
    ),
    Target("http_messages", "single messages over HTTP", ("http_messages", "messages_per_s"), "messages/s", 500),
    Target("http_recipients", "recipients by NDJSON over HTTP", ("http_recipients", "recipients_per_s"), "recipients/s", 20_000),
    Target("calls_accepted", "calls accepted over HTTP", ("calls", "accepted", "up", "calls_per_s"), "calls/s", 500),
    Target(
        "calls_accepted_down", "the same without workers and Redis", ("calls", "accepted", "down", "calls_per_s"), "calls/s", 500
    ),
    Target("calls_p99", "99 % of the answers, at 250 calls/s", ("calls", "accepted", "up", "p99_ms"), "ms", 20, at_most=True),
    Target(
        "calls_p99_down",
        "the same without workers and Redis, at 250 calls/s",
        ("calls", "accepted", "down", "p99_ms"),
        "ms",
        20,
        at_most=True,
    ),
    Target(
        "calls_p99_maintenance",
        "the same in maintenance, at 250 calls/s",
        ("calls", "accepted", "maintenance", "p99_ms"),
        "ms",
        20,
        at_most=True,
    ),
    Target("calls_run", "calls run, a message each", ("calls", "run", "calls_per_s"), "calls/s", 300),
    Target(
        "conversation",
        "a conversation of 1,000 parts, from its first part sent to its end",
        ("calls", "conversation", "seconds"),
        "s",
        10,
        at_most=True,
    ),
    Target("first_mail", "first mail accepted after submit returns", ("first_mail", "seconds"), "s", 1, 0.3, at_most=True),
    Target("progress", "progress query (asked at 10 M deliveries)", ("scale", "progress_ms"), "ms", 10, 2, at_most=True),
    Target("growth", "cost per mail beside 10 k (asked at 10 M)", ("scale", "growth_percent"), "% more", 10, 5, at_most=True),
    Target("rss_worker", "peak memory of a worker process", ("rss_mb", "worker"), "MB", 150, 100, at_most=True),
    Target("rss_submit", "peak memory of a submit (asked of 5 M)", ("rss_mb", "submit"), "MB", 150, 100, at_most=True),
    Target("celery", "share of Celery's main process and Redis", ("end_to_end", "celery_percent"), "%", 2, at_most=True),
    Target("shared", "share of PostgreSQL and Redis", ("end_to_end", "shared_percent"), "%", 15, at_most=True),
)


def of(document: Mapping[str, Any]) -> Iterator[Figure]:
    """All figures, in the order of the table."""
    return (Figure(target, target.in_document(document)) for target in TARGETS)


def shown(value: float | None) -> str:
    """A number with as many digits as it deserves."""
    if value is None:
        return "–"
    size = abs(value)
    if size >= 1000 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def merged(document: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """A document with further figures; where both have a section, the further one's entries come on top."""
    found = dict(document)
    for name, value in further.items():
        before = found.get(name)
        found[name] = {**before, **value} if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return found
