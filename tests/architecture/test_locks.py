"""The two lock files: complete, hashed, in step with each other and with pyproject.toml, and silent about where they came from."""

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.tree import ROOT

SETS = ("run", "dev")


def _text(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text()


def _locked(name: str) -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for line in _text(name).splitlines():
        if line and line[0] not in " #":
            pinned = Requirement(line.rstrip(" \\"))
            found.setdefault(canonicalize_name(pinned.name), []).append(pinned)
    return found


def _wanted(*groups: str) -> list[Requirement]:
    everything: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = everything["project"]
    words = [*project["dependencies"], *(word for extra in project["optional-dependencies"].values() for word in extra)]
    return [Requirement(word) for word in words + [word for group in groups for word in everything["dependency-groups"][group]]]


@pytest.mark.parametrize("name", SETS)
def test_a_lock_carries_no_download_address(name: str) -> None:
    """It must install from whatever index a machine is told to use."""
    found = [line for line in _text(name).splitlines() if re.search(r"://|--(extra-)?index|--find-links|\s@\s|file:", line)]

    assert found == []


@pytest.mark.parametrize("name", SETS)
def test_every_entry_is_pinned_and_hashed(name: str) -> None:
    """`--require-hashes` refuses the whole file otherwise."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", _text(name))
    loose = [
        entry.splitlines()[0] for entry in entries if not re.match(r"[\w.\[\]-]+==\S+", entry) or "--hash=sha256:" not in entry
    ]

    assert loose == []


@pytest.mark.parametrize(("name", "groups"), [("run", ("build",)), ("dev", ("build", "dev"))])
def test_a_lock_covers_pyproject_within_its_limits(name: str, groups: tuple[str, ...]) -> None:
    """Every direct dependency, each extra's too, in a version that pyproject.toml allows."""
    locked = _locked(name)
    wanted = _wanted(*groups)
    missing = [each.name for each in wanted if canonicalize_name(each.name) not in locked]
    outside = [
        f"{pinned} is not {each}"
        for each in wanted
        for pinned in locked.get(canonicalize_name(each.name), [])
        for specifier in pinned.specifier
        if not each.specifier.contains(Version(specifier.version), prereleases=True)
    ]

    assert (missing, outside) == ([], [])


def test_both_locks_hold_the_same_versions() -> None:
    """What was tested is what runs; the dev set only adds."""
    run, dev = _locked("run"), _locked("dev")
    differing = [name for name, pins in run.items() if {str(pin) for pin in pins} != {str(pin) for pin in dev.get(name, [])}]

    assert differing == []
    assert set(dev) - set(run)


def test_tools_stay_out_of_what_runs() -> None:
    """A worker needs neither pytest nor a linter."""
    assert not {"pytest", "ruff", "mypy", "hypothesis", "import-linter", "pytest-celery"} & set(_locked("run"))
