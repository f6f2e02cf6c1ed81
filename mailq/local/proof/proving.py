"""The proof itself: rounds of faults on mailings that follow one another, and after each round calm, and a comparison."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Protocol

from sqlalchemy import text

from mailq.clock import utc_now
from mailq.core.mailing import DoubtPolicy
from mailq.errors import Unavailable
from mailq.local.proof import books, schedule
from mailq.local.proof.accepted import AcceptedList, Mail
from mailq.local.proof.agenda import Agenda
from mailq.local.proof.feeder import Feeder
from mailq.local.proof.ground import Ground, laid
from mailq.local.proof.inflict import Inflictor
from mailq.local.proof.kinds import CUTS, Kind
from mailq.local.proof.order import Order
from mailq.local.proof.schedule import Fault
from mailq.local.proof.tally import Tally
from mailq.local.proof.verdict import Breach, Verdict, compare

_TICK_S = 0.05
_FEED_EVERY_S = 0.3
_START_WITHIN_S = 60.0
_CALM_WITHIN_S = 90.0
_PATIENCE_S = 5.0
_QUIET_FOR_S = 1.5


class Watcher(Protocol):
    """Whoever looks on."""

    def at(self, done: int, total: int, note: str = "") -> None:
        """So many faults of so many are done."""


@dataclass
class Result:
    """How a proof ended.

    Attributes:
        violation: the first thing that must not be, in words; None if all is well.
        num_ended: how often a server ended by itself, and was started again.
        num_kept_out: how often one could not start because a service was away, and was started again.
        num_cut_short: how often one had to be killed because its orderly stop took too long.
    """

    tally: Tally
    violation: list[str] | None = None
    num_ended: int = 0
    num_kept_out: int = 0
    num_cut_short: int = 0


@dataclass
class Round:
    """What happens between two comparisons."""

    bound: int = 0
    kinds: list[Kind] = field(default_factory=list)


class Proof:
    """One run of the harness on its ground."""

    def __init__(self, order: Order, kinds: Sequence[Kind], ground: Ground, watcher: Watcher) -> None:
        self._order = order
        self._kinds = kinds
        self._ground = ground
        self._watcher = watcher
        self._agenda = Agenda()
        self._inflictor = Inflictor(ground, self._agenda, order.size)
        self._feeder = Feeder(ground.database, ground.home, order.policy, order.num_recipients)
        self._accepted = AcceptedList(ground.sink.accepted_file)
        self._next_feed = 0.0
        self.tally = Tally(order.seed)

    def run(self) -> Result:
        """Go through the schedule, until it ends or something is found that must not be."""
        order = self._order
        faults = schedule.plan(
            order.seed,
            num_faults=order.num_faults,
            num_servers=order.num_servers,
            kinds=self._kinds,
            mean_gap_s=order.mean_gap_s,
        )
        self._start()
        for part in _parts(faults, order.per_round):
            violation = self._round(part)
            if violation:
                return self._result(violation)
        return self._result(self._find_late_mail())

    def _result(self, violation: list[str] | None) -> Result:
        hosts = self._ground.hosts
        return Result(
            self.tally,
            violation,
            num_ended=sum(host.num_ended for host in hosts),
            num_kept_out=sum(host.num_kept_out for host in hosts),
            num_cut_short=sum(host.num_cut_short for host in hosts),
        )

    def _round(self, faults: Sequence[Fault[Kind]]) -> list[str] | None:
        """Faults, calm, and the comparison; what must not be, in words."""
        now = Round()
        for fault in faults:
            self._go_on(fault.gap_s)
            self._inflict(fault, now)
        self._go_on(self._order.mean_gap_s)
        violation = self._calm() or self._find_late_mail()
        if violation:
            self.tally.counts[Breach.UNBALANCED] += 1
            return violation
        return self._compare(now)

    def _inflict(self, fault: Fault[Kind], now: Round) -> None:
        began = time.monotonic()
        while True:
            at, waited = utc_now(), time.monotonic() - began
            # Faults are to hit those who are at work: what befalls an idle server proves little.
            bound = self._inflictor.inflict(fault, at_work=waited < _PATIENCE_S)
            if bound is not None:
                break
            if waited > _START_WITHIN_S:
                raise Unavailable(f"for {_START_WITHIN_S:.0f} s there was nobody to hit with {fault.kind}; the logs say why")
            self._tick()
        now.bound += bound
        now.kinds.append(fault.kind)
        self.tally.inflicted(fault.kind, at, bound)
        self._watcher.at(fault.number, self._order.num_faults, fault.kind)

    def _go_on(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._tick()

    def _tick(self, *, feed: bool = True) -> None:
        """Look after everything once."""
        self._agenda.work()
        for host in self._ground.hosts:
            host.mind()
        self._ground.check()
        if feed and time.monotonic() >= self._next_feed and not self._ground.services["postgres"].down:
            self._feeder.feed()
            self._next_feed = time.monotonic() + _FEED_EVERY_S
        time.sleep(_TICK_S)

    def _start(self) -> None:
        """Submit the first mailing, and wait until every server is up and mail goes out."""
        self._feeder.submit()
        deadline = time.monotonic() + _START_WITHIN_S
        while not (all(host.serving for host in self._ground.hosts) and self._accepted.count()):
            if time.monotonic() > deadline:
                waiting = ", ".join(host.name for host in self._ground.hosts if not host.serving) or "no mail goes out"
                raise Unavailable(f"{waiting}: not ready after {_START_WITHIN_S:.0f} s; see {self._ground.supervisor.logs}")
            self._tick(feed=False)

    def _calm(self) -> list[str] | None:
        """End every fault and wait for the mailings of the round; why they do not end, if they do not."""
        self._agenda.work_off()
        self._inflictor.be_friendly()
        deadline = time.monotonic() + _CALM_WITHIN_S
        seen, since = None, time.monotonic()
        while time.monotonic() < deadline:
            self._tick(feed=False)
            try:
                now = books.progress(self._ground.database, self._feeder.given)
            except Unavailable:
                continue
            self._watcher.at(
                self.tally.num_faults, self._order.num_faults, f"calm: {now.num_unfinished} batches and mailings left"
            )
            if now != seen:
                seen, since = now, time.monotonic()
            over = not now.num_unfinished and not (self._order.policy is DoubtPolicy.RESEND and now.num_in_doubt)
            settled = time.monotonic() - since > _QUIET_FOR_S and all(host.serving for host in self._ground.hosts)
            if over and settled:
                return None
        hosts = [f"{host.name} is {'serving' if host.serving else 'not serving'}" for host in self._ground.hosts]
        facts = books.standstill(self._ground.database, self._feeder.given)
        return [f"the mailings were not finished {_CALM_WITHIN_S:.0f} s after the last fault", *facts, *hosts]

    def _find_late_mail(self) -> list[str] | None:
        """Mails of mailings whose books were closed."""
        mine = {f"m{each.number}" for each in self._feeder.given}
        late = [mail for mail in self._accepted.rest() if mail.recipient.partition("r")[0] not in mine]
        if not late:
            return None
        return [f"{len(late)} mails were accepted after their mailing's books were closed", *(_shown(mail) for mail in late[:10])]

    def _compare(self, now: Round) -> list[str] | None:
        given = list(self._feeder.given)
        with self._ground.database.begin() as tx:
            tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            wanted = chain.from_iterable(each.addresses() for each in given)
            verdict = compare(wanted, books.entries(tx, given), self._accepted.rest(), self.tally)
            if number := books.num_unbalanced(tx, given):
                verdict.breach(Breach.UNBALANCED, f"{number} batches differ from a recount", number=number)
        self._accepted.move_on()
        self._feeder.given.clear()
        self.tally.add(verdict, bound=now.bound)
        return _words(verdict, now)

    def keep_books(self) -> None:
        """Write our ledger beside the sink's, for a person who looks for the reason."""
        with (self._ground.home / "ledger.tsv").open("w") as file, self._ground.database.begin() as tx:
            file.writelines("\t".join(map(str, row)) + "\n" for row in books.all_columns(tx, self._feeder.given))


