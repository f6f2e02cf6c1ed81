"""The processes of a server, as the kernel lists them."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One living process of a group."""

    pid: int
    parent: int
    words: str


def of_group(group: int) -> list[Entry]:
    """The living processes of a process group, by pid."""
    numbered = (directory for directory in Path("/proc").iterdir() if directory.name.isdigit())
    return sorted(entry for directory in numbered if (entry := _entry(directory, group)))


def wardens(entries: Iterable[Entry]) -> list[int]:
    """The wardens among them."""
    return [entry.pid for entry in entries if "workers.warden" in entry.words]


def children(entries: Iterable[Entry], main: int) -> list[int]:
    """The worker processes among them: forked by the main process."""
    return [entry.pid for entry in entries if entry.parent == main and "workers.warden" not in entry.words]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes; one that has ended is none."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _entry(directory: Path, group: int) -> Entry | None:
    try:
        # "pid (name) state ppid pgrp …": the name may hold anything.
        state, parent, pgrp = (directory / "stat").read_text().rpartition(")")[2].split()[:3]
        if int(pgrp) != group or state in "ZX":
            return None
        words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (OSError, ValueError):
        return None
    return Entry(int(directory.name), int(parent), words)
