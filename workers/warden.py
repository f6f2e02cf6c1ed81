"""The warden: a small process beside each worker server. It says that the server lives, looks after its worker processes, takes
over from the dead and, when it leads, does the upkeep.

It ends when its main process does: the pipe on its standard input is closed then, and the kernel kills it if it cannot read.
"""

import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from mailq import bootstrap, settings, telemetry
from mailq.errors import MailqError
from mailq.settings import Settings
from mailq.store import leader
from mailq.store.database import Database, KeptConnection
from mailq.transports.postfix_log import PostfixLog
from workers import lifeline
from workers.chores import Chores
from workers.hands import Hands
from workers.marking import Marking
from workers.membership import lease_terms
from workers.renewal import RETRY_SHARE, Renewal
from workers.signboard import Signboard

log = telemetry.logger(__name__)

ROLE = "upkeep"
LEAD_FOR_TICKS = 5
END_WITHIN_S = 2.0


class Warden:
    """Two strands: renewals on the main thread with a connection of their own, chores on another."""

    def __init__(self, chosen: Settings, *, server_id: int, board: Signboard, lock: str, main_pid: int) -> None:
        self._settings = chosen
        self._board = board
        self._server_id = server_id
        self._main_pid = main_pid
        self._database = bootstrap.database(chosen, application=f"mailq warden {chosen.server_name}")
        self._renewals = _renewals(chosen)
        self._marking = Marking(bootstrap.guard(chosen, self._database), chosen.server_name)
        self._renewal = Renewal(
            KeptConnection(self._renewals), board, lease_terms(chosen), server_id=server_id, lock=lock, marks=self._marking
        )
        self._chores = self._make_chores()

    def run(self) -> None:
        """Until the main process ends."""
        every_s = self._settings.lease.heartbeat.total_seconds()
        self._chores.start()
        self._marking.start()
        while True:
            self._board.show_warden()
            well = self._renewal.beat()
            self._board.show_warden()
            match _told_within(every_s if well else every_s / RETRY_SHARE):
                case None:
                    continue
                case b"":
                    break
                case _:
                    self._chores.nudge()
        self._chores.end(END_WITHIN_S)
        self._resign()

    def _make_chores(self) -> Chores:
        upkeep = bootstrap.upkeep(self._settings, self._database)
        hands = Hands(self._settings, self._database, server_id=self._server_id, main_pid=self._main_pid)
        return Chores(
            self._board,
            hands,
            hands,
            lead=self._leads,
            upkeep=upkeep.tick,
            evidence=self._evidence(),
            look_every=self._settings.lease.heartbeat,
            tick_every=self._settings.upkeep.every,
        )

    def _evidence(self) -> Callable[[], object]:
        """What asks the log of this host's Postfix about doubts, if there is one."""
        log_file = self._settings.doubt.postfix_log
        if log_file is None:
            return lambda: None
        return bootstrap.evidence(self._settings, self._database, PostfixLog(log_file)).gather

    @property
    def _name(self) -> str:
        return f"{self._settings.server_name}/{os.getpid()}"

    def _leads(self) -> bool:
        with self._database.begin() as tx:
            return leader.lead(tx, ROLE, holder=self._name, ttl=self._settings.upkeep.every * LEAD_FOR_TICKS)

    def _resign(self) -> None:
        """Leave the lead to others at once."""
        try:
            with self._database.begin() as tx:
                leader.resign(tx, ROLE, holder=self._name)
        except MailqError as error:
            log.warning("warden.resign_failed", error=str(error))


def _renewals(chosen: Settings) -> Database:
    """A connection that gives up soon: a renewal that hangs is worth less than the next one."""
    url = settings.required(chosen.database_url, "database_url")
    patience_ms = max(500, round(chosen.lease.heartbeat.total_seconds() * 1000))
    return Database(
        url, application=f"mailq lease {chosen.server_name}", pool_size=1, statement_timeout_ms=patience_ms, connect_timeout_s=2
    )


def _told_within(seconds: float) -> bytes | None:
    """What the main process says within a time; None if nothing, empty if it has ended."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return os.read(sys.stdin.fileno(), 4096) if readable else None


def main() -> None:
    """Run until the main process ends."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    server_id, main_pid, board, lock = int(sys.argv[1]), int(sys.argv[2]), Signboard.open(Path(sys.argv[3])), sys.argv[4]
    lifeline.die_with(main_pid)
    board.show_warden()
    chosen = settings.load()
    telemetry.configure(chosen.log, chosen.log_level)
    Warden(chosen, server_id=server_id, board=board, lock=lock, main_pid=main_pid).run()


if __name__ == "__main__":
    main()
