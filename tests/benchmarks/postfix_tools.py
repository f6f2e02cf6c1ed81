"""Postfix's own test programs, `smtp-sink` and `smtp-source`, in C: unpacked from Debian's package into `.tools`, no daemon."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

_ROOT = Path(__file__).parents[2]
_UNPACKED = _ROOT / ".tools" / "postfix"
_SYSTEM = Path("/usr/sbin")


@dataclass(frozen=True)
class PostfixTools:
    """Where both programs lie, and what they need to run."""

    sink: Path
    source: Path

    def environment(self) -> dict[str, str]:
        """Ours, with the libraries that lie beside programs that were unpacked."""
        libraries = self.sink.parents[1] / "lib" / "postfix"
        return dict(os.environ) | ({"LD_LIBRARY_PATH": str(libraries)} if libraries.is_dir() else {})


@cache
def find() -> PostfixTools | None:
    """The programs: those of MAILQ_SMTP_SINK, unpacked before, of this machine, or fetched now; None if there are none."""
    for place in _places():
        tools = PostfixTools(place / "smtp-sink", place / "smtp-source")
        if _run(tools):
            return tools
    unpacked = _UNPACKED / "usr" / "sbin"
    fetched = PostfixTools(unpacked / "smtp-sink", unpacked / "smtp-source")
    return fetched if _fetch() and _run(fetched) else None


def _places() -> Iterator[Path]:
    if named := os.environ.get("MAILQ_SMTP_SINK"):
        yield Path(named).resolve().parent
    yield _UNPACKED / "usr" / "sbin"
    if on_path := shutil.which("smtp-sink"):
        yield Path(on_path).resolve().parent
    # Debian's place, which is on root's path alone.
    yield _SYSTEM


def _run(tools: PostfixTools) -> bool:
    """Whether both can be started here: without arguments they print their usage."""
    for program in (tools.sink, tools.source):
        try:
            said = subprocess.run([program], env=tools.environment(), capture_output=True, text=True, timeout=10, check=False)
        except OSError:
            return False
        if "usage:" not in said.stderr:
            return False
    return True


def _fetch() -> bool:
    """Download Debian's package and unpack it, as any user. It is complete or not there at all."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return False
    click.echo("fetching smtp-sink and smtp-source (Debian's postfix package, unpacked)", err=True)
    _UNPACKED.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_UNPACKED.parent) as directory:
        try:
            _quietly(["apt-get", "-q", "download", "postfix"], directory)
            package = next(Path(directory).glob("postfix_*.deb"))
            _quietly(["dpkg-deb", "-x", str(package), "postfix"], directory)
        except (subprocess.SubprocessError, StopIteration):
            return False
        shutil.rmtree(_UNPACKED, ignore_errors=True)
        (Path(directory) / "postfix").rename(_UNPACKED)
    return True


def _quietly(argv: list[str], directory: str) -> None:
    subprocess.run(argv, cwd=directory, capture_output=True, timeout=120, check=True)
