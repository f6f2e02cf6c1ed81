"""The first tables: mailings, batches, deliveries, servers, and the views people ask."""

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The books of a mailing are the sum over its batches, never a count over deliveries.
_MAILING_BOOKS = """
CREATE VIEW mailing_books AS
SELECT mailing_id, num_profiles, num_profiles - num_deferred - num_sent - num_errors - num_skipped - num_in_doubt AS num_pending,
       num_deferred, num_sent, num_errors, num_skipped, num_in_doubt, num_batches, num_batches_done
  FROM (SELECT mailing_id, sum(num_profiles) AS num_profiles, sum(num_deferred) AS num_deferred, sum(num_sent) AS num_sent,
               sum(num_errors) AS num_errors, sum(num_skipped) AS num_skipped, sum(num_in_doubt) AS num_in_doubt,
               count(*) AS num_batches, count(*) FILTER (WHERE state IN ('finished', 'cancelled')) AS num_batches_done
          FROM batch GROUP BY mailing_id) AS sums
"""

# For customer service: WHERE lower(address) = lower('…') uses the index.
_CONTACT_HISTORY = """
CREATE VIEW contact_history AS
SELECT delivery.address, mailing.public_id AS mailing, mailing.name, delivery.seq, delivery.state, delivery.settled_at,
       delivery.attempts, delivery.relay, delivery.reply, delivery.skip, delivery.doubt
  FROM delivery JOIN mailing ON mailing.id = delivery.mailing_id
"""


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column(
            "pass",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="the batch's fence at the last settle or reopening",
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("address", sa.Text(collation="C"), nullable=False),
        sa.Column("variables", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("relay", sa.Text(), nullable=True),
        sa.Column(
            "reply", sa.Text(), nullable=True, comment="the relay's last reply, or why the recipient was skipped or failed"
        ),
        sa.Column("skip", sa.Text(), nullable=True),
        sa.Column("doubt", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'deferred') = (due_at IS NOT NULL)", name="delivery_due_at_when_deferred_check"),
        sa.CheckConstraint("(state = 'in_doubt') = (doubt IS NOT NULL)", name="delivery_doubt_when_in_doubt_check"),
        sa.CheckConstraint("(state = 'skipped') = (skip IS NOT NULL)", name="delivery_skip_when_skipped_check"),
        sa.CheckConstraint("doubt IN ('worker_killed', 'host_lost', 'relay_closed', 'timeout')", name="delivery_doubt_check"),
        sa.CheckConstraint(
            "skip IN ('suppressed', 'invalid', 'duplicate', 'excluded', 'cancelled', 'expired')", name="delivery_skip_check"
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'deferred', 'sent', 'error', 'skipped', 'in_doubt')", name="delivery_state_check"
        ),
        sa.PrimaryKeyConstraint("mailing_id", "seq", name="delivery_pkey"),
        postgresql_partition_by="RANGE (mailing_id)",
    )
    op.create_index("delivery_address_idx", "delivery", [sa.literal_column("lower(address)")], unique=False)
    op.create_table(
        "installation",
        sa.Column("only", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("uuid", sa.UUID(as_uuid=False), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False, comment="keys the Message-IDs; never leaves the database but to workers"),
        sa.Column(
            "doorbell_generation",
            sa.Text(),
            nullable=True,
            comment="the generation last seen in Redis: another one means it was flushed",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("only", name="installation_pkey"),
    )
    op.create_table(
        "leader",
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("role", name="leader_pkey"),
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="organization_pkey"),
        sa.UniqueConstraint("name", name="organization_name_key"),
        sa.UniqueConstraint("public_id", name="organization_public_id_key"),
    )
    op.create_table(
        "server",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="MAILQ_SERVER_ID, default <hostname>:8851"),
        sa.Column(
            "incarnation", sa.BigInteger(), server_default=sa.text("0"), nullable=False, comment="each start takes the next"
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column(
            "slots",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="worker processes per lane",
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('alive', 'draining', 'stopped', 'silent')", name="server_state_check"),
        sa.PrimaryKeyConstraint("id", name="server_pkey"),
        sa.UniqueConstraint("name", name="server_name_key"),
    )
    op.create_table(
        "mailing",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False, comment="month << 40 | number"),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "key",
            sa.Text(),
            nullable=True,
            comment="the producer's own name for it; the same key and content is the same mailing",
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("doubt_policy", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_digest", sa.Text(), nullable=False, comment="SHA-256 over content and options"),
        sa.Column("source_digest", sa.Text(), nullable=False, comment="SHA-256 of the recipients' file"),
        sa.Column("batch_size", sa.Integer(), nullable=False),
        sa.Column(
            "num_loaded",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="records of the source committed so far",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("doubt_policy IN ('hold', 'resend', 'assume_sent')", name="mailing_doubt_policy_check"),
        sa.CheckConstraint("lane IN ('transactional', 'normal', 'bulk')", name="mailing_lane_check"),
        sa.CheckConstraint(
            "state IN ('draft', 'loading', 'scheduled', 'running', 'paused', 'finished', 'cancelled', 'expired')",
            name="mailing_state_check",
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="mailing_organization_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="mailing_pkey"),
        sa.UniqueConstraint("organization_id", "key", name="mailing_organization_id_key_key"),
        sa.UniqueConstraint("public_id", name="mailing_public_id_key"),
    )
    op.create_index(
        "mailing_state_idx",
        "mailing",
        ["state"],
        unique=False,
        postgresql_where=sa.text("state IN ('scheduled', 'running', 'paused')"),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mailing_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="from 1 within the mailing"),
        sa.Column("first_seq", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="ready", nullable=False),
        sa.Column("owner", sa.Text(), nullable=True, comment="the worker process that holds it"),
        sa.Column("server_id", sa.BigInteger(), nullable=True),
        sa.Column("incarnation", sa.BigInteger(), nullable=True),
        sa.Column(
            "fence", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="raised by every claim and reclaim"
        ),
        sa.Column("watermark", sa.Integer(), nullable=False, comment="the highest seq that has begun in this pass"),
        sa.Column(
            "ledger_no",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="answers a COMMIT whose reply was lost",
        ),
        sa.Column("num_profiles", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("num_sent", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("num_errors", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("num_skipped", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("num_deferred", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("num_in_doubt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "first_claimed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="the Date of its messages, the same on every attempt",
        ),
        sa.Column("pass_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progressed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'leased') = (incarnation IS NOT NULL)", name="batch_incarnation_when_leased_check"),
        sa.CheckConstraint("(state = 'leased') = (owner IS NOT NULL)", name="batch_owner_when_leased_check"),
        sa.CheckConstraint("(state = 'leased') = (server_id IS NOT NULL)", name="batch_server_id_when_leased_check"),
        sa.CheckConstraint("(state = 'waiting') = (due_at IS NOT NULL)", name="batch_due_at_when_waiting_check"),
        sa.CheckConstraint("state IN ('ready', 'leased', 'waiting', 'finished', 'cancelled')", name="batch_state_check"),
        sa.CheckConstraint("first_seq <= last_seq", name="batch_span_check"),
        sa.CheckConstraint(
            "num_profiles >= num_sent + num_errors + num_skipped + num_deferred + num_in_doubt", name="batch_books_check"
        ),
        sa.CheckConstraint(
            "num_sent >= 0 AND num_errors >= 0 AND num_skipped >= 0 AND num_deferred >= 0 AND num_in_doubt >= 0",
            name="batch_counts_check",
        ),
        sa.CheckConstraint("watermark BETWEEN first_seq - 1 AND last_seq", name="batch_watermark_check"),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name="batch_mailing_id_fkey"),
        sa.ForeignKeyConstraint(["server_id"], ["server.id"], name="batch_server_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="batch_pkey"),
        sa.UniqueConstraint("mailing_id", "number", name="batch_mailing_id_number_key"),
    )
    op.create_index("batch_due_idx", "batch", ["due_at"], unique=False, postgresql_where=sa.text("state = 'waiting'"))
    op.create_index("batch_leased_idx", "batch", ["server_id"], unique=False, postgresql_where=sa.text("state = 'leased'"))
    op.create_index(
        "batch_undone_idx",
        "batch",
        ["mailing_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('ready', 'leased', 'waiting')"),
    )
    op.create_index(
        "batch_rung_idx",
        "batch",
        ["rung_at"],
        unique=False,
        postgresql_where=sa.text("state = 'ready' AND rung_at IS NOT NULL"),
    )
    op.create_index(
        "batch_ready_idx", "batch", ["mailing_id", "number"], unique=False, postgresql_where=sa.text("state = 'ready'")
    )
    _rows_that_are_always_there()
    op.execute("CREATE SEQUENCE mailing_number")
    op.execute(_MAILING_BOOKS)
    op.execute(_CONTACT_HISTORY)


def downgrade() -> None:
    op.execute("DROP VIEW contact_history")
    op.execute("DROP VIEW mailing_books")
    op.execute("DROP SEQUENCE mailing_number")
    for table in ("delivery", "batch", "mailing", "server", "organization", "leader", "installation"):
        op.drop_table(table)


def _rows_that_are_always_there() -> None:
    bind = op.get_bind()
    bind.execute(sa.text("INSERT INTO installation (secret) VALUES (:secret)"), {"secret": secrets.token_hex(32)})
    bind.execute(
        sa.text("INSERT INTO organization (public_id, name) VALUES (:public_id, 'default')"),
        {"public_id": f"org_{secrets.token_hex(8)}"},
    )
