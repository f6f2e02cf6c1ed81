"""The warden: a small process beside each worker server. It says that the server lives and, when it leads, does the upkeep.

It ends when its main process does: the pipe on its standard input is closed then, whatever the main process died of.
"""

import os
import select
import signal
import sys
from datetime import timedelta
from pathlib import Path

from mailq import bootstrap, settings, telemetry
from mailq.engine.restarter import Restarter
from mailq.engine.upkeep import Upkeep
from mailq.errors import MailqError
from mailq.store import leader, servers
from mailq.store.database import Database
from workers.signboard import Signboard

log = telemetry.logger(__name__)

ROLE = "upkeep"
LEAD_FOR_TICKS = 5


class Warden:
    """One tick: renew the server's row, take over what its former starts left, lead if nobody else does, and then do the upkeep."""

    def __init__(self, database: Database, upkeep: Upkeep, *, server_id: int, incarnation: int, board: Signboard) -> None:
        self._database = database
        self._upkeep = upkeep
        self._restarter = Restarter(database)
        self._server_id = server_id
        self._incarnation = incarnation
        self._board = board
        self._name = f"{server_id}#{incarnation}/{os.getpid()}"

    def tick(self, lead_for: timedelta) -> None:
        """Do what is due; an outage is logged and tried again at the next tick."""
        try:
            if self._renew():
                self._restarter.former_incarnations(self._server_id, self._incarnation)
                if self._leads(lead_for):
                    self._upkeep.tick()
        except MailqError as error:
            log.warning("warden.tick_failed", error=str(error))
        except Exception:
            log.exception("warden.tick_failed")

    def resign(self) -> None:
        """Leave the lead to others at once."""
        try:
            with self._database.begin() as tx:
                leader.resign(tx, ROLE, holder=self._name)
        except MailqError as error:
            log.warning("warden.resign_failed", error=str(error))

    def _renew(self) -> bool:
        with self._database.begin() as tx:
            state = servers.renew(tx, self._server_id, self._incarnation)
        if state is None:
            log.error("server.replaced", server_id=self._server_id, incarnation=self._incarnation)
            self._board.say_stop()
        return state is not None

    def _leads(self, lead_for: timedelta) -> bool:
        with self._database.begin() as tx:
            return leader.lead(tx, ROLE, holder=self._name, ttl=lead_for)


def main() -> None:
    """Run until the main process ends."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    server_id, incarnation, board = int(sys.argv[1]), int(sys.argv[2]), Signboard.open(Path(sys.argv[3]))
    chosen = settings.load()
    telemetry.configure(chosen.log, chosen.log_level)
    database = bootstrap.database(chosen, application=f"mailq warden {chosen.server_name}")
    upkeep = bootstrap.upkeep(chosen, database)
    warden = Warden(database, upkeep, server_id=server_id, incarnation=incarnation, board=board)
    every = chosen.upkeep.every
    warden.tick(every * LEAD_FOR_TICKS)
    while not _ended_within(every.total_seconds()):
        warden.tick(every * LEAD_FOR_TICKS)
    warden.resign()


def _ended_within(seconds: float) -> bool:
    """Whether the main process closed its end of the pipe before the time was up."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


if __name__ == "__main__":
    main()
