"""Who may know whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, modules, named, parsed


def test_arrows_point_down() -> None:
    """The contracts of pyproject.toml: layers, the pure core, SQL in the store alone, Celery in broker and workers alone."""
    program = Path(sys.executable).with_name("lint-imports")
    checked = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("module", ["mailq.settings", "mailq.core.delivery", "mailq.engine.ports", "mailq.cli", "mailq.client"])
def test_what_is_light_stays_light(module: str) -> None:
    """`mailqctl --help`, and whoever reads settings or decides something, must not wait two seconds for SQLAlchemy and Celery."""
    if not _exists(module):
        return
    heavy = "{'sqlalchemy', 'alembic', 'celery', 'kombu', 'redis', 'psycopg2'}"
    asked = f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))"
    said = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert said.split() == []


def test_nothing_below_the_terminal_prints() -> None:
    """Words for people are the terminal's; everybody else logs, returns or raises. What workers print is marked with its reason."""
    excused = {
        "mailq/cli": "the terminal",
        "mailq/contrib/flask/commands.py": "the terminal of an app",
        "mailq/local/sink": "a program of its own",
        "mailq/local/child.py": "becomes another program, or says why not",
        "workers/app.py": "celery would show a traceback for a user's mistake",
        "workers/lifecycle.py": "one sentence on stderr before the worker ends",
    }
    found = [
        f"{named(path)}:{node.lineno}"
        for path in modules("mailq", "workers")
        if not named(path).startswith(tuple(excused))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"print", "sys.stdout.write", "sys.stderr.write", "click.echo"}
    ]

    assert found == []


def _exists(module: str) -> bool:
    place = ROOT.joinpath(*module.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()
