"""The sink as a server in an event loop: a test runs it in its own, `python -m mailq.local.sink` in a process."""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailq.errors import BadInput, MailqError, Unavailable
from mailq.local.sink.books import Books
from mailq.local.sink.rules import Rule, RuleBook, parse_all
from mailq.local.sink.session import Session, Shared

_BACKLOG = 1024


@dataclass(frozen=True)
class Manners:
    """How a sink behaves.

    Attributes:
        rules: misbehaviour, see `mailq.local.sink.rules`.
        rules_file: rules that come after those, read again before each message if the file has changed.
        seed: makes the odds repeatable.
        discard: take messages in without looking at them: count only.
    """

    rules: Sequence[Rule] = ()
    rules_file: Path | None = None
    seed: int | None = None
    discard: bool = False
    size_limit_bytes: int = 25_000_000


class Sink:
    """An SMTP server that accepts what its rules let pass, and notes it in its books."""

    def __init__(self, books: Books, manners: Manners | None = None) -> None:
        self.books = books
        self._manners = manners or Manners()
        self.rules = RuleBook(list(self._manners.rules), self._manners.seed)
        refresh = self._read_rules_if_changed if self._manners.rules_file else None
        self._shared = Shared(books, self.rules, self._manners.discard, self._manners.size_limit_bytes, refresh)
        self._rules_seen: tuple[int, int, int] | None = None
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, *, sock: socket.socket | None = None) -> int:
        """Listen at an address, or on a socket that listens already; returns the port.

        Raises:
            Unavailable: the port is taken, or the books cannot be opened.
            BadInput: the rules file is at fault.
        """
        if self._manners.rules_file:
            self._read_rules(self._manners.rules_file)
        loop = asyncio.get_running_loop()
        try:
            self.books.open()
            listening = sock or socket.create_server((host, port), backlog=_BACKLOG)
            self._server = await loop.create_server(lambda: Session(self._shared), sock=listening, backlog=_BACKLOG)
        except OSError as error:
            raise Unavailable(f"the sink cannot start on {host}:{port}: {error.strerror or error}") from error
        return int(listening.getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, end every session, close the books."""
        if self._server:
            self._server.close()
        for session in list(self._shared.sessions):
            session.close()
        # Lets the transports report their end before the loop goes.
        await asyncio.sleep(0)
        self.books.close()

    def drop_connections(self) -> None:
        """End every session at once, as a relay that restarts does."""
        for session in list(self._shared.sessions):
            session.close()

    def _read_rules_if_changed(self) -> None:
        path = self._manners.rules_file
        if path is None or _stamp(path) == self._rules_seen:
            return
        # A file that is at fault while we serve leaves the rules as they are.
        try:
            self._read_rules(path)
        except MailqError as error:
            sys.stderr.write(f"{error}; the rules before stay in force\n")

    def _read_rules(self, path: Path) -> None:
        self._rules_seen = _stamp(path)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"the rules file {path} cannot be read: {error}") from error
        self.rules.replace([*self._manners.rules, *parse_all(lines)])


def _stamp(path: Path) -> tuple[int, int, int] | None:
    with suppress(OSError):
        entry = path.stat()
        return (entry.st_ino, entry.st_mtime_ns, entry.st_size)
    return None
