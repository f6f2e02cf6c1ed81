"""What every measurement stands on: a stack of its own with a migrated database, and a sink that throws everything away."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailq.core.mailing import State
from mailq.local import stack
from mailq.local.stack import Running
from mailq.settings import Settings
from mailq.store import mailings, migrate
from mailq.store.database import Database
from mailq.store.mailings import Mailing
from tests.benchmarks import postfix_tools, recipients, smtp_sinks
from tests.benchmarks.postfix_tools import PostfixTools
from tests.benchmarks.processes import cpu_s
from tests.benchmarks.smtp_sinks import BenchSink
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Sizes:
    """How much of everything. Fewer mails than some ten thousand measure the start more than the sending.

    Attributes:
        mails: of a mailing that is sent; a third of it for large messages.
        pairs: how often ours and smtp-source take turns, and how often each event loop carries the same mails.
        accepted, accepted_times: recipients of a mailing that is only accepted, and how often.
        messages: single messages that are accepted over HTTP.
        calls: calls that are accepted over HTTP in each setting, and run.
        parts: of a conversation.
        largest: recipients of the submit whose memory is measured.
        suppressed: entries of the suppression table.
        submits: of which the first mail is awaited.
        rendered: messages of each kind.
        scale: deliveries in the table for whose sake progress and cost per mail are measured again; 0 leaves it out.
    """

    mails: int = 60_000
    pairs: int = 3
    accepted: int = 300_000
    accepted_times: int = 3
    messages: int = 10_000
    calls: int = 3_000
    parts: int = 1_000
    largest: int = 5_000_000
    suppressed: int = 100_000
    submits: int = 10
    rendered: int = 10_000
    scale: int = 10_000_000


QUICK = Sizes(
    mails=20_000,
    pairs=1,
    accepted=100_000,
    accepted_times=1,
    messages=2_000,
    calls=1_000,
    parts=200,
    largest=200_000,
    suppressed=10_000,
    submits=3,
    rendered=5_000,
    scale=0,
)


@dataclass(frozen=True)
class OwnStack:
    """A stack that is up, with a migrated database, and where its files may lie."""

    running: Running
    directory: Path
    settings: Settings
    database: Database

    def pid(self, name: str) -> int:
        """The process of a part of the stack."""
        return next(child.pid for child in self.running.supervisor.children if child.name == name)

    def postgres_cpu_s(self) -> float:
        """What PostgreSQL has spent so far."""
        return cpu_s([self.pid("postgres")])


@contextmanager
def own_stack(*, pool_size: int = 5) -> Iterator[OwnStack]:
    """Bring a stack up in a directory of its own, and take both away at the end."""
    with tempfile.TemporaryDirectory(prefix="mailq-bench-") as directory:
        # The servers' user has to pass.
        Path(directory).chmod(0o755)
        empty = Settings(home=Path(directory) / "home", database_url=None, redis_url=None, relay_url=None)
        with stack.running(empty) as running:
            chosen = Settings(home=running.home, database_url=running.database_url, redis_url=running.redis_url, relay_url=None)
            database = Database(running.database_url, pool_size=pool_size)
            try:
                migrate.upgrade(database)
                yield OwnStack(running, Path(directory), chosen, database)
            finally:
                database.close()


@dataclass(frozen=True)
class Ground(OwnStack):
    """A stack with a sink, and how much is to be measured on it."""

    sink: BenchSink
    tools: PostfixTools | None
    sizes: Sizes

    def recipients(self, number: int, *, flawed: bool = False) -> Path:
        """The file of so many recipients, written once."""
        path = self.directory / f"recipients-{number}{'-flawed' if flawed else ''}.csv"
        if not path.exists():
            recipients.write(path, number, flawed=flawed)
        return path

    def submit(self, number: int, content: str = "plain", *, flawed: bool = False) -> dict[str, Any]:
        """Submit a mailing that waits to be told to start, in a process of its own; what `submit_once` printed."""
        path = self.recipients(number, flawed=flawed)
        words = [sys.executable, "-m", "tests.benchmarks.submit_once", str(path), content]
        done = subprocess.run(words, env=self.running.environment(), check=True, stdout=subprocess.PIPE)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def until_finished(self, reference: str, *, within_s: float) -> Mailing:
        """Wait for the end of a mailing, looking seldom enough not to be measured.

        Raises:
            TimeoutError: it did not finish.
            Unavailable: a part of the stack has ended.
        """
        try:
            return eventually(lambda: self._finished(reference), within_s, every_s=0.1)
        except AssertionError as error:
            raise TimeoutError(f"the benchmark mailing did not finish within {within_s:g} s") from error

    def _finished(self, reference: str) -> Mailing | None:
        self.running.check()
        with self.database.begin() as tx:
            found = mailings.find(tx, reference)
        return found if found.state is State.FINISHED else None


@contextmanager
def prepared(sizes: Sizes) -> Iterator[Ground]:
    """A stack of its own with a sink, and a database that has seen a mailing."""
    tools = postfix_tools.find()
    with own_stack() as own, smtp_sinks.discarding(own.running, tools) as sink:
        ground = Ground(own.running, own.directory, own.settings, own.database, sink, tools, sizes)
        # The first load of a new cluster makes its files; the second one is like every later one.
        ground.submit(1000)
        yield ground
