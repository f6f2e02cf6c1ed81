"""The mail sink of a local stack: a process beside the servers, steered by its rules file, read through its accepted-list."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailq.local import faults, ports
from mailq.local.sink.books import Accepted, read_accepted
from mailq.local.sink.rules import parse_all
from mailq.local.supervisor import Child, Rank, Supervisor

__all__ = ["SinkOptions", "SinkProcess", "start_sink"]

# A mailq that was not installed is found where this one was.
_PACKAGES = str(Path(__file__).parents[2])


@dataclass(frozen=True)
class SinkOptions:
    """What the sink of a stack is to do.

    Attributes:
        port: 0 takes the one of last time, or any.
        maildir: whether the messages are kept.
        discard: count only, for benchmarks: no list, no Maildir.
        rules: misbehaviour, see `mailq.local.sink.rules`; can be changed while it runs.
        directory: for list, Maildir and rules; `sink` in the home if None.
    """

    port: int = 0
    maildir: bool = True
    discard: bool = False
    rules: Sequence[str] = ()
    seed: int | None = None
    directory: Path | None = None


@dataclass(frozen=True)
class SinkProcess:
    """A running sink."""

    url: str
    directory: Path
    child: Child
    options: SinkOptions

    @property
    def accepted_file(self) -> Path:
        """One line per accepted message and recipient: time, recipient, Message-ID, sender, separated by tabs."""
        return self.directory / "accepted.tsv"

    @property
    def maildir(self) -> Path:
        """The messages themselves, in `new`."""
        return self.directory / "Maildir"

    def accepted(self) -> Iterator[Accepted]:
        """Go through the accepted-list, in constant memory."""
        return read_accepted(self.accepted_file)

    def set_rules(self, rules: Sequence[str]) -> None:
        """Put other rules in force: they hold for every message that begins after this returns.

        Raises:
            BadInput: a rule is at fault, nothing was changed.
        """
        parse_all(rules)
        _write_rules(self.directory, rules)

    def files(self) -> dict[str, str]:
        """Where a person can look."""
        kept = {"rules": str(_rules_file(self.directory))}
        if not self.options.discard:
            kept["accepted"] = str(self.accepted_file)
        if self.options.maildir and not self.options.discard:
            kept["maildir"] = str(self.maildir)
        return kept


def start_sink(supervisor: Supervisor, home: Path, options: SinkOptions) -> SinkProcess:
    """Start the sink. Its socket listens before the process does, so nobody is ever refused.

    Raises:
        Unavailable: the port is taken.
        BadInput: a rule is at fault.
    """
    directory = options.directory or home / "sink"
    parse_all(options.rules)
    with faults.files_of(directory):
        directory.mkdir(parents=True, exist_ok=True)
        _write_rules(directory, options.rules)
    with ports.listening(options.port or _usual(home), name="the mail sink") as listening:
        port = int(listening.getsockname()[1])
        words = ["-m", "mailq.local.sink", "--fd", str(listening.fileno()), "--listen", f"{ports.HOST}:{port}"]
        child = supervisor.start(
            "sink",
            [sys.executable, *words, *_words(directory, options)],
            rank=Rank.SINK,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((_PACKAGES, *filter(None, [os.environ.get("PYTHONPATH")])))},
            pass_fds=(listening.fileno(),),
        )
    sink = SinkProcess(f"smtp://{ports.HOST}:{port}", directory, child, options)
    child.wait_until(lambda: sink.url in child.last_words(), 15)
    ports.remember(home, "sink", port)
    return sink


def _usual(home: Path) -> int:
    return ports.free(ports.remembered(home, "sink"))


def _words(directory: Path, options: SinkOptions) -> list[str]:
    words = ["--rules", str(_rules_file(directory))]
    if options.seed is not None:
        words += ["--seed", str(options.seed)]
    if options.discard:
        return [*words, "--discard"]
    words += ["--accepted", str(directory / "accepted.tsv")]
    return [*words, "--maildir", str(directory / "Maildir")] if options.maildir else words


def _rules_file(directory: Path) -> Path:
    return directory / "rules.txt"


def _write_rules(directory: Path, rules: Sequence[str]) -> None:
    fresh = directory / "rules.txt.new"
    fresh.write_text("".join(f"{rule}\n" for rule in rules), encoding="utf-8")
    fresh.replace(_rules_file(directory))
