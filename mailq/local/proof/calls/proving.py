"""The proof of calls: faults while producers send and everything runs, then calm, and a comparison of all sides; round by round."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from pathlib import Path
from random import Random

from mailq.admin import keys
from mailq.core import webhook_secret
from mailq.core.mailing import Lane
from mailq.engine.calls import webhook_secrets
from mailq.errors import Unavailable
from mailq.local.proof import schedule
from mailq.local.proof.accepted import AcceptedList
from mailq.local.proof.calls import afterwards, books, receiver
from mailq.local.proof.calls.inflict import Inflictor
from mailq.local.proof.calls.order import WEIGHTED, Kind, Order
from mailq.local.proof.calls.producers import Line, Producer
from mailq.local.proof.calls.receiver import Receiver
from mailq.local.proof.calls.sides import Findings, Round
from mailq.local.proof.calls.verdict import judge
from mailq.local.proof.doors.served import Served
from mailq.local.proof.ground import Ground, laid
from mailq.local.proof.kinds import Size
from mailq.local.proof.schedule import Fault
from mailq.local.proof.through_api import Outcome, Stage, Watcher
from mailq.store import organizations

_START_WITHIN_S = 120.0
_CALM_WITHIN_S = 180.0
_TRY_SOON_EVERY_S = 2.0
_NUM_SERVERS = 2
_MOST_BETWEEN = 30
_SHARE_AT_WORK = 0.75
"""Of faults that wait until calls are being run."""
_WEBHOOK_TIMEOUT_S = 2.0


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
            "calls": found.num_calls,
            "conversations": found.num_conversations,
            "conversations_in_error": found.num_failed,
            "conversations_late": found.num_late,
            "answers": found.num_answers,
            "attempts": found.num_attempts,
            "mails": found.num_mails,
            "violations": found.num_faults,
            "retries": self.num_retries,
            "repeated": self.num_repeated,
            "by_kind": {kind.value: number for kind, number in self.faults.items()},
        }


class _Violated(Exception):
    """Something must not be; its arguments say what."""


class Proof:
    """One run on its ground.

    Args:
        connect: makes a producer's way to the API.
    """

    def __init__(
        self, order: Order, ground: Ground, served: Served, heard: Receiver, *, connect: Callable[[], Line], watcher: Watcher
    ) -> None:
        self._order = order
        self._ground = ground
        self._served = served
        self._heard = heard
        self._connect = connect
        self._watcher = watcher
        self._stage = Stage(ground, served, self._look)
        self._inflictor = Inflictor(ground, served, self._stage.agenda)
        self._accepted = AcceptedList(ground.sink.accepted_file)
        self._num_told = 0
        self._ran_before: int | None = None
        self._producers: list[Producer] = []
        self._result = Result()

    def run(self) -> Result:
        """Go through the schedule, round by round, until something must not be."""
        order, result = self._order, self._result
        self._stage.start(_START_WITHIN_S)
        faults = schedule.plan(
            order.seed, num_faults=order.num_faults, num_servers=_NUM_SERVERS, kinds=WEIGHTED, mean_gap_s=order.mean_gap_s
        )
        try:
            for number, some in enumerate(_in_rounds(faults, order.per_round), 1):
                self._round(number, some)
        except _Violated as violated:
            result.violation = [*violated.args]
        finally:
            for producer in self._producers:
                producer.give_up()
        result.num_ended = self._served.num_ended + sum(host.num_ended for host in self._ground.hosts)
        result.num_cut_short = self._served.num_cut_short + sum(host.num_cut_short for host in self._ground.hosts)
        return result

    def _round(self, number: int, faults: list[Fault[Kind]]) -> None:
        prefix = f"r{number}p"
        self._producers = [
            Producer(
                f"{prefix}{each}", self._connect(), self._heard.bases, seed=self._order.seed, most_parts=self._order.most_parts
            )
            for each in range(1, self._order.num_producers + 1)
        ]
        for producer in self._producers:
            producer.start()
        for fault in faults:
            self._stage.go_on_for(fault.gap_s)
            self._inflict(fault)
        self._stage.agenda.work_off()
        self._end_producers()
        self._calm(faults[-1].number)
        self._compare(prefix)

    def _inflict(self, fault: Fault[Kind]) -> None:
        # It is to hit what is at work: otherwise it would prove little.
        enough = self._num_confirmed() + 1 + fault.dice % _MOST_BETWEEN
        if not self._stage.go_on_until(lambda: self._num_confirmed() >= enough, _START_WITHIN_S):
            raise Unavailable(f"the API did not come back within {_START_WITHIN_S:.0f} s; see {self._ground.supervisor.logs}")
        # The others come while nobody leads yet, or a service is away.
        if Random(fault.dice).random() < _SHARE_AT_WORK and not self._stage.go_on_until(self._are_calls_run, _START_WITHIN_S):
            raise Unavailable(f"no calls were run within {_START_WITHIN_S:.0f} s; see {self._ground.supervisor.logs}")
        if not self._stage.go_on_until(lambda: self._inflictor.inflict(fault), _START_WITHIN_S):
            raise Unavailable(f"nobody was there for {fault.kind} within {_START_WITHIN_S:.0f} s")
        self._ran_before = None
        self._result.faults[fault.kind] += 1
        self._watcher.at(fault.number, self._order.num_faults, fault.kind)

    def _are_calls_run(self) -> bool:
        """Whether some have been run since this was asked first after the last fault."""
        try:
            with self._ground.database.begin() as tx:
                num = books.num_run(tx)
        except Unavailable:
            return False
        if self._ran_before is None:
            self._ran_before = num
        return num > self._ran_before

    def _num_confirmed(self) -> int:
        return sum(len(producer.confirmed.ids) for producer in self._producers)

    def _end_producers(self) -> None:
        for producer in self._producers:
            producer.end()
        ended = self._stage.go_on_until(lambda: all(each.has_ended(0) for each in self._producers), _CALM_WITHIN_S)
        for producer in self._producers:
            self._result.num_retries += producer.confirmed.num_retries
            self._result.num_repeated += producer.confirmed.num_repeated
        if not ended:
            raise _Violated(f"a producer got no answer within {_CALM_WITHIN_S:.0f} s after the last fault")

    def _calm(self, done: int) -> None:
        self._watcher.at(done, self._order.num_faults, "calm")
        self._stage.agenda.after(0, self._try_soon)
        if not self._stage.go_on_until(lambda: not self._num_undone(), _CALM_WITHIN_S):
            num = self._num_undone()
            raise _Violated(
                f"{num} calls, conversations, answers or mails are undone {_CALM_WITHIN_S:.0f} s after the last fault"
            )
        self._stage.agenda.forget()

    def _try_soon(self) -> None:
        """Nobody waits three days for the tenth attempt."""
        with self._ground.database.begin() as tx:
            books.try_soon(tx)
        self._stage.agenda.after(_TRY_SOON_EVERY_S, self._try_soon)

    def _num_undone(self) -> int:
        with self._ground.database.begin() as tx:
            return books.num_undone(tx)

    def _compare(self, prefix: str) -> None:
        confirmed = afterwards.merged([producer.confirmed for producer in self._producers])
        line = self._connect()
        try:
            afterwards.ask_again(line, confirmed, seed=self._order.seed)
        finally:
            line.close()
        if confirmed.faults:
            raise _Violated(*confirmed.faults)
        with self._ground.database.begin() as tx:
            now = books.read(tx, prefix)
        accepted = Counter(mail.recipient for mail in self._accepted.rest())
        self._accepted.move_on()
        told = self._heard.told()
        found = self._result.findings
        gap = timedelta(seconds=self._order.part_gap_s)
        this = Round(confirmed.plot, confirmed.ids, frozenset(confirmed.too_late), now, accepted, told[self._num_told :], gap)
        self._num_told = len(told)
        judge(this, found)
        if found.num_faults:
            raise _Violated(f"{found.num_faults} are not as they must be", *found.examples)

    def _look(self) -> None:
        """Raises _Violated if a producer was told what must not be."""
        if faults := [fault for producer in self._producers for fault in producer.confirmed.faults]:
            raise _Violated(*faults)


def prove(order: Order, home: Path, watcher: Watcher) -> Result:
    """Lay the ground, run the proof on it, and end everything.

    Raises:
        MailqError: the ground cannot be laid, or breaks by itself.
    """
    calls = {
        "CALLS__PART_GAP": f"{order.part_gap_s}s",
        "CALLS__WEBHOOK_TIMEOUT": f"{_WEBHOOK_TIMEOUT_S}s",
        "CALLS__WEBHOOK_NETWORKS": "127.0.0.0/8",
    }
    lanes = (Lane.TRANSACTIONAL,)
    size = Size()
    with laid(
        home, num_servers=_NUM_SERVERS, size=size, seed=order.seed, apart=False, lanes=lanes, rules=(), more=calls
    ) as ground:
        key = keys.create(ground.database, "default", "proof", ["send", "read"], rate_per_s=1_000_000).key
        with ground.database.begin() as tx:
            secrets = webhook_secrets.listed(tx, organizations.id_of(tx, "default"))
        served = Served(ground.supervisor, ground.environment)
        with receiver.listening(order.seed, [webhook_secret.key_of(secret) for secret in secrets]) as heard:
            return Proof(order, ground, served, heard, connect=lambda: Line(served.url, key), watcher=watcher).run()


def _in_rounds(faults: Iterator[Fault[Kind]], per_round: int) -> Iterator[list[Fault[Kind]]]:
    while some := list(islice(faults, per_round)):
        yield some
