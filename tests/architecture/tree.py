"""The repository as the architecture tests see it: its files, without what `.gitignore` names. No git is needed."""

import ast
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]

_IGNORED = [line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.strip()]


def top_level() -> set[str]:
    """Names in the root directory, of what is committed: what somebody exports or logs there is his own."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {line.partition("/")[0] for line in listed.stdout.splitlines()}


def files(directory: Path = ROOT) -> Iterator[Path]:
    """Every file that belongs to the project."""
    for path in sorted(directory.iterdir()):
        if _is_ignored(path):
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def modules(*packages: str) -> list[Path]:
    """Every Python file below these directories."""
    return [path for package in packages for path in files(ROOT / package) if path.suffix == ".py"]


def parsed(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def named(path: Path) -> str:
    """A path as a person would name it."""
    return str(path.relative_to(ROOT))


def _is_ignored(path: Path) -> bool:
    return path.name == ".git" or any(fnmatch(path.name, pattern) for pattern in _IGNORED)
