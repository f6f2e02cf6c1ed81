"""The main process's pulse: a thread that shows that it lives, whatever Celery is doing, and looks after the warden.

Celery's own heartbeat would not do: it stops while Redis is away.
"""

import os
import signal
import threading

from mailq import telemetry
from workers.membership import Membership
from workers.parting import Parting
from workers.warden_process import WardenProcess

log = telemetry.logger(__name__)

LONGEST_S = 0.5
BEATS_A_HEARTBEAT = 4


class Pulse:
    """Beats until `stop`. It touches no database: a connection made by a thread can deadlock what is forked meanwhile."""

    def __init__(self, membership: Membership, warden: WardenProcess, parting: Parting) -> None:
        self._membership = membership
        self._warden = warden
        self._parting = parting
        self._every_s = min(LONGEST_S, membership.settings.lease.heartbeat.total_seconds() / BEATS_A_HEARTBEAT)
        self._ended = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; the warden is nobody's from now on."""
        self._ended.set()
        self._thread.join()

    def server_is_ending(self) -> None:
        """The end of this server has begun: what the board says is no news. Safe in a signal handler."""
        self._ending = True

    def beat(self) -> None:
        """Show life once, replace a warden that is gone, and begin the end that somebody else wrote on the board."""
        self._membership.board.show_life()
        self._warden.ensure()
        if not self._membership.board.says_stop:
            return
        self._parting.begin()
        if not self._ending:
            self._ending = True
            log.info("server.stops_as_told")
            os.kill(os.getpid(), signal.SIGTERM)

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                self.beat()
            except Exception:  # no mistake may cost the server its pulse
                log.exception("pulse.failed")
