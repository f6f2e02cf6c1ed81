"""Keeps a server's renewals outside the database, so that a restored one is noticed; a thread, because Redis may be slow or away."""

import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from mailq import telemetry
from mailq.errors import MailqError

if TYPE_CHECKING:
    from mailq.engine.guard import Guard

log = telemetry.logger(__name__)


class Marking:
    """Told every renewal at once, and marks the last one as soon as it can."""

    def __init__(self, make_guard: "Callable[[], Guard]", server: str) -> None:
        self._make_guard = make_guard
        self._server = server
        self._last: tuple[int, str | None] = (0, None)
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="marking", daemon=True)

    def start(self) -> None:
        """Begin; it ends with its process."""
        self._thread.start()

    def granted(self, beat: int, *, before: int, life: str | None = None) -> None:
        """Take note of a renewal, before anybody acts on it.

        What the same server was granted before is at hand, so a database that has forgotten stops sending here and now. Unless
        it was granted in another life of the books: this server was away when an operator accepted the restore.

        Raises:
            Unavailable: the database does not answer.
        """
        if beat <= before and self._last[1] in {None, life}:
            self._guard.forgotten(f"renewal {before:,} of server {self._server} was acknowledged, and now {beat:,} is granted")
        self._last = beat, life
        self._news.set()

    def replaced(self) -> None:
        """This server's row is somebody else's: another start has taken it, or the database knows one of old."""
        try:
            self._guard.check()
        except MailqError as error:
            log.warning("guard.cannot_look", error=str(error))

    @cached_property
    def _guard(self) -> "Guard":
        return self._make_guard()

    def _run(self) -> None:
        while self._news.wait():
            self._news.clear()
            try:
                beat, life = self._last
                self._guard.note(self._server, beat, life=life)
            except MailqError as error:
                log.warning("guard.renewal_not_noted", server=self._server, error=str(error))
            except Exception:
                log.exception("guard.renewal_not_noted", server=self._server)
