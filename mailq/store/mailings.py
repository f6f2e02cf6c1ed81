"""Mailings: made, found, listed, stepped from state to state. Their books are the sum over their batches, never a count."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Select, column, func, select, table, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.exc import DBAPIError

from mailq.core.mailing import NEXT, Books, DoubtPolicy, Lane, State, mailing_id
from mailq.core.transitions import require
from mailq.errors import Conflict, NotFound
from mailq.store import partitions
from mailq.store.database import Database, db_now
from mailq.store.tables import mailing

_BOOKS: Any = table(
    "mailing_books",
    *(column(name, BigInteger) for name in ("mailing_id", *Books.__dataclass_fields__, "num_batches", "num_batches_done")),
)
_SHOWN = [each for each in mailing.c if each.name != "content"]
IN_PARTS = ""
"""The source's digest of a mailing whose recipients are uploaded, one part after the other."""

_REWRITTEN = ("name", "lane", "doubt_policy", "content_digest", "scheduled_at", "expires_at", "repeats")
_LONGEST_WAIT = "5min"
_PREFIX_AT_LEAST = 8
_PREFIX = re.compile(r"mlg_.{0,3}\Z")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a new mailing is made of; see the columns of `mailing`.

    Attributes:
        source_digest: of a file of recipients; `IN_PARTS` where they come in parts.
    """

    public_id: str
    organization_id: int
    key: str | None
    name: str
    lane: Lane
    doubt_policy: DoubtPolicy
    content: Mapping[str, Any]
    content_digest: str
    source_digest: str
    batch_size: int
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Mailing:
    """A mailing as its row has it, without the content."""

    id: int
    public_id: str
    organization_id: int
    key: str | None
    name: str
    state: State
    lane: Lane
    doubt_policy: DoubtPolicy
    content_digest: str
    source_digest: str
    batch_size: int
    num_loaded: int
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    loaded_at: datetime | None = None
    repeats: bool = False
    stream: str | None = None
    open_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A mailing with its books and how many of its batches are done."""

    mailing: Mailing
    books: Books
    num_batches: int
    num_batches_done: int


def create(tx: Connection, draft: Draft, *, state: State = State.LOADING, now: datetime | None = None) -> Mailing | None:
    """Make a mailing; None if the organization has one of this key already.

    Its id carries the month by the database's clock, and the month's partition of `delivery` is made if it is missing.
    Waits for a transaction that is just making one of the same key.
    """
    moment = tx.execute(select(db_now(now))).scalar_one()
    partitions.ensure(tx, now=moment)
    number = tx.execute(select(func.nextval("mailing_number"))).scalar_one()
    values = {name: getattr(draft, name) for name in draft.__slots__ if name != "content"}
    statement = (
        insert_or(mailing)
        .values(
            id=mailing_id(moment, number),
            state=state,
            content=dict(draft.content),
            created_at=moment,
            **values,
        )
        .on_conflict_do_nothing(index_elements=["organization_id", "key"])
        .returning(*_SHOWN)
    )
    row = tx.execute(statement).one_or_none()
    return None if row is None else _mailing(row)


def by_key(tx: Connection, organization_id: int, key: str) -> Mailing | None:
    """The mailing an organization made with this key."""
    statement = select(*_SHOWN).where(mailing.c.organization_id == organization_id, mailing.c.key == key)
    row = tx.execute(statement).one_or_none()
    return None if row is None else _mailing(row)


def get(tx: Connection, mailing_id: int, *, lock: bool = False) -> Mailing:
    """A mailing by its inner id; with `lock` its row is held until the end of the transaction.

    Raises:
        NotFound: it is gone.
    """
    statement = select(*_SHOWN).where(mailing.c.id == mailing_id)
    row = tx.execute(statement.with_for_update(key_share=True) if lock else statement).one_or_none()
    if row is None:
        raise NotFound("the mailing is gone: somebody dropped it")
    return _mailing(row)


def by_public_id(tx: Connection, public_id: str, *, organization_id: int | None = None) -> Mailing:
    """The mailing of exactly this public id.

    Raises:
        NotFound: the organization has none.
    """
    mine = () if organization_id is None else (mailing.c.organization_id == organization_id,)
    row = tx.execute(select(*_SHOWN).where(mailing.c.public_id == public_id, *mine)).one_or_none()
    if row is None:
        raise NotFound(f"there is no mailing `{public_id}`")
    return _mailing(row)


