"""What processes cost: CPU seconds of a process with all its children, and peak memory."""

import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Spent:
    """What a program that has ended took, with all its children."""

    seconds: float
    cpu_s: float
    output: str


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Spent:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed; the text is what it said last.
    """
    began = time.perf_counter()
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"{Path(argv[0]).name} ended with {process.returncode}: {output[-1500:]}")
    return Spent(seconds, usage.ru_utime + usage.ru_stime, output)


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds, user and system, of processes with their children, those that have ended included."""
    return sum(_cpu_s(psutil.Process(pid)) for pid in pids)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    spent = times.user + times.system + times.children_user + times.children_system
    for child in process.children():
        # One that ends meanwhile, as a server's connection may, is counted with its parent's children next time.
        with suppress(psutil.NoSuchProcess):
            spent += _cpu_s(child)
    return spent


def own_cpu_s(pid: int) -> float:
    """CPU seconds of one living process without its children."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def peak_rss_mb(pid: int) -> float:
    """The most memory a living process has held so far, in megabytes (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(kilobytes) / 1000


def workers_of(main_pid: int) -> list[int]:
    """The pool's children of a worker server: what it forked, without the warden it started."""
    return [child.pid for child in psutil.Process(main_pid).children() if _is_worker(child)]


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "workers.warden" not in child.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one, too
        return False
