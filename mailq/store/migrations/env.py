"""Alembic's entry: runs on the connection that `mailq.store.migrate` hands it, never on one of its own."""

from alembic import context

from mailq.store import call_tables
from mailq.store.tables import metadata


def _is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared_to: object) -> bool:
    """Partitions come and go with the months; they are `mailq.store.partitions`' business."""
    return kind not in {"table", "index"} or not str(name).startswith("delivery_2")


assert call_tables.call.metadata is metadata  # imported for its tables

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table="schema_revision", include_object=_is_ours)
with context.begin_transaction():
    context.run_migrations()
