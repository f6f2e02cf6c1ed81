"""Where benchmark mail goes: Postfix's smtp-sink where it can be had, else our own, discarding."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from mailq.local import ports
from mailq.local.stack import Running
from tests.benchmarks.postfix_tools import PostfixTools


@dataclass(frozen=True)
class BenchSink:
    """A sink that throws everything away."""

    name: str
    url: str
    pid: int

    @property
    def address(self) -> str:
        """`host:port`, as smtp-source wants it."""
        return urlsplit(self.url).netloc


@contextmanager
def discarding(running: Running, tools: PostfixTools | None) -> Iterator[BenchSink]:
    """A discarding sink, supervised by the stack."""
    port = ports.free()
    if tools:
        # As root it will not run; it needs nothing but its port.
        argv = [str(tools.sink), *(["-u", "nobody"] if os.geteuid() == 0 else []), f"127.0.0.1:{port}", "1024"]
        child = running.supervise(argv, "bench-sink", {"LD_LIBRARY_PATH": tools.environment().get("LD_LIBRARY_PATH", "")})
    else:
        argv = [sys.executable, "-m", "mailq.local.sink", "--listen", f"127.0.0.1:{port}", "--discard"]
        child = running.supervise(argv, "bench-sink")
    try:
        child.wait_until(lambda: ports_open(port), within=15)
        yield BenchSink("smtp-sink" if tools else "mailq's sink", f"smtp://127.0.0.1:{port}", child.pid)
    finally:
        running.stop(child)


def ports_open(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
