"""`schema.md`: tables and columns as `mailq.store.tables` has them."""

from sqlalchemy import CheckConstraint, Column, Table
from sqlalchemy.dialects.postgresql.base import PGDialect

from docs.generator import markdown
from mailq.store import call_tables
from mailq.store.tables import metadata

_INTRODUCTION = (
    (
        "The names of tables, columns and views are public: query them. Write to them only through mailq, because every write about a "
        "leased batch names its owner and fence."
    ),
    "Totals of a mailing are the sum over its batches, never a count over deliveries; the view `mailing_books` does it:",
    markdown.fenced(
        "sql",
        "SELECT mailing.name, mailing.state, books.*,\n"
        "       num_profiles = num_pending + num_deferred + num_sent + num_errors + num_skipped + num_in_doubt AS balanced\n"
        "  FROM mailing JOIN mailing_books AS books ON books.mailing_id = mailing.id;",
    ),
    "What an address got, and with what reply, in whatever case it is written; the key is what the index is over:",
    markdown.fenced(
        "sql",
        "SELECT * FROM contact_history WHERE address_key = address_key('jo@example.org') ORDER BY settled_at DESC NULLS FIRST;",
    ),
)

ABOUT = {
    "installation": "One row: who this database is, and the secret behind its Message-IDs.",
    "organization": "Whose mailings they are; migration makes one called `default`.",
    "mailing": "One content, many recipients.",
    "server": "One row for each worker instance.",
    "leader": "Which warden does the upkeep, and until when. On database time, so a stopped leader loses it.",
    "batch": "A contiguous run of a mailing's deliveries, worked under one claim. All counters live here.",
    "delivery": "One message for one recipient. Partitioned by `mailing_id`, which carries its month, so retention drops whole months; "
    "no index covers a column that changes, so updates stay in their page.",
    "inbox": "Single messages, written in their producers' transactions. The leader moves what is committed into deliveries of streams; "
    "the row stays, without the words, as the receipt by which id and key find the delivery.",
    "idempotency": "Answers to requests that named a key of their own, written in the transaction of what was asked for.",
    "api_key": "Who may use the HTTP API, as whom and for what. Of the secret only a digest is kept.",
    "suppression": "Addresses that an organization must not mail. A submit skips them; a mailing that is loaded does not look again.",
    "audit": "Who decided what, and when: the settling of doubts, takeovers by force, a restored database accepted.",
    "conversation": "Calls that run strictly in sequence. It stays for ever, so that its id is never to be had again.",
    "call": "What producers ask for, accepted at once and run once: its effect and its results are committed together.",
    "call_result": "What became of each object of a call.",
    "notification": "The answers that calls have asked for: webhooks with their attempts, and the messages that e-mails have become.",
    "subscriber": "Addresses with attributes, known by their producer's own key. A status that stops mail has its suppression.",
    "recipient_list": "Recipients that a producer keeps under a key of its own, for mailings that name it.",
    "recipient_list_member": "Who is on a list: a subscriber, or an address with variables.",
}

_VIEWS = (
    "## Views",
    (
        "`mailing_books`: the seven counters of every mailing (`num_profiles`, `num_pending`, `num_deferred`, `num_sent`, `num_errors`, "
        "`num_skipped`, `num_in_doubt`) with `num_batches` and `num_batches_done`, by `mailing_id`."
    ),
    (
        "`contact_history`: every delivery by `address` with the public id of its `mailing` and that mailing's `name`, `seq`, `state`, "
        "`settled_at`, `attempts`, `relay`, `reply`, `skip`, `doubt` and `address_key`."
    ),
)


def page() -> str:
    """The page."""
    parts = [markdown.head("Database schema", "mailq/store/tables.py and call_tables.py", *_INTRODUCTION)]
    assert call_tables.call.metadata is metadata  # imported for its tables
    for table in metadata.tables.values():
        parts += [f"## {table.name}", ABOUT[table.name], _columns(table), *_checks(table)]
    return markdown.page(*parts, *_VIEWS)


def _columns(table: Table) -> str:
    rows = [(markdown.code(column.name), _type(column), _must(column), _meaning(column)) for column in table.columns]
    return markdown.table(("Column", "Type", "Null", "Meaning"), rows)


def _type(column: Column[object]) -> str:
    return str(column.type.compile(dialect=PGDialect())).lower().replace("timestamp with time zone", "timestamptz")


def _must(column: Column[object]) -> str:
    return "yes" if column.nullable else ""


def _meaning(column: Column[object]) -> str:
    facts = [column.comment or ""]
    if column.primary_key:
        facts.append("primary key")
    facts += [f"→ {markdown.code(key.target_fullname)}" for key in column.foreign_keys]
    return "; ".join(filter(None, facts))


def _checks(table: Table) -> list[str]:
    checks = [constraint for constraint in table.constraints if isinstance(constraint, CheckConstraint)]
    if not checks:
        return []
    written = sorted(f"- `{constraint.sqltext}`" for constraint in checks)
    return ["Always true of a row:\n\n" + "\n".join(written)]
