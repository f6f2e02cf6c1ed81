"""The sink's own books: what was accepted is on file before the sender is told so."""

import os
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_UNPRINTABLE = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted message for one recipient.

    Attributes:
        content: as it was sent, dots unstuffed; empty when read from a list.
    """

    at: datetime
    recipient: str
    message_id: str
    sender: str
    content: bytes = b""


def message_id(content: bytes) -> str:
    """The Message-ID of a message's head, or an empty text."""
    end = content.find(b"\r\n\r\n")
    head_end = end + 2 if end >= 0 else len(content)
    # As nearly everybody writes it; the pattern looks at every line and costs ten times this.
    start = content.find(b"\nMessage-ID: <", 0, head_end) + 1
    found = _MESSAGE_ID.match(content, start, head_end) or _MESSAGE_ID.search(content, 0, head_end)
    return found[1].decode("utf-8", errors="replace").strip() if found else ""


def read_accepted(path: Path) -> Iterator[Accepted]:
    """Go through an accepted-list, a line at a time; a line that is still being written is left out."""
    try:
        lines = path.open(encoding="utf-8", newline="\n")
    except FileNotFoundError:
        return
    with lines:
        for line in lines:
            if line.endswith("\n"):
                at, recipient, identity, sender = line[:-1].split("\t")
                yield Accepted(datetime.fromisoformat(at), recipient, identity, sender)


@dataclass
class Books:
    """Where accepted messages are noted; each way is optional.

    Attributes:
        accepted: file with a line per message and recipient: time, recipient, Message-ID, sender, separated by tabs.
        maildir: directory that gets each message as a file in `new`.
        keep: keep everything in `messages` too, for tests.
        num_accepted: messages times recipients since the start.
    """

    accepted: Path | None = None
    maildir: Path | None = None
    keep: bool = False
    messages: list[Accepted] = field(default_factory=list)
    num_accepted: int = 0
    num_bytes: int = 0
    _list: int | None = field(default=None, init=False)
    _numbers: Iterator[int] = field(default_factory=count, init=False)

    def open(self) -> None:
        """Make files and directories."""
        if self.accepted:
            self.accepted.parent.mkdir(parents=True, exist_ok=True)
            self._list = os.open(self.accepted, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self.maildir:
            for part in ("tmp", "new", "cur"):
                (self.maildir / part).mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Close the list."""
        if self._list is not None:
            os.close(self._list)
            self._list = None

    def accept(self, sender: str, recipients: Sequence[str], content: bytes) -> None:
        """Note a message, wholly or not at all; on return a `kill -9` of the sink does not forget it.

        Raises:
            OSError: it cannot be written, and was not noted.
        """
        if self._list is not None or self.keep:
            self._note(sender, recipients, content)
        elif self.maildir:
            self._deliver(self.maildir, sender, recipients, content)
        self.num_accepted += len(recipients)
        self.num_bytes += len(content)

    def _note(self, sender: str, recipients: Sequence[str], content: bytes) -> None:
        now, identity = datetime.now(UTC), message_id(content)
        file = self._deliver(self.maildir, sender, recipients, content) if self.maildir else None
        if self._list is not None:
            at, rest = now.isoformat(), f"{_printable(identity)}\t{_printable(sender)}\n"
            lines = "".join([f"{at}\t{_printable(recipient)}\t{rest}" for recipient in recipients])
            try:
                _append(self._list, lines.encode())
            except OSError:
                if file:
                    file.unlink(missing_ok=True)
                raise
        if self.keep:
            self.messages += [Accepted(now, recipient, identity, sender, content) for recipient in recipients]

    def _deliver(self, maildir: Path, sender: str, recipients: Sequence[str], content: bytes) -> Path:
        name = f"{time.time():.6f}.P{os.getpid()}Q{next(self._numbers)}.{_host()}"
        head = f"Return-Path: <{sender}>\r\n" + "".join(f"X-Sink-Recipient: {recipient}\r\n" for recipient in recipients)
        draft, file = maildir / "tmp" / name, maildir / "new" / name
        try:
            draft.write_bytes(head.encode() + content)
            draft.rename(file)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return file


def _append(file: int, lines: bytes) -> None:
    """Write whole lines or nothing of them: a full disk must not leave half of one."""
    written = 0
    try:
        while written < len(lines):
            written += os.write(file, lines[written:] if written else lines)
    except OSError:
        os.ftruncate(file, os.lseek(file, 0, os.SEEK_END) - written)
        raise


def _printable(value: str) -> str:
    return value if value.isprintable() else value.translate(_UNPRINTABLE)


def _host() -> str:
    # Maildir gives / and : a meaning of their own.
    return socket.gethostname().replace("/", "_").replace(":", "_")
