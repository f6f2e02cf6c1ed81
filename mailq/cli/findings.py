"""What a doctor finds: one line each, with how to fix it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mailq.errors import MailqError


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One answer; `fix` says what to do unless all is well."""

    level: Level
    what: str
    text: str
    fix: str = ""


def ok(what: str, text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, what, text)


def warn(what: str, text: str, fix: str) -> Finding:
    """It works, but."""
    return Finding(Level.WARN, what, text, fix)


def fail(what: str, text: str, fix: str) -> Finding:
    """It cannot work like this."""
    return Finding(Level.FAIL, what, text, fix)


def asked(what: str, fix: str, ask: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of one question; an error of the world is a finding too."""
    try:
        yield from ask()
    except MailqError as error:
        yield fail(what, str(error), fix)
