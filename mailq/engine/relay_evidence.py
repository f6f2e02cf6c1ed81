"""Asks a relay about deliveries in doubt: what it has taken counts as sent. Without its word a doubt stays as it is."""

from collections.abc import Mapping
from datetime import timedelta

from mailq import telemetry
from mailq.clock import Clock
from mailq.core.in_doubt import Verdict
from mailq.core.verp import Verp
from mailq.engine.doubts import Judged, Settled, settle
from mailq.engine.ports import Resolver
from mailq.store import doubts, installation
from mailq.store.database import Database
from mailq.store.doubts import Listed

log = telemetry.logger(__name__)

ACTOR = "postfix_log"
_AT_A_TIME = 20_000


class Evidence:
    """Looks for evidence about everything in doubt, or about one mailing.

    Args:
        resolver: the relay's memory.
        bounce_address: what the envelope senders are made of by which it knows a delivery.
        every: `gather` asks no more often than this.
    """

    def __init__(
        self,
        database: Database,
        resolver: Resolver,
        bounce_address: str,
        *,
        every: timedelta = timedelta(seconds=10),
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._resolver = resolver
        self._bounce_address = bounce_address
        self._every_s = every.total_seconds()
        self._clock = clock or Clock()
        self._next_s = 0.0

    def gather(self) -> Settled:
        """A step of upkeep: ask, if it is time to.

        Raises:
            Unavailable: the relay cannot be asked, or the database is away.
        """
        now = self._clock.monotonic()
        if now < self._next_s:
            return Settled()
        self._next_s = now + self._every_s
        return self.ask()

    def ask(self, mailing_id: int | None = None) -> Settled:
        """Ask at once.

        Raises:
            Unavailable: as `gather`.
        """
        with self._database.begin() as tx:
            verp = Verp(self._bounce_address, installation.secret(tx))
        total = Settled()
        after: tuple[int, int] | None = None
        while some := self._some(mailing_id, after):
            senders = {verp.sender(each.mailing_id, each.seq): each for each in some}
            taken = {senders[sender]: name for sender, name in self._resolver.queued(senders).items()}
            total += self._settle(taken)
            after = (some[-1].mailing_id, some[-1].seq)
        if total.num:
            log.info("doubt.evidence", num=total.num, actor=ACTOR)
        return total

    def _some(self, mailing_id: int | None, after: tuple[int, int] | None) -> list[Listed]:
        with self._database.begin() as tx:
            return list(doubts.listed(tx, mailing_id=mailing_id, after=after, limit=_AT_A_TIME))

    def _settle(self, taken: Mapping[Listed, str]) -> Settled:
        total = Settled()
        by_batch: dict[int, dict[int, str]] = {}
        for each, name in taken.items():
            by_batch.setdefault(each.batch_id, {})[each.seq] = name
        for batch_id, names in by_batch.items():
            with self._database.begin() as tx:
                locked = doubts.lock(tx, batch_id)
                # What somebody has resolved meanwhile is no longer among them.
                found = [one for one in doubts.in_batch(tx, locked) if one.seq in names]
                verdicts = [Judged(one, Verdict.SENT, f"queued as {names[one.seq]} (postfix log)") for one in found]
                total += settle(tx, [(locked, verdicts)], actor=ACTOR)
        return total
