"""An operator gives the batches of one server to another, which takes them at its next look."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.restart import Dead, Known
from mailq.core.server import State
from mailq.errors import Conflict, NotFound
from mailq.store import audit, holdings, servers
from mailq.store.database import Database

log = telemetry.logger(__name__)

ACTION = "server.migrate"


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration under way.

    Attributes:
        source: the server that loses its batches, as it was when this began.
        target: the one that takes them.
        forced: whether the source was alive.
        batch_ids: what was leased to the source.
        num_in_doubt: deliveries of these batches that were in doubt before.
    """

    source: Known
    target: Known
    forced: bool
    batch_ids: Collection[int]
    num_in_doubt: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a migration is.

    Attributes:
        num_left: batches still leased to the source.
        num_in_doubt: deliveries that came into doubt by it.
        target_is_alive: whether the one that should take them still lives.
    """

    num_left: int
    num_in_doubt: int
    target_is_alive: bool


def give(database: Database, source: str, target: str, *, actor: str, dead: Dead) -> Migration:
    """Give the batches of a server that is not alive to another one.

    Args:
        source: its id.
        target: the id of the other one.
        actor: who says so, for the audit.
        dead: proves the death of a server whose lease still runs.

    Raises:
        NotFound: there was never a server of one of these ids.
        Conflict: they are the same, the source is alive, or the target is not.
    """
    with database.begin() as tx:
        one, other = _pair(tx, source, target)
        if one.is_alive and not dead(one):
            held = holdings.number(tx, one.id, until_incarnation=one.incarnation)
            raise Conflict(
                f"server {source} is alive on host {one.host} and holds {_batches(held)}; `mailqctl server drain {source}` hands "
                f"them back without a doubt; --force ends its lease at once, and what it has on the wire will be in doubt"
            )
        retire = servers.retire if one.is_alive else servers.retire_lapsed
        if not retire(tx, one.id, one.incarnation):
            raise Conflict(f"server {source} came back just now; nothing was changed")
        return _begin(tx, one, other, actor=actor, forced=False)


def give_by_force(database: Database, source: str, target: str, *, actor: str) -> Migration:
    """As `give`, but end the lease of a source that is alive: what it has on the wire will be in doubt.

    Raises:
        NotFound: there was never a server of one of these ids.
        Conflict: they are the same, or the target is not alive.
    """
    with database.begin() as tx:
        one, other = _pair(tx, source, target)
        if not servers.retire(tx, one.id, one.incarnation):
            raise Conflict(f"server {source} started again just now; nothing was changed")
        return _begin(tx, one, other, actor=actor, forced=one.is_alive)


def progress(database: Database, migration: Migration) -> Progress:
    """Look how far it is."""
    one = migration.source
    with database.begin() as tx:
        left = holdings.number(tx, one.id, until_incarnation=one.incarnation)
        in_doubt = holdings.num_in_doubt(tx, migration.batch_ids)
        alive = any(server.id == migration.target.id and server.is_alive for server in servers.known(tx))
    return Progress(left, max(0, in_doubt - migration.num_in_doubt), alive)


def _begin(tx: Connection, one: Known, other: Known, *, actor: str, forced: bool) -> Migration:
    # After the retirement: it has waited for claims that were under way.
    held = [holding.batch_id for holding in holdings.of_server(tx, one.id)]
    servers.migrate(tx, one.id, to=other.id)
    details = {"to": other.name, "incarnation": one.incarnation, "forced": forced, "batches": len(held)}
    audit.note(tx, actor=actor, action=ACTION, server=one.name, details=details)
    log.warning("server.migration_ordered", server=one.name, incarnation=one.incarnation, to=other.name, forced=forced)
    return Migration(one, other, forced, held, holdings.num_in_doubt(tx, held))


def _pair(tx: Connection, source: str, target: str) -> tuple[Known, Known]:
    known = servers.known(tx)
    one, other = _named(known, source), _named(known, target)
    if one.id == other.id:
        raise Conflict(f"server {source} cannot take over from itself; it reclaims its former batches when it starts")
    if not other.is_alive or other.state is not State.ALIVE:
        stands = "drains" if other.is_alive else "is not alive"
        raise Conflict(f"server {target} {stands} and takes nothing; nothing was changed")
    return one, other


def _named(known: Sequence[Known], name: str) -> Known:
    for server in known:
        if server.name == name:
            return server
    those = f"known are {', '.join(server.name for server in known)}" if known else "none has ever started"
    raise NotFound(f"no server `{name}`; {those}")


def _batches(number: int) -> str:
    return "1 batch" if number == 1 else f"{number:,} batches"
