"""This process's place among the servers: its row, its lease as the board shows it, its lock."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mailq import __version__, bootstrap, telemetry
from mailq.core.batch import Owner
from mailq.core.server import Place, State
from mailq.engine.guard import Guard
from mailq.errors import MailqError, Misconfigured
from mailq.settings import Settings
from mailq.store import revision, servers
from mailq.store.database import Database
from mailq.transports.journal import boot_id
from mailq.transports.server_lock import ServerLock, lock_path, run_path
from workers.addresses import addresses
from workers.entrance import Entrant, enter
from workers.renewal import lease_terms
from workers.signboard import Signboard, pulse_path

log = telemetry.logger(__name__)


@dataclass(frozen=True)
class Membership:
    """A started server. Made in the main process before it forks; worker processes inherit it.

    Attributes:
        main_pid: of the main process.
    """

    settings: Settings
    server_id: int
    main_pid: int
    board: Signboard
    lock: ServerLock

    @classmethod
    def join(cls, settings: Settings, slots: Mapping[str, int]) -> Self:
        """Record the start of this server, with its first lease.

        Raises:
            Conflict: a live server has this id.
            Misconfigured: the database is not migrated, or the home cannot be written.
            Unavailable: the database does not answer.
        """
        database = bootstrap.server_database(settings, application=f"mailq main {settings.server_name}")
        lock = _open_lock(settings)
        try:
            revision.require_up_to_date(database)
            return cls._join(database, settings, slots, lock)
        except BaseException:
            lock.release()
            raise
        finally:
            database.close()

    @classmethod
    def _join(cls, database: Database, settings: Settings, slots: Mapping[str, int], lock: ServerLock) -> Self:
        entrant = Entrant(settings.server_name, _place(settings, lock), __version__, slots, lock)
        started = enter(database, entrant, lease_terms(settings))
        bootstrap.guard(settings, database).note(settings.server_name, started.lease.beat)
        board_path = _run_path(settings, f"{started.lease.incarnation}.board")
        for former in board_path.parent.glob(_run_path(settings, "*.board").name):
            former.unlink(missing_ok=True)
            pulse_path(former).unlink(missing_ok=True)
        board = Signboard.create(board_path)
        board.show_life()
        board.grant(started.lease)
        log.info("server.started", server=settings.server_name, incarnation=started.lease.incarnation, slots=dict(slots))
        return cls(settings, started.server_id, os.getpid(), board, lock)

    @property
    def incarnation(self) -> int:
        """The incarnation that holds the lease: another one than at the start, if the lease has run out since."""
        return self.board.lease.incarnation

    @property
    def owner(self) -> Owner:
        """The owner that the calling process claims batches as, now."""
        lease = self.board.lease
        incarnation = lease.incarnation
        return Owner(self.server_id, incarnation, f"{self.settings.server_name}#{incarnation}/{os.getpid()}", lease.beat)

    def may_send(self, incarnation: int) -> bool:
        """Whether messages may begin, and final dots leave, under a claim of this incarnation."""
        return self.board.may_send(incarnation)

    def take_over(self) -> None:
        """Take over what former starts of this server left leased, and the servers on its migration list that are not alive.

        What cannot be done now is done at the warden's next look.
        """
        settings, name = self.settings, self.settings.server_name
        database = bootstrap.server_database(settings, application=f"mailq main {name}")
        try:
            _look_for_a_restore(bootstrap.guard(settings, database))
            takeover = bootstrap.takeover(
                settings,
                database,
                server_id=self.server_id,
                restarter=bootstrap.restarter(settings, database),
                dispatcher=bootstrap.dispatcher(settings, database),
            )
            former, others = takeover.former_incarnations(self.incarnation), takeover.listed(self.incarnation)
            log.info("server.took_over", server=name, former_incarnations=former, other_servers=others)
        except MailqError as error:
            log.warning("server.takes_over_later", server=name, error=str(error))
        except Exception:  # a mistake in here must not keep the server from its own work
            log.exception("server.takes_over_later", server=name)
        finally:
            database.close()

    def leave(self) -> None:
        """Hand back what is still leased, note that this server has stopped, and take its board down.

        Called when the worker processes have ended. In an orderly stop they have handed everything back themselves.

        Raises:
            Unavailable: the database does not answer; the end of the lease will say the same, later.
        """
        database = bootstrap.server_database(self.settings, application=f"mailq main {self.settings.server_name}")
        try:
            incarnation = self.incarnation
            reclaimed = bootstrap.restarter(self.settings, database).own_incarnation(self.server_id, incarnation)
            with database.begin() as tx:
                servers.step(tx, self.server_id, incarnation, State.STOPPED)
            log.info("server.stopped", server=self.settings.server_name, incarnation=incarnation, reclaimed=reclaimed)
        finally:
            database.close()
            self.board.take_down()
            self.lock.release()


def _look_for_a_restore(guard: Guard) -> None:
    guard.check()
    found = guard.standing()
    if found is not None:
        log.error("server.sends_nothing", since=found.since, why=found.why, do="mailqctl db accept-restore")


def _open_lock(settings: Settings) -> ServerLock:
    try:
        return ServerLock.open(lock_path(settings.home, settings.server_name))
    except OSError as error:
        raise Misconfigured(
            f"the home {settings.home.absolute()} cannot be written: {error.strerror}; set MAILQ_HOME to a directory of this user"
        ) from None


def _place(settings: Settings, lock: ServerLock) -> Place:
    return Place(
        host=socket.gethostname(),
        pid=os.getpid(),
        port=settings.server_port,
        addresses=addresses(),
        home=str(settings.home.absolute()),
        boot_id=boot_id(),
        lock=lock.nonce,
    )


def _run_path(settings: Settings, suffix: str) -> Path:
    """A file of this server in the home. Boards are named by incarnation, so that an old one is never mistaken for today's."""
    return run_path(settings.home, settings.server_name, suffix)
