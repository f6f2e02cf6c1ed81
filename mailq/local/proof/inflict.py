"""Faults, inflicted: each of the schedule is done to whom it is meant for, and its end is put on the agenda."""

import signal
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from sqlalchemy import select

from mailq.errors import Unavailable
from mailq.local.proof import clocks, processes
from mailq.local.proof.agenda import Agenda
from mailq.local.proof.ground import FRIENDLY, LEASE_S, Ground
from mailq.local.proof.host import Host
from mailq.local.proof.kinds import CUTS, Kind, Size, bound
from mailq.local.proof.schedule import Fault
from mailq.store.tables import batch, delivery, server

_LONGEST_ABSENCE_S = 5.0
_LONGEST_OUTAGE_S = 2.5
_LONGEST_CUT_S = 3 * LEASE_S
_DROPS_FOR_S = 2.0
_NUM_DROPPED = 6
_AHEAD = 40
_OF_SERVICES: Final = {
    Kind.REDIS_KILLED: ("redis",),
    Kind.REDIS_FLUSHED: ("redis",),
    Kind.POSTGRES_KILLED: ("postgres",),
    Kind.MESSAGE_REPEATED: ("redis", "postgres"),
    Kind.DROPPED_BEFORE_DOT: ("postgres",),
    Kind.DROPPED_AFTER_DOT: ("postgres",),
}


