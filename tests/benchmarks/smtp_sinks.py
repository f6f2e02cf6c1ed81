"""Where benchmark mail goes: Postfix's smtp-sink where it is at hand (MAILQ_SMTP_SINK, PATH), else our own, discarding."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailq.local import ports
from mailq.local.stack import Running


@dataclass(frozen=True)
class BenchSink:
    """A sink that throws everything away."""

    name: str
    url: str
    pid: int


@contextmanager
def discarding(running: Running) -> Iterator[BenchSink]:
    """A discarding sink, supervised by the stack."""
    port = ports.free()
    binary = os.environ.get("MAILQ_SMTP_SINK") or shutil.which("smtp-sink")
    if binary:
        libraries = Path(binary).resolve().parents[1] / "lib" / "postfix"
        argv = [binary, *(["-u", "nobody"] if os.geteuid() == 0 else []), f"127.0.0.1:{port}", "1024"]
        child = running.supervise(argv, "bench-sink", {"LD_LIBRARY_PATH": str(libraries)})
    else:
        argv = [sys.executable, "-m", "mailq.local.sink", "--listen", f"127.0.0.1:{port}", "--discard"]
        child = running.supervise(argv, "bench-sink")
    child.wait_until(lambda: ports_open(port), within=15)
    yield BenchSink("smtp-sink" if binary else "mailq's sink", f"smtp://127.0.0.1:{port}", child.pid)


def ports_open(port: int) -> bool:
    """Whether something listens on a loopback port."""
    import socket

    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
