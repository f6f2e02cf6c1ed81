"""The producers' doors: single messages, keys of the HTTP API, repeated requests, and mailings that the leader closes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A message is written, moved into its stream, and then only read: once moved its row is short.
_INBOX = (
    "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0"
)
# What the upkeep looks for at every tick, however many mailings stand.
_LOOKED_FOR = {
    "scheduled_at": ("scheduled_at", "state = 'scheduled'"),
    "expires_at": ("expires_at", "state IN ('scheduled', 'running', 'paused') AND expires_at IS NOT NULL"),
    "open_until": ("open_until", "state IN ('running', 'paused') AND open_until IS NOT NULL"),
    "standing": ("id", "state IN ('running', 'paused') AND open_until IS NULL"),
}


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False, comment="the part of the key by which it is found; no secret"),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "secret_digest",
            sa.Text(),
            nullable=False,
            comment="SHA-256 of the secret, which has 192 random bits and needs no salt",
        ),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("rate_per_s", sa.Integer(), nullable=True, comment="requests a second; null takes the setting"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True, comment="to a minute"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("cardinality(scopes) > 0 AND scopes <@ ARRAY['send', 'read', 'admin']", name="api_key_scopes_check"),
        sa.CheckConstraint("rate_per_s > 0", name="api_key_rate_check"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="api_key_organization_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="api_key_pkey"),
        sa.UniqueConstraint("public_id", name="api_key_public_id_key"),
    )
    op.create_index("api_key_organization_id_idx", "api_key", ["organization_id"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "key",
            sa.Text(),
            nullable=True,
            comment="the producer's own name for it; the same key and content is the same message",
        ),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 over all that the producer said"),
        sa.Column(
            "stream", sa.Text(), nullable=False, comment="SHA-256 over content and options: the messages of one stream share it"
        ),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("doubt_policy", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=True, comment="until it is moved into its stream, as the next two"),
        sa.Column("address", sa.Text(collation="C"), nullable=True),
        sa.Column("variables", postgresql.JSONB(), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=False, comment="of the variables as JSON: a batch takes only so many"),
        sa.Column("accepted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "mailing_id", sa.BigInteger(), nullable=True, comment="the stream whose delivery it has become, with the next one"
        ),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.CheckConstraint("doubt_policy IN ('hold', 'resend', 'assume_sent')", name="inbox_doubt_policy_check"),
        sa.CheckConstraint("lane IN ('transactional', 'normal', 'bulk')", name="inbox_lane_check"),
        sa.CheckConstraint(
            "(mailing_id IS NULL) = (content IS NOT NULL AND address IS NOT NULL AND variables IS NOT NULL)",
            name="inbox_payload_check",
        ),
        sa.CheckConstraint("(mailing_id IS NULL) = (seq IS NULL)", name="inbox_moved_check"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="inbox_organization_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="inbox_pkey"),
        sa.UniqueConstraint("organization_id", "key", name="inbox_organization_id_key_key"),
        sa.UniqueConstraint("public_id", name="inbox_public_id_key"),
    )
    op.create_index(
        "inbox_delivery_idx", "inbox", ["mailing_id", "seq"], unique=False, postgresql_where=sa.text("mailing_id IS NOT NULL")
    )
    op.create_index("inbox_waiting_idx", "inbox", ["id"], unique=False, postgresql_where=sa.text("mailing_id IS NULL"))
    op.create_table(
        "idempotency",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="what a producer sent as Idempotency-Key"),
        sa.Column("mailing_id", sa.BigInteger(), nullable=False, comment="it is valid as long as this one"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 over the request"),
        sa.Column("answer", postgresql.JSONB(), nullable=False, comment="what was answered, and is again"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name="idempotency_mailing_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="idempotency_organization_id_fkey"),
        sa.PrimaryKeyConstraint("organization_id", "key", name="idempotency_pkey"),
    )
    op.create_index("idempotency_mailing_id_idx", "idempotency", ["mailing_id"], unique=False)
    op.add_column(
        "mailing",
        sa.Column(
            "loaded_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when its recipients are complete, so that the leader may close the load",
        ),
    )
    op.add_column(
        "mailing",
        sa.Column(
            "repeats",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="whether an address may get several of its messages",
        ),
    )
    op.add_column(
        "mailing",
        sa.Column(
            "stream", sa.Text(), nullable=True, comment="of a stream: SHA-256 over content and options of its single messages"
        ),
    )
    op.add_column(
        "mailing",
        sa.Column(
            "open_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="of a stream: the end of its month; not finished before",
        ),
    )
    op.add_column(
        "mailing",
        sa.Column(
            "resent_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when an operator sent errors again: the age of retries is counted from then",
        ),
    )
    op.add_column(
        "batch",
        sa.Column(
            "ready_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was made, due or opened again",
        ),
    )
    op.create_index(
        "mailing_loaded_idx",
        "mailing",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'loading' AND loaded_at IS NOT NULL"),
    )
    for name, (column, where) in _LOOKED_FOR.items():
        op.create_index(f"mailing_{name}_idx", "mailing", [column], unique=False, postgresql_where=sa.text(where))
    op.create_unique_constraint(
        "mailing_organization_id_stream_open_until_key", "mailing", ["organization_id", "stream", "open_until"]
    )
    op.create_check_constraint("mailing_stream_check", "mailing", "(stream IS NULL) = (open_until IS NULL)")
    op.execute(f"ALTER TABLE inbox SET ({_INBOX})")


def downgrade() -> None:
    op.drop_constraint("mailing_stream_check", "mailing")
    op.drop_constraint("mailing_organization_id_stream_open_until_key", "mailing")
    for name in ("loaded", *_LOOKED_FOR):
        op.drop_index(f"mailing_{name}_idx", table_name="mailing")
    op.drop_column("batch", "ready_at")
    for name in ("resent_at", "open_until", "stream", "repeats", "loaded_at"):
        op.drop_column("mailing", name)
    for table in ("idempotency", "inbox", "api_key"):
        op.drop_table(table)