class Inflictor:
    """Does what the schedule says."""

    def __init__(self, ground: Ground, agenda: Agenda, size: Size) -> None:
        self._ground = ground
        self._agenda = agenda
        self._size = size
        self._drops: list[str] = []
        self._library = clocks.library()
        self._on_hosts: dict[Kind, Callable[[Fault[Kind], Host, Random], None]] = {
            Kind.CHILD_KILLED: self._kill_child,
            Kind.WARDEN_KILLED: self._kill_warden,
            Kind.SERVER_KILLED: self._kill_server,
            Kind.HOST_LOST: self._lose_host,
            Kind.CHILD_STOPPED: self._stop_child,
            Kind.WARDEN_STOPPED: self._stop_warden,
            Kind.WORKERS_STOPPED: self._stop_workers,
            Kind.SERVER_STOPPED: self._stop_server,
            Kind.SIGTERM: self._terminate,
            Kind.CLOCK_WRONG: self._set_clock_wrong,
            **dict.fromkeys(CUTS, self._cut_off),
        }
        self._on_services: dict[Kind, Callable[[Fault[Kind], Random], int]] = {
            Kind.REDIS_KILLED: self._kill_service,
            Kind.POSTGRES_KILLED: self._kill_service,
            Kind.REDIS_FLUSHED: self._flush,
            Kind.MESSAGE_REPEATED: self._repeat,
            Kind.DROPPED_BEFORE_DOT: self._drop_before,
            Kind.DROPPED_AFTER_DOT: self._drop_after,
        }

    def inflict(self, fault: Fault[Kind], *, at_work: bool) -> int | None:
        """Do it; how many deliveries it may leave in doubt. None if there is nobody to whom it could be done just now.

        Args:
            at_work: whether it is to hit a server that holds a batch just now, or servers of which one does.
        """
        dice = Random(fault.dice)
        busy = self._busy() if at_work else None
        if busy is not None and not busy:
            return None
        if fault.kind in self._on_services:
            if any(self._ground.services[name].down for name in _OF_SERVICES[fault.kind]):
                return None
            try:
                num_dropped = self._on_services[fault.kind](fault, dice)
            except Unavailable:
                return None
            return bound(fault.kind, self._size, num_dropped=num_dropped)
        host = self._host(fault, busy)
        if host is None:
            return None
        self._on_hosts[fault.kind](fault, host, dice)
        return bound(fault.kind, self._size)

    def be_friendly(self) -> None:
        """Let the sink misbehave no more than usual."""
        self._drops.clear()
        self._ground.sink.set_rules(FRIENDLY)

    def _busy(self) -> set[str] | None:
        """The servers that hold batches; None if the database is away and cannot tell."""
        statement = (
            select(server.c.name).join(batch, batch.c.server_id == server.c.id).where(batch.c.state == "leased").distinct()
        )
        try:
            with self._ground.database.begin() as tx:
                return set(tx.execute(statement).scalars())
        except Unavailable:
            return None

    def _host(self, fault: Fault[Kind], busy: set[str] | None) -> Host | None:
        hosts = self._ground.hosts
        in_turn = [*hosts[fault.server :], *hosts[: fault.server]]
        cut = CUTS.get(fault.kind)
        fit = (host for host in in_turn if busy is None or host.name in busy)
        return next((host for host in fit if host.serving and cut not in host.cut), None)

    def _kill_child(self, _fault: Fault[Kind], host: Host, dice: Random) -> None:
        processes.send([dice.choice(host.children())], signal.SIGKILL)

    def _kill_warden(self, _fault: Fault[Kind], host: Host, _dice: Random) -> None:
        processes.send(host.wardens(), signal.SIGKILL)

    def _kill_server(self, fault: Fault[Kind], host: Host, _dice: Random) -> None:
        host.kill()
        self._agenda.after(fault.lasts * _LONGEST_ABSENCE_S, _started(host))

    def _lose_host(self, fault: Fault[Kind], host: Host, _dice: Random) -> None:
        host.kill()
        host.lose(fault.number)
        self._agenda.after(fault.lasts * _LONGEST_ABSENCE_S, _started(host))

    def _stop_child(self, _fault: Fault[Kind], host: Host, dice: Random) -> None:
        self._pause(host, [dice.choice(host.children())])

    def _stop_warden(self, _fault: Fault[Kind], host: Host, _dice: Random) -> None:
        self._pause(host, host.wardens())

    def _stop_workers(self, _fault: Fault[Kind], host: Host, _dice: Random) -> None:
        wardens = host.wardens()
        self._pause(host, [entry.pid for entry in host.members() if entry.pid not in wardens])

    def _stop_server(self, _fault: Fault[Kind], host: Host, _dice: Random) -> None:
        self._pause(host, [entry.pid for entry in host.members()])

    def _pause(self, host: Host, pids: list[int]) -> None:
        host.pause(pids)
        self._agenda.after(2 * LEASE_S, host.wake)

    def _terminate(self, _fault: Fault[Kind], host: Host, _dice: Random) -> None:
        host.terminate()

    def _set_clock_wrong(self, _fault: Fault[Kind], host: Host, dice: Random) -> None:
        if self._library is None:
            raise AssertionError("a kind that is not at hand is not planned")
        host.terminate()
        host.next_clock = clocks.wrong(self._library, dice)

    def _cut_off(self, fault: Fault[Kind], host: Host, dice: Random) -> None:
        service, namespace = CUTS[fault.kind], host.namespace
        if namespace is None:
            raise AssertionError("a kind that is not at hand is not planned")

        def heal() -> None:
            namespace.heal(service)
            host.cut.discard(service)

        host.cut.add(service)
        namespace.cut(service, silently=dice.random() < 0.7)
        self._agenda.after(LEASE_S / 2 + fault.lasts * (_LONGEST_CUT_S - LEASE_S / 2), heal)

    def _kill_service(self, fault: Fault[Kind], _dice: Random) -> int:
        service = self._ground.services[_OF_SERVICES[fault.kind][0]]
        service.kill()
        self._agenda.after(fault.lasts * _LONGEST_OUTAGE_S, service.revive)
        return 0

    def _flush(self, _fault: Fault[Kind], _dice: Random) -> int:
        self._ground.broker.flush()
        return 0

    def _repeat(self, _fault: Fault[Kind], dice: Random) -> int:
        statement = (
            select(batch.c.id).where(batch.c.state.in_(["leased", "ready", "finished"])).order_by(batch.c.id.desc()).limit(40)
        )
        with self._ground.database.begin() as tx:
            found = list(tx.execute(statement).scalars())
        if not found:
            raise Unavailable("there is no batch to ring for")
        self._ground.broker.repeat(dice.choice(found), dice.randint(2, 6))
        return 0

    def _drop_before(self, _fault: Fault[Kind], dice: Random) -> int:
        return self._drop(dice.choice(["before-dot", "now"]), dice)

    def _drop_after(self, _fault: Fault[Kind], dice: Random) -> int:
        return self._drop(dice.choice(["after-dot", "after-dot-unaccepted"]), dice)

    def _drop(self, way: str, dice: Random) -> int:
        """Let the sink drop the connections of some mails that come next, each once."""
        coming = self._coming()
        chosen = dice.sample(coming, min(_NUM_DROPPED, len(coming)))
        rules = [f"address={address} drop={way} times=1" for address in chosen]
        self._drops += rules
        self._set_rules()

        def end() -> None:
            self._drops = [rule for rule in self._drops if rule not in rules]
            self._set_rules()

        self._agenda.after(_DROPS_FOR_S, end)
        return len(chosen)

    def _set_rules(self) -> None:
        # In front: the first rule that decides is the last that is asked.
        self._ground.sink.set_rules([*self._drops, *FRIENDLY])

    def _coming(self) -> list[str]:
        """Addresses that begin soon, if nothing comes between."""
        statement = (
            select(delivery.c.address)
            .join(batch, (batch.c.mailing_id == delivery.c.mailing_id) & (batch.c.id == delivery.c.batch_id))
            .where(batch.c.state == "leased", delivery.c.state == "pending", delivery.c.seq > batch.c.watermark)
            .where(delivery.c.seq <= batch.c.watermark + _AHEAD)
        )
        with self._ground.database.begin() as tx:
            found: Iterable[str] = tx.execute(statement).scalars()
            return sorted(found)


def _started(host: Host) -> Callable[[], None]:
    def start() -> None:
        if host.child is None:
            host.start()

    return start
