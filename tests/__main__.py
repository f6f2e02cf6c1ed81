"""`./run test [--all] [pytest arguments]`: every tier in one pytest run, the fast ones first; exits with pytest's code.

Without paths everything runs but what is marked `slow`, in two processes side by side; `--all` runs that too. `-n0` runs all in one.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The scenarios before the integration tests: the longest ones go first, so that both processes end together.
TIERS = ("unit", "architecture", "model", "contract", "scenarios", "integration")
FAST_TIERS = ("unit", "architecture", "model")
# Scenarios mostly wait. A file stays with one process, which has a PostgreSQL and a Redis of its own.
SIDE_BY_SIDE = ("-n2", "--dist=loadfile", "--no-loadscope-reorder")
# Hundreds of processes import the same modules, and to rewrite the asserts of all tests takes ten seconds.
COMPILED = HERE.parent / ".venv" / "compiled"


def arguments(given: Sequence[str]) -> list[str]:
    """What pytest is told for what `./run test` was told."""
    words = [word for word in given if word != "--all"]
    paths = [word for word in words if not word.startswith("-") and Path(word.partition("::")[0]).exists()]
    chosen = paths or [str(HERE / tier) for tier in TIERS if (HERE / tier).is_dir()]
    options = [] if "--all" in given or "-m" in words else ["-m", "not slow"]
    if not paths:
        options += SIDE_BY_SIDE
    elif all(_is_fast(path) for path in chosen):
        # pytest-celery takes three seconds to load, more than these tiers take to run.
        options += ["-p", "no:celery"]
    return [*options, *(word for word in words if word not in paths), *chosen]


def _is_fast(path: str) -> bool:
    where = Path(path.partition("::")[0]).resolve()
    return any(where.is_relative_to(HERE / tier) for tier in FAST_TIERS)


def keep_what_is_compiled() -> None:
    """Away from the sources, for this process and those it starts; also for who wants no bytecode there."""
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(COMPILED)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


if __name__ == "__main__":
    keep_what_is_compiled()
    sys.exit(pytest.main(arguments(sys.argv[1:])))
