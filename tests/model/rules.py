"""The rules of the protocol, each of which can be taken away."""

from enum import Enum


class Rule(Enum):
    """One rule, in the words of docs/architecture.md; its value is what it says."""

    # The window ledger.
    INTENT_FIRST = "the watermark moves before the messages it covers go on the wire"
    FENCED_WRITES = "every write of an owner names its owner and fence"
    CLAIM_RAISES_FENCE = "every pass is a claim of its own, with a fence of its own"
    CLAIM_RESETS_WATERMARK = "a claim puts the watermark before the batch's first delivery"
    PASS_BEFORE_FENCE = "worklist and open set leave out what was touched in this very pass: pass < fence"
    SETTLING_STAMPS_PASS = "settling stamps the delivery with the fence of the pass"
    REOPENING_STAMPS_PASS = "reopening stamps the delivery with the batch's fence: it waits for the next pass"
    DUE_IS_RESPECTED = "a deferred delivery is not worked before its due time"
    DUE_BY_STORED_VALUES = "due times are compared with the stored start of the pass, not with the clock"
    LEDGER_NO_TELLS = "the ledger number tells whether a commit without a reply took place"

    # The journal.
    S_BEFORE_DOT = "S is written before the final dot leaves"
    CHECK_AFTER_S = "the deadline is asked between S and the dot, with nothing that can block behind it"
    JOURNAL_OF_THE_DEAD = "a journal proves something only when its process is dead"
    JOURNAL_OF_THIS_BOOT = "a journal proves something only in the boot it was written in"
    MISSING_PROVES_NOTHING = "a journal that is not at hand is no empty journal"
    JOURNAL_NAMED_BY_LEASE = "the journal that is read is the one the lease names"
    RECORDS_NAME_FENCE = "records of an earlier pass say nothing about this one"
    DISCARD_AFTER_ACK = "records are discarded only after the commit that settles them is acknowledged"

    # 1. Reclaiming.
    RECLAIM_COMPARES_FENCE = "a reclaimer takes a batch only as it saw it: same owner, same fence; else its evidence is void"
    LOCK_THEN_READ = "a reclaimer locks the batch first and reads deliveries in the next statement"
    # 2. Who may change what.
    ONLY_THE_HOLDER = "cancel and expiry leave the deliveries of a leased batch to its holder"
    OPEN_BEFORE_REST = "the rest of an ended mailing is skipped only after the open set is settled"
    # 3. The end.
    FINISH_RECOUNTS = "finished is decided by a recount under the row's lock"
    # 4. Policies.
    ASSUME_SENT_NEEDS_S = "assume_sent applies only where an S is on record"
    ENDED_STAYS_ENDED = "doubts of an ended mailing are not resent"
    # 5. What the relay did not log.
    EVIDENCE_AFTER_LEASE = "negative evidence counts only after the lease has run out"
    EVIDENCE_AFTER_SESSION = "negative evidence counts only after the relay's session timeout"
    # 6. One batch at a time.
    LEFTOVERS_FIRST = "what is leased to a process that knows nothing of it is reclaimed before it claims"
    # 7. Leases.
    NO_REVIVAL = "a lease that ran out never revives"
    CLAIM_CHECKS_LEASE = "a claim checks that the incarnation was not retired"
    DEADLINE_IS_ASKED = "past its deadline a process sends no final dot"
    BOARD_NAMES_INCARNATION = "a grant to a new incarnation is none for a pass of the old one"
    TESTIMONY_NAMES_PASS = "what a survivor tells settles only doubts of the very pass it speaks of"


EVERY_RULE = frozenset(Rule)
