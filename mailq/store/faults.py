"""What PostgreSQL refuses, in words, whichever driver it was told to."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from sqlalchemy.exc import DBAPIError, InternalError, InvalidRequestError, OperationalError, SQLAlchemyError

from mailq.errors import BadInput, Conflict, MailqError, Misconfigured, Unavailable

NO_TRANSACTION = (
    "the connection is in autocommit and no transaction is open: begin one, so that what is submitted is yours to commit"
)
FAILED_TRANSACTION = "the transaction has failed before, and PostgreSQL takes nothing more in it: roll back first"
_UNDEFINED = "mailq's tables are not {where}: {said}; say in which schema they are, or run `mailqctl db upgrade`"
_AGAIN = "another transaction was in the way; roll back, and do all of it again: {said}"

# By PostgreSQL's code, or the class that is its first two characters.
_MEANINGS: Mapping[str, tuple[type[MailqError], str]] = {
    "25P01": (Conflict, NO_TRANSACTION),
    "25P02": (Conflict, FAILED_TRANSACTION),
    "25006": (Misconfigured, "the transaction is read only: {said}"),
    "42501": (Misconfigured, "this user of the database may not do what a producer does: {said}"),
    "42703": (Misconfigured, "mailq's tables do not fit this version of it: {said}; run `mailqctl db upgrade`"),
    "42P01": (Misconfigured, _UNDEFINED),
    "42883": (Misconfigured, _UNDEFINED),
    "3F000": (Misconfigured, _UNDEFINED),
    "40001": (Unavailable, _AGAIN),
    "40P01": (Unavailable, _AGAIN),
    "55P03": (Unavailable, _AGAIN),
    "53100": (Unavailable, "the database has no room left: {said}"),
    "57014": (Unavailable, "PostgreSQL has cancelled it: {said}"),
    "22": (BadInput, "PostgreSQL refuses a value: {said}"),
}
_CANCELLED = "57014"
_LOCKED = "55P03"
_CROSSED = frozenset({"40001", "40P01"})
_GONE = frozenset({"08", "53", "55", "57", "58"})


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's code for an error of a driver, or of SQLAlchemy around one; None if it did not come from PostgreSQL."""
    said = error.orig if isinstance(error, DBAPIError) else error
    for name in ("sqlstate", "pgcode"):
        if isinstance(code := getattr(said, name, None), str):
            return code
    facts = said.args[0] if said is not None and said.args else None
    return facts.get("C") if isinstance(facts, dict) else None


def first_line(error: BaseException) -> str:
    """What a driver says, without statement and parameters: they hold what the producer's customers are called."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(said).strip().splitlines()
    return lines[0].removeprefix("ERROR:").strip() if lines else type(said).__name__


@contextmanager
def in_a_producers_words(*, schema: str | None = None) -> Iterator[None]:
    """Tell what goes wrong in a producer's transaction by our own errors.

    Args:
        schema: where our tables should be; None where the connection looks.

    Raises:
        Conflict: there is no transaction that could hold our work, or another one is in its way.
        Misconfigured: the tables are not there, or not for this user of the database.
        BadInput: PostgreSQL refuses a value.
        Unavailable: it does not answer, or not in time.
    """
    try:
        yield
    except MailqError:
        raise
    except SQLAlchemyError as error:
        retell(error, schema=schema)
    except Exception as error:
        # COPY goes past SQLAlchemy, and so do its errors; a producer's own, from his generator of recipients, are none of ours.
        if sqlstate(error) is None:
            raise
        retell(error, schema=schema)


def retell(error: Exception, *, schema: str | None = None) -> NoReturn:
    """Raise what an error of PostgreSQL, or of SQLAlchemy before it came so far, means to a producer."""
    said, code = first_line(error), sqlstate(error) or ""
    meaning = _MEANINGS.get(code) or _MEANINGS.get(code[:2])
    if meaning is not None:
        kind, words = meaning
        where = "where the connection looks" if schema is None else f"in schema `{schema}`"
        raise kind(words.format(said=said, where=where)) from error
    if isinstance(error, InvalidRequestError):
        raise Conflict(f"the connection or session takes nothing now: {said}") from error
    if code[:2] in _GONE or (not code and isinstance(error, DBAPIError)):
        raise Unavailable(f"the database went away: {said}") from error
    raise error


def ends_transaction(error: BaseException) -> bool:
    """Whether an error leaves nothing to do but to roll back all: the database went away, or another transaction is in the way."""
    return isinstance(error, (OperationalError, InternalError)) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def was_refused(error: BaseException) -> bool:
    """Whether the database is there, and would not do what was asked, such as for a deadlock; also of what is told in our own words."""
    code = sqlstate(error) or sqlstate(error.__cause__ or error)
    return code is not None and (code in {_CANCELLED, _LOCKED} or code[:2] not in _GONE)


def was_locked(error: BaseException) -> bool:
    """Whether a statement has waited for what another transaction holds for longer than it may."""
    return _LOCKED in {sqlstate(error), sqlstate(error.__cause__ or error)}


def was_crossed(error: BaseException) -> bool:
    """Whether transactions were in each other's way, and this one was broken off, whole, for the others: it may be done anew."""
    return not _CROSSED.isdisjoint({sqlstate(error), sqlstate(error.__cause__ or error)})
