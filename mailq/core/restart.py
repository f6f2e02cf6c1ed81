"""Whose batches a server may take over, and why: decided from what the database and the lock files say of the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mailq.core.migration_list import MigrationList
from mailq.core.server import State


class Reason(StrEnum):
    """Why the batches of a server go to another one."""

    FORMER = "former incarnation"
    """They are of an earlier start of the same server."""
    LISTED = "migration list"
    """The server is on the migration list and is not alive."""
    MIGRATED = "migrated"
    """An operator gave them to this one: `mailqctl server migrate`."""
    SILENT = "silent"
    """Nobody has heard of the server for too long."""


@dataclass(frozen=True, slots=True)
class Known:
    """A server as its row has it at one moment.

    Attributes:
        incarnation: its latest start.
        lease_runs: whether its lease is still ahead, by the database's clock.
        unheard_for: time since its last renewal.
        holds_batches: whether batches are leased to it.
        migrate_to: the id of the server that an operator gave its batches to.
        home, boot_id, lock: see `mailq.core.server.Place`.
    """

    id: int
    name: str
    incarnation: int
    state: State
    lease_runs: bool
    unheard_for: timedelta
    holds_batches: bool
    host: str
    port: int | None = None
    addresses: tuple[str, ...] = ()
    home: str | None = None
    boot_id: str | None = None
    lock: str | None = None
    migrate_to: int | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it holds its batches by right: it has not stopped, and its lease runs."""
        return self.state in {State.ALIVE, State.DRAINING} and self.lease_runs

    @property
    def is_retired(self) -> bool:
        """Whether it has stopped, or somebody has taken it over: what it still holds was locked then."""
        return self.state in {State.STOPPED, State.SILENT}

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done about it: it has stopped or was retired, and holds nothing."""
        return self.is_retired and not self.holds_batches


Dead = Callable[[Known], bool]
"""Whether a server whose lease still runs is proven dead: on its own host its lock file, which every process of it holds, is free."""


@dataclass(frozen=True, slots=True)
class Takings:
    """What a look at the other servers comes to.

    Attributes:
        take: servers to take over, each with the reason. Proven dead are those among them that are alive by their row.
        spared: listed ones that are alive.
    """

    take: tuple[tuple[Known, Reason], ...] = ()
    spared: tuple[Known, ...] = ()


def choose(servers: Sequence[Known], listed: MigrationList, *, me: int, dead: Dead) -> Takings:
    """Decide which of the other servers the server `me` takes over: those it is told to, and those on its list.

    A server that is alive is never among them, whoever asks: an operator's force has ended its lease before.
    """
    take: list[tuple[Known, Reason]] = []
    spared = []
    for server in servers:
        reason = _reason(server, listed, me)
        if reason is None or server.is_over:
            continue
        if not server.is_alive or dead(server):
            take.append((server, reason))
        elif reason is Reason.LISTED:
            spared.append(server)
    return Takings(tuple(take), tuple(spared))


def _reason(server: Known, listed: MigrationList, me: int) -> Reason | None:
    if server.id == me:
        return None
    if server.migrate_to == me:
        return Reason.MIGRATED
    return Reason.LISTED if listed.means(server) else None
