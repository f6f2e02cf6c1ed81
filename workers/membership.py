"""This process's place among the servers: its row, its incarnation, its board, and its warden."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mailq import __version__, bootstrap, telemetry
from mailq.core.batch import Owner
from mailq.core.server import State
from mailq.engine.restarter import Restarter
from mailq.settings import Settings
from mailq.store import migrate, servers
from mailq.store.database import Database
from workers.signboard import Signboard

log = telemetry.logger(__name__)


@dataclass(frozen=True)
class Membership:
    """A started server. Made in the main process before it forks; worker processes inherit it."""

    settings: Settings
    server_id: int
    incarnation: int
    board: Signboard

    @classmethod
    def join(cls, settings: Settings, slots: Mapping[str, int]) -> Self:
        """Record the start of this server and take over what its former incarnations left leased.

        Raises:
            Misconfigured: the database is not migrated.
            Unavailable: the database does not answer.
        """
        database = bootstrap.database(settings, application=f"mailq main {settings.server_name}")
        try:
            migrate.require_up_to_date(database)
            return cls._join(database, settings, slots)
        finally:
            database.close()

    @classmethod
    def _join(cls, database: Database, settings: Settings, slots: Mapping[str, int]) -> Self:
        with database.begin() as tx:
            server_id, incarnation = servers.start(
                tx, settings.server_name, host=socket.gethostname(), pid=os.getpid(), version=__version__, slots=slots
            )
        reclaimed = Restarter(database).former_incarnations(server_id, incarnation)
        log.info("server.started", server=settings.server_name, incarnation=incarnation, slots=dict(slots), reclaimed=reclaimed)
        return cls(settings, server_id, incarnation, Signboard.create(board_path(settings, incarnation)))

    @property
    def owner(self) -> Owner:
        """The owner that the calling process claims batches as."""
        process = f"{self.settings.server_name}#{self.incarnation}/{os.getpid()}"
        return Owner(self.server_id, self.incarnation, process)

    def leave(self) -> None:
        """Hand back what is still leased, note that this server has stopped, and take its board down.

        Called when the worker processes have ended: what they did not let go of is reclaimed at the next start.
        """
        database = bootstrap.database(self.settings, application=f"mailq main {self.settings.server_name}")
        with database.begin() as tx:
            servers.step(tx, self.server_id, self.incarnation, State.STOPPED)
        database.close()
        self.board.take_down()
        log.info("server.stopped", server=self.settings.server_name, incarnation=self.incarnation)


def board_path(settings: Settings, incarnation: int) -> Path:
    """Where a server's board hangs; named by incarnation, so that an old one is never mistaken for today's."""
    name = "".join(character if character.isalnum() or character in ".-" else "_" for character in settings.server_name)
    return settings.home / "run" / f"{name}.{incarnation}.board"
