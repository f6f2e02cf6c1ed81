"""The machine that a run was made on, as far as figures depend on it; no name by which somebody could find it."""

import os
import platform
from importlib import metadata
from pathlib import Path

import psutil

from tests.benchmarks.ground import Ground

_PACKAGES = ("celery", "jinja2", "psycopg2-binary", "sqlalchemy", "uvloop")


def describe(ground: Ground) -> dict[str, str]:
    """What there is to say, by what it is about."""
    with ground.database.begin() as tx:
        postgres = tx.exec_driver_sql("SHOW server_version").scalar_one()
        commit = tx.exec_driver_sql("SHOW synchronous_commit").scalar_one()
        fsync = tx.exec_driver_sql("SHOW fsync").scalar_one()
    cores = len(os.sched_getaffinity(0))
    return {
        "processor": f"{_processor()}, {cores} core{'s' if cores > 1 else ''}; everything runs on them, the sink too",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "PostgreSQL": f"{str(postgres).split()[0]}, fsync {fsync}, synchronous_commit {commit}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "sink": "smtp-sink of Postfix (C, one process)" if ground.tools else "mailq's own (Python): smtp-sink could not be had",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(not installed)"
