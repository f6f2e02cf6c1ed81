"""What a doctor looks at on this machine: Python, packages, settings, the home."""

import difflib
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from mailq.cli.config import described
from mailq.cli.findings import Finding, fail, ok, warn
from mailq.cli.version import versions
from mailq.settings import Settings

_LITTLE_BYTES = 1_000_000_000
_TOO_LITTLE_BYTES = 100_000_000


def of_python() -> Iterator[Finding]:
    """Python and the packages, with the combinations that are known to be bad."""
    found = versions()
    yield ok("python", f"{found['python']} at {sys.executable}")
    celery, kombu = found["celery"] or "none", found["kombu"] or "none"
    if find_spec("packaging") is None:
        yield fail("packages", "`packaging` is missing, which kombu's Redis transport imports", "pip install packaging")
    if _number(celery) < (5, 6, 2):
        yield fail("packages", f"Celery {celery} has no worker_disable_prefetch on Redis", "pip install 'celery>=5.6.2'")
    elif kombu == "5.7.0":
        yield ok("packages", f"Celery {celery}, kombu {kombu} (exits when Redis goes away; mailq guards it)")
    else:
        yield ok("packages", f"Celery {celery}, kombu {kombu}")
    if found["uvloop"] is None:
        yield warn("packages", "uvloop is not installed: sending costs a third more", "pip install 'mailq[fast]'")


def of_environment() -> Iterator[Finding]:
    """Settings that nobody reads, because their names are mistyped."""
    known = set(described(Settings.model_construct()))
    parts = {f"MAILQ_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith("MAILQ_") and name.upper() not in known | parts)
    for name in unknown:
        near = difflib.get_close_matches(name.upper(), known, n=1)
        yield warn(
            "settings", f"{name} is no setting", f"did you mean {near[0]}?" if near else "unset it; `config show` lists all"
        )
    if not unknown:
        yield ok("settings", "every MAILQ_ variable is known; `mailqctl config show` lists them")


def of_home(home: Path) -> Iterator[Finding]:
    """Whether the home can be used, and how much room is left."""
    where = next(path for path in (home.absolute(), *home.absolute().parents) if path.exists())
    if not os.access(where, os.W_OK):
        yield fail("home", f"{where} is not writable for this user", "choose another place with MAILQ_HOME")
        return
    free = shutil.disk_usage(where).free
    text = f"{home}: {free / 1e9:,.1f} GB free"
    if free < _TOO_LITTLE_BYTES:
        yield fail("home", text, "make room: workers keep lock files and journals there")
    elif free < _LITTLE_BYTES:
        yield warn("home", text, "make room before it is full")
    else:
        yield ok("home", text)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdecimal())
