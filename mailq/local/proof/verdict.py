"""The verdict: both ledgers side by side, address by address, in flat memory whatever their size."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Protocol

from mailq.local.ledgers import MOST_SHOWN, in_order
from mailq.local.proof.accepted import Mail
from mailq.local.proof.books import Entry


class Breach(StrEnum):
    """What must not be."""

    LOST = "lost"
    DOUBLED = "doubled"
    UNBALANCED = "unbalanced"


class Account(StrEnum):
    """What else is counted by the kind of the fault before it."""

    MAILS = "mails"
    IN_DOUBT = "in_doubt"


@dataclass
class Verdict:
    """What the comparison showed.

    Attributes:
        examples: breaches in words, some of them.
        num_in_doubt: deliveries in doubt, and doubts that were resolved by sending once more.
    """

    counts: dict[Breach, int] = field(default_factory=lambda: dict.fromkeys(Breach, 0))
    num_mails: int = 0
    num_in_doubt: int = 0
    examples: list[str] = field(default_factory=list)

    def breach(self, kind: Breach, what: str, *, number: int = 1) -> None:
        """Note what must not be."""
        self.counts[kind] += number
        if len(self.examples) < MOST_SHOWN:
            self.examples.append(what)

    @property
    def clean(self) -> bool:
        """Whether nothing was found that must not be."""
        return not any(self.counts.values())


class Ledger(Protocol):
    """Where facts of the comparison go: to the account of the fault before them."""

    def note(self, what: str, at: datetime | None, doubt: str | None = None) -> None:
        """Count one mail, doubt (and its reason) or breach."""


def compare(given: Iterable[str], ours: Iterable[Entry], theirs: Iterable[Mail], ledger: Ledger) -> Verdict:
    """Compare what was given, what we say became of it, and what the sink accepted.

    sent ⊆ accepted ⊆ sent ∪ in doubt; nobody was mailed twice but by a resend that is on record; nobody is missing or there twice.
    """
    verdict = Verdict()
    with (
        in_order(given) as wanted,
        in_order(
            f"{row.address}\t{row.state}\t{_written(row.settled_at)}\t{row.resends}\t{row.doubt or ''}" for row in ours
        ) as booked,
        in_order(f"{mail.recipient}\t{_written(mail.at)}" for mail in theirs) as accepted,
    ):
        tagged = heapq.merge(((word, 0, "") for word in wanted), _tagged(booked, 1), _tagged(accepted, 2))
        for address, group in groupby(tagged, key=lambda entry: entry[0]):
            about = _Address(address)
            for _, side, rest in group:
                about.sides[side].append(rest)
            _judge(verdict, ledger, about)
    return verdict


@dataclass(frozen=True)
class _Address:
    """What the three lists say about one address: given, booked, accepted."""

    address: str
    sides: tuple[list[str], list[str], list[str]] = field(default_factory=lambda: ([], [], []))


def _judge(verdict: Verdict, ledger: Ledger, about: _Address) -> None:
    address, (wanted, booked, accepted) = about.address, about.sides
    verdict.num_mails += len(accepted)
    for moment in accepted:
        ledger.note(Account.MAILS, _read(moment))
    if len(wanted) != len(booked):
        kind = Breach.LOST if len(wanted) > len(booked) else Breach.DOUBLED
        verdict.breach(kind, f"{address}: given {len(wanted)} times, in our books {len(booked)} times")
        ledger.note(kind, _read(accepted[0]) if accepted else None)
    if not wanted and not booked:
        verdict.breach(Breach.UNBALANCED, f"{address}: accepted, and no mailing has it")
    if not booked:
        return
    state, settled, resends, doubt = booked[0].split("\t")
    at = _read(settled)
    num_doubts = int(resends) + (state == "in_doubt")
    verdict.num_in_doubt += num_doubts
    for _ in range(num_doubts):
        ledger.note(Account.IN_DOUBT, at, doubt or None)
    for kind, what in _breaches(state, int(resends), len(accepted)):
        verdict.breach(kind, f"{address}: {what}; settled {settled or 'never'}, accepted {', '.join(accepted) or 'never'}")
        ledger.note(kind, _read(accepted[-1]) if accepted else at)


def _breaches(state: str, resends: int, num_accepted: int) -> Iterator[tuple[Breach, str]]:
    if num_accepted > 1 + resends:
        yield Breach.DOUBLED, f"accepted {num_accepted} times, and {resends or 'no'} resends are on record"
    if state == "sent" and not num_accepted:
        yield Breach.LOST, "sent by our books, and never accepted"
    if num_accepted and not resends and state not in {"sent", "in_doubt"}:
        yield Breach.UNBALANCED, f"accepted, and {state} by our books"
    if state in {"pending", "deferred"}:
        yield Breach.LOST, f"{state} though its mailing is finished"


def _tagged(lines: Iterable[str], side: int) -> Iterator[tuple[str, int, str]]:
    for line in lines:
        address, _, rest = line.partition("\t")
        yield address, side, rest


def _written(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _read(at: str) -> datetime | None:
    return datetime.fromisoformat(at) if at else None
