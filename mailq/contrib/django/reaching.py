"""Whether a project reaches mailq, asked before the first mail does."""

from django.db import DatabaseError, connections, transaction

from mailq.contrib.django.configuration import Configuration
from mailq.contrib.django.sending import client
from mailq.errors import MailqError, NotFound


def why_not(configuration: Configuration) -> str | None:
    """A sentence that says why mailq cannot be reached; None if it can."""
    if configuration.by_outbox:
        return _outbox_fault(str(configuration.alias))
    if configuration.alias is not None and (fault := _table_fault(configuration.alias)):
        return fault
    try:
        with client(configuration) as mailq:
            # There is no such message. Whoever says so has looked.
            mailq.message("msg_0")
    except NotFound as answer:
        return None if "msg_0" in str(answer) else str(answer)
    except MailqError as error:
        return str(error)
    return None


def _table_fault(alias: str) -> str | None:
    # Models are not there yet when this module is imported, and a project with a door elsewhere needs no SQLAlchemy.
    from mailq.contrib.django.models import Revision
    from mailq.store.revision import HEAD

    try:
        with transaction.atomic(using=alias):
            found = Revision.objects.using(alias).values_list("version_num", flat=True).first()
    except DatabaseError as error:
        missing = Revision._meta.db_table not in connections[alias].introspection.table_names()  # noqa: SLF001 - documented
        return f"The database {alias!r} has none of mailq's tables." if missing else str(error).strip()
    return None if found == HEAD else f"mailq's tables in {alias!r} stand at revision {found}; this mailq needs {HEAD}."


def _outbox_fault(alias: str) -> str | None:
    from mailq.store.outbox import outbox

    try:
        there = outbox.name in connections[alias].introspection.table_names()
    except DatabaseError as error:
        return str(error).strip()
    return None if there else f"The database {alias!r} has no table {outbox.name}."
