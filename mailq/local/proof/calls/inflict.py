"""Faults, inflicted: most of them on whoever runs the calls just now."""

import signal
from collections.abc import Callable

from sqlalchemy import select

from mailq.errors import Unavailable
from mailq.local.proof import processes
from mailq.local.proof.agenda import Agenda
from mailq.local.proof.calls.order import Kind
from mailq.local.proof.doors.served import Served
from mailq.local.proof.ground import Ground
from mailq.local.proof.host import Host
from mailq.local.proof.schedule import Fault
from mailq.store.tables import leader

_LONGEST_ABSENCE_S = 2.0
_SHARE_OF_LEADERS = 0.75


class Inflictor:
    """Does what the schedule says."""

    def __init__(self, ground: Ground, served: Served, agenda: Agenda) -> None:
        self._ground = ground
        self._served = served
        self._agenda = agenda

    def inflict(self, fault: Fault[Kind]) -> bool:
        """Do it, unless there is nobody to whom it could be done just now; whether it was done."""
        absent_s = fault.lasts * _LONGEST_ABSENCE_S
        match fault.kind:
            case Kind.API_KILLED | Kind.API_TERMINATED:
                if not self._served.up:
                    return False
                end = self._served.kill if fault.kind is Kind.API_KILLED else self._served.terminate
                end(absent_s=absent_s)
            case Kind.POSTGRES_KILLED | Kind.REDIS_KILLED:
                service = self._ground.services[fault.kind.removesuffix("-killed")]
                if service.down:
                    return False
                service.kill()
                self._agenda.after(absent_s, service.revive)
            case _:
                host = self._host(fault)
                if host is None:
                    return False
                self._hit(host, fault.kind, absent_s)
        return True

    def _hit(self, host: Host, kind: Kind, absent_s: float) -> None:
        if kind is Kind.WARDEN_KILLED:
            processes.send(host.wardens(), signal.SIGKILL)
        elif kind is Kind.SERVER_TERMINATED:
            host.terminate()
        else:
            host.kill()
            self._agenda.after(absent_s, _started(host))

    def _host(self, fault: Fault[Kind]) -> Host | None:
        """Whom it hits: mostly whoever leads."""
        hosts = self._ground.hosts
        in_turn = [*hosts[fault.server :], *hosts[: fault.server]]
        if fault.dice % 100 < _SHARE_OF_LEADERS * 100:
            leads = self._leader()
            in_turn.sort(key=lambda host: host.name != leads)
        return next((host for host in in_turn if host.serving), None)

    def _leader(self) -> str | None:
        """The server that leads; None if the database is away and cannot tell."""
        try:
            with self._ground.database.begin() as tx:
                holder = tx.execute(select(leader.c.holder)).scalar()
        except Unavailable:
            return None
        return None if holder is None else str(holder).partition("/")[0]


def _started(host: Host) -> Callable[[], None]:
    def start() -> None:
        if host.child is None:
            host.start()

    return start
