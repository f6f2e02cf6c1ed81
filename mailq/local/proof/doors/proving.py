"""The proof of the HTTP API: faults while producers work, then calm, and one comparison of all three sides."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mailq.admin import keys
from mailq.client.http.patience import Patience
from mailq.client.http.synchronous import HttpDoor
from mailq.core.mailing import Lane
from mailq.errors import Unavailable
from mailq.local.proof import schedule
from mailq.local.proof.accepted import AcceptedList
from mailq.local.proof.doors import books
from mailq.local.proof.doors.books import Findings
from mailq.local.proof.doors.order import WEIGHTED, Kind, Order
from mailq.local.proof.doors.producers import Given, Producer
from mailq.local.proof.doors.served import Served
from mailq.local.proof.ground import Ground, laid
from mailq.local.proof.kinds import Size
from mailq.local.proof.schedule import Fault
from mailq.local.proof.through_api import Outcome, Stage, Watcher

_START_WITHIN_S = 120.0
_CALM_WITHIN_S = 120.0
_LONGEST_ABSENCE_S = 2.0
_NUM_SERVERS = 2
_MOST_BETWEEN = 40
# The producers try again themselves: the more often they do, the more is under way when the next fault comes.
_IMPATIENT = Patience(tries=3, total_s=5.0, first_s=0.05, longest_s=0.3)


@dataclass
class Result(Outcome):
    """How the proof ended.

    Attributes:
        faults: how many of each kind.
    """

    faults: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    findings: Findings = field(default_factory=Findings)

    def document(self, order: Order) -> dict[str, object]:
        """The result for machines."""
        found = self.findings
        return {
            "seed": order.seed,
            "faults": sum(self.faults.values()),
            "messages": found.num_messages,
            "mailings": found.num_mailings,
            "mails": found.num_mails,
            "not_exactly_once": found.num_faults,
            "retries": self.num_retries,
            "repeated": self.num_repeated,
            "by_kind": {kind.value: number for kind, number in self.faults.items()},
        }


class Proof:
    """One run on its ground."""

    def __init__(self, order: Order, ground: Ground, served: Served, producers: list[Producer], watcher: Watcher) -> None:
        self._order = order
        self._ground = ground
        self._served = served
        self._producers = producers
        self._watcher = watcher
        self._stage = Stage(ground, served)
        self._result = Result()

    def run(self) -> Result:
        """Go through the schedule, end the producers, wait until all is sent, and compare."""
        order, result = self._order, self._result
        self._stage.start(_START_WITHIN_S)
        for producer in self._producers:
            producer.start()
        faults = schedule.plan(
            order.seed, num_faults=order.num_faults, num_servers=1, kinds=WEIGHTED, mean_gap_s=order.mean_gap_s
        )
        for fault in faults:
            self._stage.go_on_for(fault.gap_s)
            self._inflict(fault)
        self._stage.agenda.work_off()
        result.violation = self._end_producers() or self._calm() or self._compare()
        result.num_ended, result.num_cut_short = self._served.num_ended, self._served.num_cut_short
        return result

    def _inflict(self, fault: Fault[Kind]) -> None:
        # It is to hit an API that is at work: otherwise it would prove little.
        enough = self._num_confirmed() + 1 + fault.dice % _MOST_BETWEEN
        if not self._stage.go_on_until(lambda: self._num_confirmed() >= enough, _START_WITHIN_S):
            raise Unavailable(f"the API did not come back within {_START_WITHIN_S:.0f} s; see {self._ground.supervisor.logs}")
        absent_s = fault.lasts * _LONGEST_ABSENCE_S
        match fault.kind:
            case Kind.API_KILLED:
                self._served.kill(absent_s=absent_s)
            case Kind.API_TERMINATED:
                self._served.terminate(absent_s=absent_s)
            case Kind.POSTGRES_KILLED | Kind.REDIS_KILLED:
                service = self._ground.services[fault.kind.removesuffix("-killed")]
                service.kill()
                self._stage.agenda.after(absent_s, service.revive)
        self._result.faults[fault.kind] += 1
        self._watcher.at(fault.number, self._order.num_faults, fault.kind)

    def _num_confirmed(self) -> int:
        return sum(len(producer.confirmed.ids) for producer in self._producers)

    def _end_producers(self) -> list[str] | None:
        for producer in self._producers:
            producer.end()
        deadline = time.monotonic() + _CALM_WITHIN_S
        ended = self._stage.go_on_until(lambda: all(each.has_ended(0) for each in self._producers), _CALM_WITHIN_S)
        for producer in self._producers:
            producer.give_up()
            producer.has_ended(max(0.0, deadline - time.monotonic()) + 1)
            self._result.num_retries += producer.confirmed.num_retries
            self._result.num_repeated += producer.confirmed.num_repeated
        if not ended:
            return [f"a producer got no answer within {_CALM_WITHIN_S:.0f} s after the last fault"]
        return [fault for producer in self._producers for fault in producer.confirmed.faults] or None

    def _calm(self) -> list[str] | None:
        self._watcher.at(self._order.num_faults, self._order.num_faults, "calm")
        if self._stage.go_on_until(lambda: not self._num_undone(), _CALM_WITHIN_S):
            return None
        return [f"{self._num_undone()} messages, mailings or batches are undone {_CALM_WITHIN_S:.0f} s after the last fault"]

    def _num_undone(self) -> int:
        with self._ground.database.begin() as tx:
            return books.num_undone(tx)

    def _compare(self) -> list[str] | None:
        given: dict[str, Given] = {}
        told: dict[str, str] = {}
        for producer in self._producers:
            given |= producer.confirmed.given
            told |= producer.confirmed.ids
        with self._ground.database.begin() as tx:
            now = books.read(tx)
        found = books.compare(given, told, now, AcceptedList(self._ground.sink.accepted_file).rest())
        self._result.findings = found
        return [f"{found.num_faults} were not taken or sent exactly once", *found.examples] if found.num_faults else None


def prove(order: Order, home: Path, watcher: Watcher) -> Result:
    """Lay the ground, run the proof on it, and end everything.

    Raises:
        MailqError: the ground cannot be laid, or breaks by itself.
    """
    lanes = (Lane.BULK, Lane.TRANSACTIONAL)
    with laid(home, num_servers=_NUM_SERVERS, size=Size(), seed=order.seed, apart=False, lanes=lanes, rules=()) as ground:
        made = keys.create(ground.database, "default", "proof", ["send", "read"])
        served = Served(ground.supervisor, ground.environment)
        with _producers(order, served.url, made.key) as producers:
            return Proof(order, ground, served, producers, watcher).run()


@contextmanager
def _producers(order: Order, url: str, key: str) -> Iterator[list[Producer]]:
    made = [
        Producer(
            number, lambda: HttpDoor(url, key=key, patience=_IMPATIENT), seed=order.seed, most_recipients=order.most_recipients
        )
        for number in range(1, order.num_producers + 1)
    ]
    try:
        yield made
    finally:
        for producer in made:
            producer.give_up()
