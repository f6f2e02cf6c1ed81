"""What lies in the repository, and what must not."""

import re
import tomllib

from tests.architecture.tree import ROOT, files, named, top_level

TOP_LEVEL = {
    ".ci",
    ".dockerignore",
    ".gitignore",
    "CHANGELOG.md",
    "README.md",
    "deploy",
    "docker-compose.yml",
    "docs",
    "examples",
    "mailq",
    "pyproject.toml",
    "requirements",
    "run",
    "tests",
    "workers",
}

# Paths of the machine somebody works on, as opposed to those of a container or of an operating system.
MACHINE_PATHS = re.compile(rb"(?<![\w/.])/(?:home|root|Users|work|mnt|workspace|private)/[\w.-]")
BINARY = {".png", ".ico", ".gz"}


def test_the_top_of_the_repository_holds_what_the_design_says() -> None:
    """Configuration of tools lives in pyproject.toml, everything else in a directory."""
    assert top_level() - {".env", ".venv"} == TOP_LEVEL


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    """What works here must work in any directory."""
    found = [
        f"{named(path)}:{number}"
        for path in files()
        if path.suffix not in BINARY
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if MACHINE_PATHS.search(line)
    ]

    assert found == []


def test_no_name_of_a_file_surprises_another_system() -> None:
    """Letters, digits, dot, dash and underscore, and the @ of systemd's templates; at most 100 characters."""
    assert [named(path) for path in files() if not re.fullmatch(r"[\w.@-]{1,100}", path.name, re.ASCII)] == []


def test_scripts_can_be_run() -> None:
    """A clone keeps the bit only if it was committed."""
    scripts = [path for path in files() if path.suffix in {"", ".sh"} and path.read_bytes().startswith(b"#!")]

    assert {named(path) for path in scripts} >= {"run", ".ci/run"}
    assert [named(path) for path in scripts if not path.stat().st_mode & 0o111] == []


def test_the_console_script_is_mailqctl_and_never_mailq() -> None:
    """`mailq` belongs to Postfix, Exim and others: in a venv ours would hide theirs, outside theirs would hide ours."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["scripts"] == {"mailqctl": "mailq.cli:main"}
    assert "gui-scripts" not in project
    assert not {"mailq", "sendmail"} & set(project.get("entry-points", {}).get("console_scripts", {}))
