"""Which Python `./run` makes its environment with: its own functions, with pythons whose versions and builds are pretended."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

OPTIMISED, PLAIN = ("/opt/python", "'--enable-shared' '--enable-optimizations'"), ("/opt/python", "'--enable-shared'")
DISTRIBUTION = ("/usr", "'--enable-shared'")
UNKNOWN = ("/opt/python", "")
NEW, OLD = "3.12", "3.10"
Build = tuple[str, str]

PRETEND = """
import sys, sysconfig
version, sys.base_prefix, configured, sys.executable, _, code, *words = sys.argv[1:]
sys.version_info = tuple(map(int, version.split(".")))
sysconfig.get_config_var = lambda name: (configured or None) if name == "CONFIG_ARGS" else 1 / 0
sys.argv = ["-c", *words]
exec(code)
"""


@pytest.fixture
def bin_directory(tmp_path: Path) -> Path:
    """What PATH names, and below it where a distribution has its own."""
    (tmp_path / "bin" / "usr").mkdir(parents=True)
    return tmp_path / "bin"


def install(bin_directory: Path, name: str, version: str, build: Build) -> None:
    script = bin_directory / name
    pretending = bin_directory / "pretend.py"
    pretending.write_text(PRETEND)
    script.write_text(f"""#!/bin/sh\nexec '{sys.executable}' '{pretending}' {version} {build[0]} "{build[1]}" "$0" "$@"\n""")
    script.chmod(0o755)


def find_python(bin_directory: Path, named: str = "") -> subprocess.CompletedProcess[str]:
    """What `find_python` of the script says, with nothing on its PATH but these."""
    functions, _, _ = (ROOT / "run").read_text().partition("\nword=${1:-}\n")
    assert "/usr/bin/python3 " in functions
    functions = functions.replace("/usr/bin/python3 ", f"{bin_directory}/usr/python3 ")
    # The last line is how the script calls it: a failure ends it.
    words = [
        "sh",
        "-c",
        'eval "$1"; PATH=$2; python=$(find_python); printf "%s\\n" "$python"',
        "./run",
        functions,
        str(bin_directory),
    ]
    return subprocess.run(
        words, cwd=ROOT, env={"PATH": "/usr/bin:/bin", "PYTHON": named}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"python3": (NEW, PLAIN)}, "python3"),
        ({"python3": (NEW, UNKNOWN)}, "python3"),
        ({"python3": (NEW, PLAIN), "python3.11": (NEW, PLAIN), "usr/python3": (NEW, PLAIN)}, "python3"),
        ({"python3": (NEW, PLAIN), "python3.13": (NEW, OPTIMISED)}, "python3.13"),
        ({"python3": (NEW, PLAIN), "usr/python3": (NEW, DISTRIBUTION), "python3.14": (NEW, OPTIMISED)}, "usr/python3"),
        ({"python3": (NEW, OPTIMISED), "usr/python3": (NEW, DISTRIBUTION)}, "python3"),
        ({"python3": (OLD, OPTIMISED), "python3.11": ("3.11", PLAIN)}, "python3.11"),
        ({"python3": (OLD, OPTIMISED), "usr/python3": (OLD, DISTRIBUTION), "python3.12": (NEW, OPTIMISED)}, "python3.12"),
    ],
    ids=[
        "the only one",
        "one that does not say how it was built",
        "the first of many",
        "an optimised one",
        "the distribution's, which is as good",
        "the first of the optimised",
        "none that is too old",
        "nor for its build",
    ],
)
def test_it_takes_the_first_optimised_python_and_else_the_first(
    bin_directory: Path, installed: dict[str, tuple[str, Build]], expected: str
) -> None:
    for name, (version, build) in installed.items():
        install(bin_directory, name, version, build)

    assert find_python(bin_directory).stdout == f"{bin_directory / expected}\n"


@pytest.mark.parametrize("by_path", [False, True], ids=["by name", "by path"])
def test_the_one_that_is_named_comes_before_any_other(bin_directory: Path, by_path: bool) -> None:
    """However it was built."""
    install(bin_directory, "python3", NEW, OPTIMISED)
    install(bin_directory, "mine", NEW, PLAIN)

    found = find_python(bin_directory, str(bin_directory / "mine") if by_path else "mine")

    assert found.stdout == f"{bin_directory / 'mine'}\n"


@pytest.mark.parametrize("version", [OLD, None], ids=["too old", "missing"])
def test_one_that_is_named_and_does_not_fit_is_refused_by_its_name(bin_directory: Path, version: str | None) -> None:
    """Whoever names one does not want another one silently."""
    install(bin_directory, "python3", NEW, OPTIMISED)
    if version is not None:
        install(bin_directory, "mine", version, OPTIMISED)

    found = find_python(bin_directory, "mine")

    assert (found.returncode, found.stdout) == (69, "")
    assert "PYTHON=mine is no Python 3.11 or newer" in found.stderr


def test_one_that_fails_is_passed_over_in_silence(bin_directory: Path) -> None:
    """As the shims of version managers do for what is not installed."""
    shim = bin_directory / "python3"
    shim.write_text("#!/bin/sh\necho 'python3: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    install(bin_directory, "python3.12", NEW, PLAIN)

    found = find_python(bin_directory)

    assert (found.stdout, found.stderr) == (f"{bin_directory / 'python3.12'}\n", "")


def test_without_any_it_ends_and_says_what_to_do(bin_directory: Path) -> None:
    install(bin_directory, "python3", OLD, OPTIMISED)

    found = find_python(bin_directory)

    assert (found.returncode, found.stdout) == (69, "")
    assert "PYTHON=/path/to/python3" in found.stderr
