"""Alembic's entry: runs on the connection that `mailq.store.migrate` hands it, never on one of its own."""

from alembic import context

from mailq.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table="schema_revision")
with context.begin_transaction():
    context.run_migrations()
