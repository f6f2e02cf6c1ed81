"""Leases, journals, doubts and their audit; what tells that a database was restored from a backup."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PAST_IT = "past it the server may neither claim nor revive"


def upgrade() -> None:
    op.add_column(
        "server",
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"), comment=_PAST_IT),
    )
    op.add_column(
        "server",
        sa.Column(
            "beat",
            sa.BigInteger(),
            nullable=False,
            server_default=sa.text("0"),
            comment="counts renewals over all incarnations, and never goes back",
        ),
    )
    op.add_column("server", sa.Column("port", sa.Integer(), comment="MAILQ_SERVER_PORT; nothing listens on it"))
    op.add_column(
        "server",
        sa.Column(
            "addresses",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="of the host, for migration lists",
        ),
    )
    op.add_column("server", sa.Column("home", sa.Text(), comment="where its lock file and journals are, on its host"))
    op.add_column("server", sa.Column("boot_id", sa.Text(), comment="this boot of its host"))
    op.add_column(
        "server",
        sa.Column(
            "lock", sa.Text(), comment="the nonce of its lock file: whoever gets the lock of that very file knows it is dead"
        ),
    )
    op.add_column(
        "server",
        sa.Column(
            "migrate_to",
            sa.BigInteger(),
            sa.ForeignKey("server.id"),
            comment="the server that an operator told to take over its batches",
        ),
    )
    op.add_column(
        "batch", sa.Column("journal", sa.Text(), comment="the nonce of the journal of the process that claimed it last")
    )
    op.add_column("batch", sa.Column("relay", sa.Text(), comment="the relay of the process that claimed it last"))
    op.create_index("batch_in_doubt_idx", "batch", ["mailing_id"], postgresql_where=sa.text("num_in_doubt > 0"))
    op.add_column(
        "installation",
        sa.Column(
            "behind_since", sa.DateTime(timezone=True), comment="since when nothing is sent, because this database has forgotten"
        ),
    )
    op.add_column("installation", sa.Column("behind_why", sa.Text(), comment="what showed it"))
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column(
            "actor", sa.Text(), nullable=False, comment="who: user@host of an operator, or `policy`, `journal`, `postfix_log`"
        ),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("mailing_id", sa.BigInteger()),
        sa.Column("seq", sa.Integer()),
        sa.Column("server", sa.Text()),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_pkey")),
    )
    op.create_index("audit_delivery_idx", "audit", ["mailing_id", "seq"], postgresql_where=sa.text("mailing_id IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_column("installation", "behind_why")
    op.drop_column("installation", "behind_since")
    op.drop_index("batch_in_doubt_idx", table_name="batch")
    for column in ("relay", "journal"):
        op.drop_column("batch", column)
    for column in ("migrate_to", "lock", "boot_id", "home", "addresses", "port", "beat", "lease_until"):
        op.drop_column("server", column)
