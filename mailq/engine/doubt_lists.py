"""Resolving deliveries that are named one by one: all of them in one transaction, or none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from mailq import telemetry
from mailq.core.delivery import State
from mailq.core.in_doubt import Verdict
from mailq.engine.doubts import Settled, judged, require_allowed, settle
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import doubts, mailings
from mailq.store.database import Database
from mailq.store.doubts import Found
from mailq.store.mailings import Mailing

log = telemetry.logger(__name__)

_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class Named:
    """A delivery that somebody names, and its verdict.

    Attributes:
        mailing: public id, key or the beginning of an id.
        who: the recipient's address, or the seq.
        where: what to say of it if it is at fault, such as `line 7 of people.csv`; empty for the only one.
    """

    mailing: str
    who: int | str
    verdict: Verdict
    where: str = ""


def check(database: Database, named: Sequence[Named]) -> int:
    """Look whether everything that is named may be resolved so; how many deliveries that are. Changes nothing.

    Raises:
        NotFound, Conflict, BadInput: as `resolve`.
    """
    with database.begin() as tx:
        return len(_placed(tx, named))


def resolve(database: Database, named: Sequence[Named], *, actor: str, organization_id: int | None = None) -> Settled:
    """Settle everything that is named, or nothing.

    Args:
        organization_id: whose mailings they must be of; None is an operator, who may mean anybody's.

    Raises:
        NotFound: there is no such mailing or recipient.
        Conflict: one is not in doubt, or its mailing is over and it was to be sent again.
        BadInput: one is named twice.
    """
    with database.begin() as tx:
        placed = _placed(tx, named, organization_id)
        by_batch: dict[int, dict[int, _Placed]] = {}
        for each in placed:
            by_batch.setdefault(each.found.batch_id, {})[each.found.seq] = each
        # Every batch before any mailing, and in one order: nobody waits for us who holds what we need.
        locked = [doubts.lock(tx, batch_id) for batch_id in sorted(by_batch)]
        verdicts = []
        for batch in locked:
            wanted = by_batch[batch.batch_id]
            in_doubt = {one.seq: one for one in doubts.in_batch(tx, batch) if one.seq in wanted}
            for seq in wanted.keys() - in_doubt.keys():
                raise _not_in_doubt(wanted[seq], "settled by somebody else")
            verdicts.append((batch, [judged(one, wanted[seq].named.verdict, by=actor) for seq, one in in_doubt.items()]))
        settled = settle(tx, verdicts, actor=actor)
    log.info("doubt.resolved", num=settled.num, actor=actor)
    return settled


@dataclass(frozen=True, slots=True)
class _Placed:
    """What was named, and the delivery that is meant."""

    named: Named
    mailing: Mailing
    found: Found


def _placed(tx: Connection, named: Sequence[Named], organization_id: int | None = None) -> list[_Placed]:
    placed: dict[tuple[int, int], _Placed] = {}
    for mailing, some in _by_mailing(tx, named, organization_id):
        found = doubts.locate(tx, mailing.id, [each.who for each in some])
        for each in some:
            if each.who not in found:
                raise NotFound(f"{_where(each)}mailing {mailing.public_id} has no recipient {each.who}; nothing was changed")
            one = _Placed(each, mailing, found[each.who])
            if one.found.state != State.IN_DOUBT:
                raise _not_in_doubt(one, one.found.state)
            before = placed.setdefault((mailing.id, one.found.seq), one)
            if before is not one:
                raise BadInput(f"{_where(each)}{each.who} is named already in {before.named.where}; nothing was changed")
    return list(placed.values())


def _by_mailing(tx: Connection, named: Sequence[Named], organization_id: int | None) -> Iterator[tuple[Mailing, list[Named]]]:
    """What is named, with its mailing, some at a time: each mailing is looked up once, and each verdict about it allowed once."""
    found: dict[str, Mailing] = {}
    allowed: set[tuple[int, Verdict]] = set()
    groups: dict[int, list[Named]] = {}
    for each in named:
        with _told_where(each):
            mailing = found.get(each.mailing) or mailings.find(tx, each.mailing, organization_id=organization_id)
            found[each.mailing] = mailing
            if (mailing.id, each.verdict) not in allowed:
                require_allowed(tx, mailing, each.verdict)
                allowed.add((mailing.id, each.verdict))
        groups.setdefault(mailing.id, []).append(each)
    by_id = {mailing.id: mailing for mailing in found.values()}
    for mailing_id, group in groups.items():
        for start in range(0, len(group), _AT_A_TIME):
            yield by_id[mailing_id], group[start : start + _AT_A_TIME]


@contextmanager
def _told_where(named: Named) -> Iterator[None]:
    """Name the line in whatever is wrong with it."""
    try:
        yield
    except (NotFound, Conflict) as error:
        raise type(error)(f"{_where(named)}{error}") from None


def _where(named: Named) -> str:
    return f"{named.where}: " if named.where else ""


def _not_in_doubt(one: _Placed, why: str) -> Conflict:
    return Conflict(
        f"{_where(one.named)}{one.named.who} of mailing {one.mailing.public_id} is not in doubt: it is {why}. Nothing was changed"
    )
