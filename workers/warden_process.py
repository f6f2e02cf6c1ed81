"""The main process's handle on its warden: started, not forked, replaced when it dies or stands still, and ended with it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

from mailq import telemetry
from workers.membership import Membership
from workers.signboard import boottime_s

log = telemetry.logger(__name__)

STOP_WITHIN_S = 3
BOOTS_WITHIN_S = 30.0
"""So long a new warden may take to show its first sign of life. Each one in a row that does not gets twice as long as the one
before: on a starved machine a fixed time would kill every warden before it is up."""
BOOTS_WITHIN_AT_MOST_S = 600.0
STARTS_APART_S = 1.0
STANDS_STILL_S = 3.0
"""How much longer than a lease a warden may show no life: an attempt to connect may take so long."""


class WardenProcess:
    """Starts `python -m workers.warden`; the pipe between them tells the warden that its main process is gone."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._boots_within_s = BOOTS_WITHIN_S

    def start(self) -> None:
        """Start the warden. It finds its settings as we did, and its server on the command line."""
        membership = self._membership
        words = [str(membership.server_id), str(membership.main_pid), str(membership.board.path), membership.lock.nonce]
        self._started_s = boottime_s()
        # The signals of the group may come while it is just starting: it is born deaf to them, and ignores them later.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        try:
            self._process = subprocess.Popen([sys.executable, "-m", "workers.warden", *words], stdin=subprocess.PIPE)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        log.info("warden.started", pid=self._process.pid)

    def ensure(self) -> None:
        """Start another one if it has died, or if it is stopped or hangs."""
        process = self._process
        if process is None:
            return
        if process.poll() is not None:
            if boottime_s() - self._started_s < STARTS_APART_S:
                return
            log.warning("warden.died", pid=process.pid, code=process.returncode)
            self._replace(process)
        elif self._stands_still():
            log.warning("warden.stands_still", pid=process.pid, came_up=self._came_up)
            self._boots_within_s = BOOTS_WITHIN_S if self._came_up else min(2 * self._boots_within_s, BOOTS_WITHIN_AT_MOST_S)
            process.kill()
            process.wait()
            self._replace(process)

    def nudge(self) -> None:
        """Have it look now. Safe in a signal handler."""
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.closed:
            with suppress(OSError):
                os.write(process.stdin.fileno(), b"!")

    def stop(self) -> None:
        """End the warden: closing its pipe is the sign."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _replace(self, gone: subprocess.Popen[bytes]) -> None:
        if gone.stdin is not None:
            gone.stdin.close()
        self.start()

    def _stands_still(self) -> bool:
        if not self._came_up:
            return boottime_s() - self._started_s > self._boots_within_s
        patience_s = self._membership.settings.lease.ttl.total_seconds() + STANDS_STILL_S
        return boottime_s() - self._membership.board.warden_seen_s > patience_s

    @property
    def _came_up(self) -> bool:
        """Whether this warden has shown a sign of life."""
        return self._membership.board.warden_seen_s > self._started_s
