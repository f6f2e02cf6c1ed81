"""This process's place among the servers: its row, its incarnation, its board, and its warden."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mailq import __version__, bootstrap, telemetry
from mailq.core.batch import Owner
from mailq.core.server import Place, State
from mailq.engine.restarter import Restarter
from mailq.settings import Settings
from mailq.store import revision, servers
from mailq.store.database import Database
from workers.server_lock import ServerLock
from workers.signboard import Signboard

log = telemetry.logger(__name__)

PATIENCE_S = 10.0
"""How long a start waits for a former server that is just stopping."""


@dataclass(frozen=True)
class Membership:
    """A started server. Made in the main process before it forks; worker processes inherit it."""

    settings: Settings
    server_id: int
    incarnation: int
    board: Signboard
    lock: ServerLock

    @classmethod
    def join(cls, settings: Settings, slots: Mapping[str, int]) -> Self:
        """Record the start of this server and take over what its former incarnations left leased.

        Raises:
            Conflict: a live server of this id runs on this host.
            Misconfigured: the database is not migrated.
            Unavailable: the database does not answer.
        """
        database = bootstrap.database(settings, application=f"mailq main {settings.server_name}")
        try:
            revision.require_up_to_date(database)
            lock = ServerLock.take(_run_path(settings, "lock"), settings.server_name, patience_s=PATIENCE_S)
            return cls._join(database, settings, slots, lock)
        finally:
            database.close()

    @classmethod
    def _join(cls, database: Database, settings: Settings, slots: Mapping[str, int], lock: ServerLock) -> Self:
        with database.begin() as tx:
            server_id, incarnation = servers.start(
                tx,
                settings.server_name,
                Place(socket.gethostname(), os.getpid(), settings.server_port),
                version=__version__,
                slots=slots,
                ttl=settings.lease.ttl,
            )
        reclaimed = Restarter(database).former_incarnations(server_id, incarnation)
        log.info("server.started", server=settings.server_name, incarnation=incarnation, slots=dict(slots), reclaimed=reclaimed)
        for old in _run_path(settings, "lock").parent.glob(_run_path(settings, "*.board").name):
            old.unlink(missing_ok=True)
        board = Signboard.create(_run_path(settings, f"{incarnation}.board"))
        return cls(settings, server_id, incarnation, board, lock)

    @property
    def owner(self) -> Owner:
        """The owner that the calling process claims batches as."""
        process = f"{self.settings.server_name}#{self.incarnation}/{os.getpid()}"
        return Owner(self.server_id, self.incarnation, process)

    def leave(self) -> None:
        """Hand back what is still leased, note that this server has stopped, and take its board down.

        Called when the worker processes have ended. In an orderly stop they have handed everything back themselves.
        """
        database = bootstrap.database(self.settings, application=f"mailq main {self.settings.server_name}")
        try:
            reclaimed = Restarter(database).own_incarnation(self.server_id, self.incarnation)
            with database.begin() as tx:
                servers.step(tx, self.server_id, self.incarnation, State.STOPPED)
        finally:
            database.close()
        self.board.take_down()
        self.lock.release()
        log.info("server.stopped", server=self.settings.server_name, incarnation=self.incarnation, reclaimed=reclaimed)


def _run_path(settings: Settings, suffix: str) -> Path:
    """A file of this server in the home. Boards are named by incarnation, so that an old one is never mistaken for today's."""
    name = "".join(character if character.isalnum() or character in ".-" else "_" for character in settings.server_name)
    return settings.home.absolute() / "run" / f"{name}.{suffix}"
