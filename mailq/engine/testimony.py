"""A journal that speaks after its batch was reclaimed without it: what it knows settles the doubts of that pass."""

from collections.abc import Mapping, Sequence

from mailq import telemetry
from mailq.core.evidence import by_evidence
from mailq.core.in_doubt import Verdict, refusal
from mailq.core.journal import Evidence, Record, evidence
from mailq.core.outcome import Accepted, Doubt, Rejected, Unknown
from mailq.engine.doubts import Judged, settle
from mailq.engine.ports import Leftovers
from mailq.errors import NotFound
from mailq.store import doubts, leases, mailings, testimonies
from mailq.store.database import Transactions, moment
from mailq.store.doubts import Doubtful
from mailq.store.mailings import Mailing

log = telemetry.logger(__name__)

ACTOR = "journal"


class Testimony:
    """Tells the books what complete journals know. Telling it twice changes nothing more."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def of_leftovers(self, journals: Leftovers) -> int:
        """Tell what the journals of dead processes in this server's home know, and remove them; how many were removed.

        One that a leased batch names is kept for its reclaimer.

        Raises:
            Unavailable: the database does not answer.
        """
        found = journals.leftovers()
        if not found:
            return 0
        with self._database.begin() as tx:
            needed = leases.still_named(tx, [one.nonce for one in found])
        gone = [one for one in found if one.nonce not in needed]
        for one in gone:
            if one.records is None:
                log.warning("journal.removed_unread", journal=one.nonce)
            else:
                self.of_records(one.records)
            journals.remove(one.nonce)
        return len(gone)

    def of_records(self, records: Sequence[Record]) -> int:
        """Tell what these records know of every pass they are about; how many doubts they settled."""
        passes = {(record.batch_id, record.fence) for record in records}
        return sum(self.of_pass(batch_id, fence, records) for batch_id, fence in sorted(passes))

    def of_pass(self, batch_id: int, fence: int, records: Sequence[Record]) -> int:
        """Tell what a complete journal knows of one pass; how many doubts it settled."""
        known = evidence(records, batch_id=batch_id, fence=fence)
        try:
            return self._tell(batch_id, fence, known)
        except NotFound:
            return 0

    def _tell(self, batch_id: int, fence: int, known: Mapping[int, Evidence]) -> int:
        with self._database.begin() as tx:
            locked = doubts.lock(tx, batch_id)
            found = testimonies.in_doubt_since(tx, locked, fence)
            if not found:
                return 0
            mailing = mailings.get(tx, locked.mailing_id)
            past_its_time = mailing.expires_at is not None and mailing.expires_at <= moment(tx)
            judged = [given for one in found if (given := _judge(one, known, mailing, past_its_time)) is not None]
            settle(tx, [(locked, judged)], actor=ACTOR)
            with_a_dot = [one.seq for one in found if isinstance(by_evidence(known, one.seq), Unknown)]
            testimonies.note_dots(tx, locked, with_a_dot)
        log.info("journal.testified", batch_id=batch_id, fence=fence, settled=len(judged), in_doubt=len(found) - len(judged))
        return len(judged)


def _judge(one: Doubtful, known: Mapping[int, Evidence], mailing: Mailing, past_its_time: bool) -> Judged | None:
    match by_evidence(known, one.seq):
        case Accepted(reply):
            return Judged(one, Verdict.SENT, str(reply))
        case Rejected(reply):
            return Judged(one, Verdict.ERROR, str(reply))
        case Unknown():
            return None
        case None if one.reason is not Doubt.HOST_LOST:
            # A reclaimer saw a dot on record: that record was forgotten since, and its absence proves nothing.
            return None
        case _:
            # Not accepted for certain: it goes out again, unless nothing of its mailing does.
            over = refusal(Verdict.RESEND, mailing.state, past_its_time=past_its_time)
            return Judged(one, Verdict.RESEND, None) if over is None else None
