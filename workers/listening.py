"""Hears producers commit, and acts at once; a thread, because the chores may be busy for long."""

import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from mailq import telemetry
from mailq.errors import MailqError
from mailq.store.waking import News

if TYPE_CHECKING:
    from mailq.engine.mover import Mover
    from mailq.store.waking import Ear

log = telemetry.logger(__name__)

LINGER_S = 0.02
"""How long to wait for more after the first news, so that what is committed together is moved together."""
BUSY_LINGER_S = 0.1
"""The same while one message follows the other: a batch costs as much as the mails of some ten."""
CALM_AFTER_S = 0.2
"""After so long without news the next one is a first one."""
LOOK_EVERY_S = 1.0
"""How often to ask whether this warden leads."""
_OF_MAIL = frozenset({News.MAIL, News.ALL})


class Listening:
    """Listens while its warden leads, for all of its strands. What nobody has heard, the upkeep finds at its next tick."""

    def __init__(
        self,
        ear: "Ear",
        make_mover: "Callable[[], Mover]",
        *,
        leads: Callable[[], bool],
        tick: Callable[[], None],
        tell: Callable[[frozenset[News]], None] = lambda _: None,
    ) -> None:
        """What listens.

        Args:
            make_mover: called by the thread, when the database answers for the first time.
            tick: has the upkeep look now.
            tell: passes on what the other strands are to hear; takes no time.
        """
        self._ear = ear
        self._make_mover = make_mover
        self._leads = leads
        self._tick = tick
        self._tell = tell
        self._heeded_at_s = float("-inf")
        self._thread = threading.Thread(target=self._run, name="listening", daemon=True)

    def start(self) -> None:
        """Begin; it ends with its process."""
        self._thread.start()

    def look(self) -> None:
        """Listen for a while, if this warden leads, and act on what is heard.

        Raises:
            Unavailable: the database does not answer.
        """
        if not self._leads():
            self._ear.close()
            time.sleep(LOOK_EVERY_S)
        elif news := self._ear.hears(LOOK_EVERY_S):
            self._tell(news)
            if news & _OF_MAIL:
                self._heed(news)

    def _heed(self, news: frozenset[News]) -> None:
        calm = time.monotonic() - self._heeded_at_s > CALM_AFTER_S
        time.sleep(LINGER_S if calm else BUSY_LINGER_S)
        more = self._ear.hears(0)
        self._tell(more)
        if self._mover.heed() or News.ALL in news | more:
            self._tick()
        self._heeded_at_s = time.monotonic()

    @cached_property
    def _mover(self) -> "Mover":
        return self._make_mover()

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except MailqError as error:
                log.warning("listening.interrupted", error=str(error))
                time.sleep(LOOK_EVERY_S)
            except Exception:
                log.exception("listening.interrupted")
                time.sleep(LOOK_EVERY_S)
