"""Room for updates in place, vacuum by how tables are written, and mailings found by key and by the beginning of an id."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# See docs/postgresql.md for the measurements behind these numbers.
# A delivery is updated once, and its neighbours in the same commit: a page must hold each of them twice, the second time larger.
_DELIVERY = "fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0"
# A batch is updated with every commit of its pass, some thirty times: what is dead is pruned as soon as it is in the way.
_BATCH = (
    "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0"
)
# Content makes the row large, and loading counts in it: a page has room for one more of them.
_MAILING = "fillfactor = 80"
# A page or two, rewritten every few seconds and pruned in place: a vacuum every minute would be in vain.
_SMALL = "fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 1000"
_STORAGE = {"batch": _BATCH, "mailing": _MAILING, "server": _SMALL, "leader": _SMALL}
_BEFORE = "fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05"


def upgrade() -> None:
    for table, storage in _STORAGE.items():
        op.execute(f"ALTER TABLE {table} SET ({storage})")
    for partition in _partitions():
        op.execute(f"ALTER TABLE {partition} SET ({_DELIVERY})")
    op.create_index("mailing_key_idx", "mailing", ["key"], postgresql_where=sa.text("key IS NOT NULL"))
    op.create_index("mailing_public_id_prefix_idx", "mailing", ["public_id"], postgresql_ops={"public_id": "text_pattern_ops"})


def downgrade() -> None:
    op.drop_index("mailing_public_id_prefix_idx", table_name="mailing")
    op.drop_index("mailing_key_idx", table_name="mailing")
    for partition in _partitions():
        op.execute(f"ALTER TABLE {partition} RESET (autovacuum_vacuum_cost_delay)")
        op.execute(f"ALTER TABLE {partition} SET ({_BEFORE})")
    for table, storage in _STORAGE.items():
        names = ", ".join(setting.split(" = ")[0] for setting in storage.split(", "))
        op.execute(f"ALTER TABLE {table} RESET ({names})")


def _partitions() -> list[str]:
    found = op.get_bind().execute(
        sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'delivery'::regclass")
    )
    return list(found.scalars())