def prove(order: Order, kinds: Sequence[Kind], home: Path, watcher: Watcher) -> Result:
    """Lay the ground, run the proof on it, and end everything. The two ledgers are kept in the home when they disagree.

    Raises:
        MailqError: the ground cannot be laid, or breaks by itself.
    """
    apart = any(kind in CUTS for kind in kinds)
    with laid(home, num_servers=order.num_servers, size=order.size, seed=order.seed, apart=apart) as ground:
        proof = Proof(order, kinds, ground, watcher)
        result = proof.run()
        if result.violation:
            proof.keep_books()
        return result


def _words(verdict: Verdict, now: Round) -> list[str] | None:
    found = [f"{number} {kind}" for kind, number in verdict.counts.items() if number]
    over = verdict.num_in_doubt - now.bound
    if over > 0:
        found.append(
            f"{verdict.num_in_doubt} in doubt, {over} more than {len(now.kinds)} faults may leave ({', '.join(now.kinds)})"
        )
    return [", ".join(found), *verdict.examples] if found else None


def _shown(mail: Mail) -> str:
    return f"{mail.recipient} at {mail.at.isoformat()}"


def _parts(faults: Iterator[Fault[Kind]], size: int) -> Iterator[list[Fault[Kind]]]:
    part: list[Fault[Kind]] = []
    for fault in faults:
        part.append(fault)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
