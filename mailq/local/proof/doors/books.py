"""What the database says was taken, beside what the producers were told and what the sink has accepted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, Table, func, select

from mailq.core.batch import State as BatchState
from mailq.core.delivery import State as DeliveryState
from mailq.core.mailing import State
from mailq.local.ledgers import MOST_SHOWN
from mailq.local.proof.accepted import Mail
from mailq.local.proof.doors.producers import Given
from mailq.store.tables import batch, delivery, inbox, mailing

_UNDONE = (BatchState.READY, BatchState.LEASED, BatchState.WAITING)


def num_undone(tx: Connection) -> int:
    """Messages without a place, mailings that are still to be closed, batches that are still to be sent."""
    waiting = select(func.count()).select_from(inbox).where(inbox.c.mailing_id.is_(None))
    loading = select(func.count()).select_from(mailing).where(mailing.c.state == State.LOADING, mailing.c.loaded_at.is_not(None))
    undone = select(func.count()).select_from(batch).where(batch.c.state.in_(_UNDONE))
    return sum(int(tx.execute(statement).scalar_one()) for statement in (waiting, loading, undone))


@dataclass
class Findings:
    """What the comparison showed.

    Attributes:
        num_faults: how often something was not there exactly once.
        examples: some of them, in words.
    """

    num_messages: int = 0
    num_mailings: int = 0
    num_mails: int = 0
    num_faults: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, faults: Iterable[str]) -> None:
        """Note what must not be."""
        for fault in faults:
            self.num_faults += 1
            if len(self.examples) < MOST_SHOWN:
                self.examples.append(fault)


class Entry(NamedTuple):
    """A message or mailing in the books: under which key, and as what."""

    key: str
    public_id: str


@dataclass(frozen=True)
class Books:
    """What the database says.

    Attributes:
        sent: how often each address stands there as sent.
    """

    messages: Sequence[Entry]
    mailings: Sequence[Entry]
    sent: Counter[str]


def read(tx: Connection) -> Books:
    """The books as a transaction sees them."""
    sent = Counter(tx.execute(select(delivery.c.address).where(delivery.c.state == DeliveryState.SENT)).scalars())
    return Books(_taken(tx, inbox), _taken(tx, mailing), sent)


def _taken(tx: Connection, table: Table) -> list[Entry]:
    statement = select(table.c.key, table.c.public_id).where(table.c.key.is_not(None))
    return [Entry._make(row) for row in tx.execute(statement)]


def compare(given: Mapping[str, Given], told: Mapping[str, str], books: Books, accepted: Iterable[Mail]) -> Findings:
    """Compare: every key has one row of the id that its producer was told, every address one delivery that was sent, and one mail."""
    findings = Findings(len(books.messages), len(books.mailings))
    findings.add(_differing(given, told, [*books.messages, *books.mailings]))
    wanted = Counter(address for each in given.values() for address in each.addresses)
    mails = Counter(mail.recipient for mail in accepted)
    findings.num_mails = mails.total()
    findings.add(_miscounted("in the books as sent", wanted, books.sent))
    findings.add(_miscounted("accepted by the relay", wanted, mails))
    return findings


def _differing(given: Mapping[str, Given], told: Mapping[str, str], taken: Sequence[Entry]) -> Iterator[str]:
    keys = Counter(entry.key for entry in taken)
    ids = {entry.key: entry.public_id for entry in taken}
    for key in given.keys() | keys.keys():
        if keys[key] != 1:
            yield f"{key} is in the books {keys[key]} times"
        elif ids[key] != told.get(key):
            yield f"{key} is {ids[key]} in the books, and its producer was told {told.get(key)}"


def _miscounted(where: str, wanted: Counter[str], found: Counter[str]) -> Iterator[str]:
    for address in wanted.keys() | found.keys():
        if wanted[address] != found[address]:
            yield f"{address}: given {wanted[address]} times, {where} {found[address]} times"
