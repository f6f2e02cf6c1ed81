"""Whether a project reaches mailq, asked before the first mail does."""

from typing import NamedTuple

from django.db import Error, InterfaceError, OperationalError, connections, transaction

from mailq.contrib.django.configuration import Configuration
from mailq.contrib.django.sending import client
from mailq.errors import MailqError, NotFound, Unavailable

_NO_TABLE = {"42P01", "3F000"}
_LOOK = "Look whether that database runs, and whether DATABASES says where it is and who may use it."
_UPGRADE = "Run `mailqctl db upgrade` on that database."


class Fault(NamedTuple):
    """Why mailq cannot be reached.

    Attributes:
        said: a sentence.
        hint: what to do, where the sentence does not say it.
    """

    said: str
    hint: str | None = None


def why_not(configuration: Configuration) -> Fault | None:
    """Why mailq cannot be reached; None if it can."""
    try:
        return _fault(configuration)
    except Unavailable as error:
        return Fault(str(error), _LOOK)
    except MailqError as error:
        return Fault(str(error))
    except Error as error:
        return Fault(said_of(str(configuration.alias), error), _LOOK)


def said_of(alias: str, error: Error) -> str:
    """What went wrong with a database of Django's, in one line."""
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return f"database {alias!r} is not available: {said}" if isinstance(error, OperationalError | InterfaceError) else said


def _fault(configuration: Configuration) -> Fault | None:
    if configuration.by_outbox:
        return _outbox_fault(str(configuration.alias))
    if configuration.alias is not None and (fault := _table_fault(configuration.alias, configuration.schema)):
        return fault
    try:
        with client(configuration) as mailq:
            # There is no such message. Whoever says so has looked.
            mailq.message("msg_0")
    except NotFound as answer:
        if "msg_0" not in str(answer):
            return Fault(str(answer), "Make it by `mailqctl organization create`, or name another as ORGANIZATION.")
    return None


def _table_fault(alias: str, schema: str | None) -> Fault | None:
    # Models are not there yet when this module is imported, and a project with a door elsewhere needs no SQLAlchemy.
    from mailq.contrib.django.models import Revision
    from mailq.store.faults import sqlstate
    from mailq.store.revision import HEAD

    where = repr(alias) if schema is None else f"schema {schema!r} of {alias!r}"
    try:
        with transaction.atomic(using=alias):
            found = Revision.objects.using(alias).values_list("version_num", flat=True).first()
    except Error as error:
        if error.__cause__ is None or sqlstate(error.__cause__) not in _NO_TABLE:
            raise
        none = f"None of mailq's tables are in {where}." if schema else f"The database {alias!r} has none of mailq's tables."
        return Fault(none, _UPGRADE)
    if found == HEAD:
        return None
    newer = found is not None and found > HEAD
    hint = "Install the mailq that has made them." if newer else _UPGRADE
    return Fault(f"mailq's tables in {where} stand at revision {found}; this mailq needs {HEAD}.", hint)


def _outbox_fault(alias: str) -> Fault | None:
    from mailq.store.outbox import outbox

    if outbox.name in connections[alias].introspection.table_names():
        return None
    return Fault(f"The database {alias!r} has no table {outbox.name}.", "Run `mailqctl outbox create` on that database.")
