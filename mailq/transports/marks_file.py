"""The marks of the servers of a home, in files beside its journals: they stand in for Redis when it was away or was flushed.

One small file per server and life of the books, so that servers sharing a home do not wait for one another.
"""

import json
import os
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from mailq.core.forgetting import Mark
from mailq.errors import Unavailable


class FileMarks:
    """The engine's `Marks`, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, life: str) -> dict[str, Mark]:
        """The marks of every server that has run in this home. A file that is damaged says nothing."""
        found = {}
        for path in self._directory.glob(f"beats-{life}-*.json"):
            try:
                kept = json.loads(path.read_text())
                found[str(kept["server"])] = Mark(int(kept["beat"]), datetime.fromisoformat(kept["at"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def note(self, life: str, server: str, mark: Mark) -> None:
        """Keep a mark, unless a higher one is kept already.

        Raises:
            Unavailable: the file cannot be written.
        """
        kept = self.read(life).get(server)
        if kept is not None and kept.beat >= mark.beat:
            return
        path = self._directory / f"beats-{life}-{sha256(server.encode()).hexdigest()[:16]}.json"
        draft = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps({"server": server, "beat": mark.beat, "at": mark.at.isoformat()}))
            # Not synced: a power cut costs a mark at most, and a slow disk must not keep a server from its renewals.
            draft.replace(path)
        except OSError as error:
            raise Unavailable(f"{path} cannot be written: {error.strerror}") from None
