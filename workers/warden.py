"""The warden: a small process beside each worker server. It says that the server lives, looks after its worker processes, takes
over from the dead and, when it leads, does the upkeep.

It ends when its main process does: the pipe on its standard input is closed then, and the kernel kills it if it cannot read.
What a renewal needs is imported at once, the rest by the threads that need it: a new warden has to be quick.
"""

import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mailq import settings, telemetry
from mailq.settings import Settings
from mailq.store.database import Database, KeptConnection
from mailq.store.waking import Ear, News
from workers import lifeline
from workers.calling import SWEEP_EVERY_S, Calls, Notifications, Strand
from workers.chores import Chores
from workers.listening import Listening
from workers.marking import Marking
from workers.renewal import RETRY_SHARE, Renewal, lease_terms
from workers.signboard import Signboard

if TYPE_CHECKING:
    from mailq.engine.guard import Guard
    from mailq.engine.mover import Mover
    from mailq.store.agenda import Agenda

log = telemetry.logger(__name__)

END_WITHIN_S = 2.0


class Warden:
    """Strands: renewals on the main thread with a connection of their own, chores on another, who listens to producers, and, while it
    leads, who runs calls and who sends their answers.

    One connection listens for all of them. What is due by time, and what nobody heard, the look of the upkeep finds for all of them.
    """

    def __init__(self, chosen: Settings, *, server_id: int, board: Signboard, lock: str, main_pid: int) -> None:
        self._settings = chosen
        self._board = board
        self._database = Database(
            _database_url(chosen),
            application=f"mailq warden {chosen.server_name}",
            idle_timeout_ms=_idle_timeout_ms(chosen),
            schema=chosen.database_schema,
        )
        self._marking = Marking(self._make_guard, chosen.server_name)
        connection = KeptConnection(_renewals(chosen))
        self._renewal = Renewal(connection, board, lease_terms(chosen), server_id=server_id, lock=lock, marks=self._marking)
        self._chores = self._make_chores(server_id, main_pid)
        chores = self._chores
        self._calls = Strand("calls", self._make_calls, leads=lambda: chores.leads, look_every_s=SWEEP_EVERY_S)
        self._notifications = Strand("notifications", self._make_notifications, leads=lambda: chores.leads)
        self._listening = Listening(
            Ear(self._database), self._make_mover, leads=lambda: chores.leads, tick=chores.tick_now, tell=self._hear
        )

    def run(self) -> None:
        """Until the main process ends."""
        every_s = self._settings.lease.heartbeat.total_seconds()
        self._chores.start()
        self._marking.start()
        self._listening.start()
        self._calls.start()
        self._notifications.start()
        while True:
            self._board.show_warden()
            well = self._renewal.beat()
            self._board.show_warden()
            if self._renewal.concerns is not None and self._renewal.concerns.num_leased:
                self._chores.nudge()
            match _told_within(every_s if well else every_s / RETRY_SHARE):
                case None:
                    continue
                case b"":
                    break
                case _:
                    self._chores.nudge()
        self._end()

    def _end(self) -> None:
        by_s = time.monotonic() + END_WITHIN_S
        strands = (self._calls, self._notifications)
        for strand in strands:
            strand.ask_to_end()
        self._chores.end(END_WITHIN_S)
        for strand in strands:
            strand.end(max(0.0, by_s - time.monotonic()))

    def _hear(self, news: frozenset[News]) -> None:
        """What is heard and not the mover's. Of whatever there may be, `News.ALL`, the upkeep finds out: it looks at once."""
        if News.CALLS in news:
            self._calls.wake()
        if News.NOTIFICATIONS in news:
            self._notifications.wake()

    def _find(self, agenda: "Agenda") -> None:
        if agenda.calls:
            self._calls.wake(due=True)
        if agenda.notifications:
            self._notifications.wake()

    def _make_chores(self, server_id: int, main_pid: int) -> Chores:
        from workers.hands import Hands

        chosen = self._settings
        name = f"{chosen.server_name}/{os.getpid()}"
        return Chores(
            self._board,
            Hands(chosen, self._database, server_id=server_id, main_pid=main_pid, name=name, found=self._find),
            tick_every=chosen.upkeep.every,
            concerns=lambda: self._renewal.concerns,
            name=name,
            has_list=bool(chosen.migration_list.strip()),
        )

    def _make_guard(self) -> "Guard":
        from mailq import bootstrap

        return bootstrap.guard(self._settings, self._database)

    def _make_mover(self) -> "Mover":
        from mailq import bootstrap

        return bootstrap.mover(self._settings, self._database)

    def _make_calls(self) -> Calls:
        from mailq import bootstrap

        connection = KeptConnection(self._database)
        return Calls(bootstrap.runner(self._settings, connection), connection)

    def _make_notifications(self) -> Notifications:
        from mailq import bootstrap

        return Notifications(bootstrap.notifier(self._settings, self._database))


def _database_url(chosen: Settings) -> str:
    return settings.required(chosen.database_url, "database_url")


def _idle_timeout_ms(chosen: Settings) -> int:
    """See `mailq.bootstrap.server_database`."""
    return round(chosen.lease.ttl.total_seconds() * 1000)


def _renewals(chosen: Settings) -> Database:
    """A connection that gives up soon: a renewal that hangs is worth less than the next one."""
    patience_ms = max(500, round(chosen.lease.heartbeat.total_seconds() * 1000))
    name = f"mailq lease {chosen.server_name}"
    return Database(
        _database_url(chosen),
        application=name,
        pool_size=1,
        statement_timeout_ms=patience_ms,
        connect_timeout_s=2,
        idle_timeout_ms=_idle_timeout_ms(chosen),
        schema=chosen.database_schema,
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
    sys.stderr.flush()
    # No library has a word to say any more: it might wait for a broker that does not answer.
    os._exit(0)


if __name__ == "__main__":
    main()
