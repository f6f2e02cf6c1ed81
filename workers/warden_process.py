"""The main process's handle on its warden: started, not forked, and ended with it."""

import subprocess
import sys

from mailq import telemetry
from workers.membership import Membership

log = telemetry.logger(__name__)

STOP_WITHIN_S = 5


class WardenProcess:
    """Starts `python -m workers.warden`; the pipe between them tells the warden that its main process is gone."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the warden. It finds its settings as we did, and its server on the command line."""
        membership = self._membership
        words = [str(membership.server_id), str(membership.incarnation), str(membership.board.path)]
        self._process = subprocess.Popen([sys.executable, "-m", "workers.warden", *words], stdin=subprocess.PIPE)
        log.info("warden.started", pid=self._process.pid)

    def ensure(self) -> None:
        """Start another one if it has died."""
        if self._process is not None and self._process.poll() is not None:
            log.warning("warden.died", pid=self._process.pid, code=self._process.returncode)
            self.start()

    def stop(self) -> None:
        """End the warden: closing its pipe is the sign."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
