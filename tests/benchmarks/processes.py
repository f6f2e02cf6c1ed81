"""What processes cost: CPU seconds of a process with all its children, and peak memory."""

from collections.abc import Iterable
from pathlib import Path

import psutil


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds, user and system, of processes with their children, those that have ended included."""
    return sum(_cpu_s(psutil.Process(pid)) for pid in pids)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    own = times.user + times.system + times.children_user + times.children_system
    return own + sum(_cpu_s(child) for child in process.children())


def peak_rss_mb(pid: int) -> float:
    """The most memory a living process has held so far, in megabytes (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kilobytes) / 1000


def workers_of(main_pid: int) -> list[int]:
    """The pool's children of a worker server: what it forked, without the warden it started."""
    children = psutil.Process(main_pid).children()
    return [child.pid for child in children if "workers.warden" not in child.cmdline()]