def find(tx: Connection, reference: str, *, organization_id: int | None = None) -> Mailing:
    """The mailing somebody means: by public id, by key, or by the beginning of a public id (8 characters or more).

    Args:
        organization_id: whose it must be; None is an operator, who may mean anybody's.

    Raises:
        NotFound: none is meant.
        Conflict: several are.
    """
    mine = () if organization_id is None else (mailing.c.organization_id == organization_id,)
    for matches in (mailing.c.public_id == reference, mailing.c.key == reference, _begins_with(reference)):
        rows = tx.execute(select(*_SHOWN).where(matches, *mine).order_by(mailing.c.id.desc()).limit(3)).all()
        if len(rows) > 1:
            ids = ", ".join(row.public_id for row in rows)
            raise Conflict(f"`{reference}` may mean several mailings ({ids}, …); write the whole id")
        if rows:
            return _mailing(rows[0])
    shortest = f" (of an id, write at least its first {_PREFIX_AT_LEAST} characters)" if _PREFIX.match(reference) else ""
    raise NotFound(f"there is no mailing `{reference}`{shortest}", listing="mailing list")


def summaries(
    tx: Connection,
    *,
    limit: int = 50,
    before: int | None = None,
    states: Sequence[State] = (),
    organization_id: int | None = None,
) -> list[Summary]:
    """Mailings with their books, the newest first.

    Args:
        before: the inner id of the last one of the page before (keyset: a page stays what it is while others are made).
        states: only these; all when empty.
    """
    statement = _with_books().order_by(mailing.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(mailing.c.id < before)
    if states:
        statement = statement.where(mailing.c.state.in_(states))
    if organization_id is not None:
        statement = statement.where(mailing.c.organization_id == organization_id)
    return [_summary(row) for row in tx.execute(statement)]


def summary(tx: Connection, mailing_id: int) -> Summary:
    """One mailing with its books, both of the same moment.

    Raises:
        NotFound: it is gone.
    """
    row = tx.execute(_with_books().where(mailing.c.id == mailing_id)).one_or_none()
    if row is None:
        raise NotFound("the mailing is gone: somebody dropped it")
    return _summary(row)


def books(tx: Connection, mailing_id: int) -> Books:
    """The books of a mailing: the sum over its batches; all zero while it has none."""
    row = tx.execute(select(_BOOKS).where(_BOOKS.c.mailing_id == mailing_id)).one_or_none()
    return Books() if row is None else _books(row)


def step(tx: Connection, mailing_id: int, to: State, *, now: datetime | None = None) -> Mailing:
    """Lock a mailing and take it to another state.

    Raises:
        NotFound: it is gone.
        IllegalStep: the core knows no such step from where it stands.
    """
    before = get(tx, mailing_id, lock=True)
    require(NEXT, before.state, to)
    moment = db_now(now)
    ended = to in {State.FINISHED, State.CANCELLED, State.EXPIRED}
    values: dict[str, Any] = {"state": to, "finished_at": moment if ended else None}
    if to is State.RUNNING:
        values["started_at"] = func.coalesce(mailing.c.started_at, moment)
    row = tx.execute(update(mailing).where(mailing.c.id == mailing_id).values(**values).returning(*_SHOWN)).one()
    return _mailing(row)


def note_loaded(tx: Connection, mailing_id: int, *, before: int, after: int) -> bool:
    """Count records as loaded; False if the mailing is no longer loading, or somebody else has loaded since.

    In the transaction of a chunk: whoever has cancelled the mailing, or has loaded it as well, keeps the chunk from being stored.
    """
    expected = (mailing.c.id == mailing_id, mailing.c.state == State.LOADING, mailing.c.num_loaded == before)
    return tx.execute(update(mailing).where(*expected).values(num_loaded=after)).rowcount == 1


def note_filled(tx: Connection, mailing_id: int, *, before: int, after: int) -> bool:
    """The same for recipients that were uploaded; False too if the mailing has been completed meanwhile."""
    expected = (
        mailing.c.id == mailing_id,
        mailing.c.state.in_([State.DRAFT, State.LOADING]),
        mailing.c.loaded_at.is_(None),
        mailing.c.num_loaded == before,
    )
    return tx.execute(update(mailing).where(*expected).values(state=State.LOADING, num_loaded=after)).rowcount == 1


def note_complete(tx: Connection, mailing_id: int) -> Mailing:
    """Note that all its recipients are loaded. For a mailing whose row the caller has locked."""
    values = {"loaded_at": func.clock_timestamp()}
    return _mailing(tx.execute(update(mailing).where(mailing.c.id == mailing_id).values(values).returning(*_SHOWN)).one())


def rewrite(tx: Connection, mailing_id: int, draft: Draft) -> Mailing:
    """Write what a mailing says from now on, and how it is to be sent; what it goes by, and its recipients, stay."""
    values = {name: getattr(draft, name) for name in _REWRITTEN} | {"content": dict(draft.content)}
    return _mailing(tx.execute(update(mailing).where(mailing.c.id == mailing_id).values(values).returning(*_SHOWN)).one())


def content(tx: Connection, mailing_id: int) -> Mapping[str, Any]:
    """What it says, as `Content.as_mapping` wrote it."""
    found: Mapping[str, Any] = tx.execute(select(mailing.c.content).where(mailing.c.id == mailing_id)).scalar_one()
    return found


def lock_load(tx: Connection, mailing_id: int) -> None:
    """Wait to be the only loader of a mailing, until the end of the transaction. The same lock as that of `loading`."""
    limit = tx.execute(text("SHOW statement_timeout")).scalar_one()
    tx.execute(text(f"SET LOCAL statement_timeout = '{_LONGEST_WAIT}'"))
    tx.execute(select(func.pg_advisory_xact_lock(mailing_id)))
    tx.execute(text(f"SET LOCAL statement_timeout = '{limit}'"))


def try_lock_load(tx: Connection, mailing_id: int) -> bool:
    """The same, without waiting for another loader; False if there is one."""
    return bool(tx.execute(select(func.pg_try_advisory_xact_lock(mailing_id))).scalar_one())


@contextmanager
def loading(database: Database, mailing_id: int) -> Iterator[bool]:
    """Be the only loader of a mailing, as long as this process lives; False if another one is.

    An advisory lock of the session: it goes with the process. It keeps two loaders out of each other's way; what keeps the
    books right is the guard in `note_loaded`.
    """
    with database.begin():
        pass  # an unreachable database is told in words
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        held = bool(session.execute(select(func.pg_try_advisory_lock(mailing_id))).scalar_one())
        try:
            yield held
        finally:
            if held:
                _unlock(session, mailing_id)


def _unlock(session: Connection, mailing_id: int) -> None:
    try:
        session.execute(select(func.pg_advisory_unlock(mailing_id)))
    except DBAPIError:
        session.invalidate()  # the session is gone, and the lock with it


def _begins_with(reference: str) -> Any:
    return mailing.c.public_id.startswith(reference, autoescape=True) if len(reference) >= _PREFIX_AT_LEAST else text("false")


def _with_books() -> Select[Any]:
    # Lateral, so that a page of mailings sums up its own batches and not everybody's; the offset keeps the planner from making
    # an ordinary join of it, which would.
    sums = select(_BOOKS).where(_BOOKS.c.mailing_id == mailing.c.id).offset(0).lateral("sums")
    counted = [each for each in sums.c if each.name != "mailing_id"]
    return select(*_SHOWN, *counted).select_from(mailing.outerjoin(sums, text("true")))


def _mailing(row: Row[Any]) -> Mailing:
    values = {name: getattr(row, name) for name in Mailing.__slots__}
    values |= {"state": State(row.state), "lane": Lane(row.lane), "doubt_policy": DoubtPolicy(row.doubt_policy)}
    return Mailing(**values)


def _books(row: Row[Any]) -> Books:
    return Books(**{name: int(getattr(row, name) or 0) for name in Books.__dataclass_fields__})


def _summary(row: Row[Any]) -> Summary:
    return Summary(_mailing(row), _books(row), int(row.num_batches or 0), int(row.num_batches_done or 0))
