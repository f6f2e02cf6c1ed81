"""Calls and conversations: what producers ask for and run later, their results and answers; subscribers and recipient lists."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# A call is written, run, and then only read.
_CALL = (
    "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0"
)


def upgrade() -> None:
    op.create_table(
        "conversation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=False, comment="the producer's conversation_id: once used it is never to be had again"
        ),
        sa.Column("calls_in_conversation", sa.Integer(), nullable=False),
        sa.Column("num_received", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="parts that have arrived"),
        sa.Column(
            "num_run",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="parts that have run, the one in error included",
        ),
        sa.Column("state", sa.Text(), server_default="receiving", nullable=False),
        sa.Column("error", sa.Text(), nullable=True, comment="why it is in error"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column(
            "last_part_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
            comment="when a part arrived last",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'error') = (error IS NOT NULL)", name="conversation_error_when_error_check"),
        sa.CheckConstraint("(state IN ('finished', 'error')) = (ended_at IS NOT NULL)", name="conversation_ended_check"),
        sa.CheckConstraint("state IN ('receiving', 'running', 'finished', 'error')", name="conversation_state_check"),
        sa.CheckConstraint("calls_in_conversation BETWEEN 1 AND 10000", name="conversation_length_check"),
        sa.CheckConstraint(
            "num_received BETWEEN 0 AND calls_in_conversation AND num_run BETWEEN 0 AND num_received",
            name="conversation_parts_check",
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="conversation_organization_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="conversation_pkey"),
        sa.UniqueConstraint("organization_id", "key", name="conversation_organization_id_key_key"),
    )
    op.create_index(
        "conversation_receiving_idx",
        "conversation",
        ["last_part_at"],
        unique=False,
        postgresql_where=sa.text("state = 'receiving'"),
    )
    op.create_table(
        "recipient_list",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_key", sa.Text(), nullable=False, comment="the producer's own key"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="recipient_list_organization_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="recipient_list_pkey"),
        sa.UniqueConstraint("organization_id", "customer_key", name="recipient_list_organization_id_customer_key_key"),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_key", sa.Text(), nullable=False, comment="the producer's own key"),
        sa.Column("address", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "attributes",
            postgresql.JSONB(),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="what templates may say of them",
        ),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("status IN ('active', 'unsubscribed', 'held')", name="subscriber_status_check"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="subscriber_organization_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="subscriber_pkey"),
        sa.UniqueConstraint("organization_id", "customer_key", name="subscriber_organization_id_customer_key_key"),
    )
    op.create_index(
        "subscriber_address_idx", "subscriber", ["organization_id", sa.literal_column("lower(address)")], unique=False
    )
    op.create_table(
        "call",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="in the order of receipt"),
        sa.Column("public_id", sa.Text(), nullable=False, comment="the request_id that its producer is told"),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "key", sa.Text(), nullable=True, comment="the producer's own name for it; the same key and words is the same call"
        ),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 over all that the producer said"),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("objects", postgresql.JSONB(), nullable=False, comment="what the method is for, as it was said"),
        sa.Column("num_objects", sa.Integer(), nullable=False, comment="how many they are"),
        sa.Column(
            "responses",
            postgresql.JSONB(),
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="what answers it wants: send_response_to",
        ),
        sa.Column("priority", sa.SmallInteger(), nullable=False, comment="1 high, 2 normal, 3 low"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("sequence_code", sa.Integer(), nullable=True, comment="its place in the conversation, from 1"),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True, comment="the scheduled_time: not run before"),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True, comment="why it is in error, or never runs"),
        sa.CheckConstraint(
            "(state IN ('finished', 'error', 'not_run', 'cancelled')) = (ended_at IS NOT NULL)", name="call_ended_check"
        ),
        sa.CheckConstraint("method IN ('create', 'update', 'delete', 'perform')", name="call_method_check"),
        sa.CheckConstraint(
            "state IN ('waiting', 'scheduled', 'ready', 'finished', 'error', 'not_run', 'cancelled')", name="call_state_check"
        ),
        sa.CheckConstraint("(conversation_id IS NULL) = (sequence_code IS NULL)", name="call_part_check"),
        sa.CheckConstraint("priority BETWEEN 1 AND 3", name="call_priority_check"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name="call_conversation_id_fkey"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="call_organization_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="call_pkey"),
        sa.UniqueConstraint("conversation_id", "sequence_code", name="call_conversation_id_sequence_code_key"),
        sa.UniqueConstraint("organization_id", "key", name="call_organization_id_key_key"),
        sa.UniqueConstraint("public_id", name="call_public_id_key"),
    )
    op.create_index(
        "call_ended_idx",
        "call",
        ["organization_id", "ended_at", "id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index("call_organization_idx", "call", ["organization_id", "id"], unique=False)
    op.create_index("call_ready_idx", "call", ["priority", "id"], unique=False, postgresql_where=sa.text("state = 'ready'"))
    op.create_index("call_scheduled_idx", "call", ["scheduled_at"], unique=False, postgresql_where=sa.text("state = 'scheduled'"))
    op.create_table(
        "recipient_list_member",
        sa.Column(
            "id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="in the order in which they were put in"
        ),
        sa.Column("recipient_list_id", sa.BigInteger(), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger(), nullable=True, comment="whose address and attributes it is"),
        sa.Column("address", sa.Text(collation="C"), nullable=True, comment="of a recipient who is no subscriber"),
        sa.Column(
            "variables",
            postgresql.JSONB(),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="over the attributes",
        ),
        sa.CheckConstraint("(subscriber_id IS NULL) = (address IS NOT NULL)", name="recipient_list_member_who_check"),
        sa.ForeignKeyConstraint(
            ["recipient_list_id"], ["recipient_list.id"], name="recipient_list_member_recipient_list_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscriber.id"], name="recipient_list_member_subscriber_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="recipient_list_member_pkey"),
        sa.UniqueConstraint(
            "recipient_list_id", "subscriber_id", name="recipient_list_member_recipient_list_id_subscriber_id_key"
        ),
    )
    op.create_index(
        "recipient_list_member_address_key",
        "recipient_list_member",
        ["recipient_list_id", sa.literal_column("lower(address)")],
        unique=True,
        postgresql_where=sa.text("address IS NOT NULL"),
    )
    op.create_index("recipient_list_member_order_idx", "recipient_list_member", ["recipient_list_id", "id"], unique=False)
    op.create_index(
        "recipient_list_member_subscriber_id_idx",
        "recipient_list_member",
        ["subscriber_id"],
        unique=False,
        postgresql_where=sa.text("subscriber_id IS NOT NULL"),
    )
    op.create_table(
        "call_result",
        sa.Column("call_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="of the object within its call, from 1"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("customer_key", sa.Text(), nullable=True, comment="the producer's own key of the object"),
        sa.Column("correlation_id", sa.Text(), nullable=True, comment="the producer's own name for the object within its call"),
        sa.Column("object_id", sa.Text(), nullable=True, comment="the public id of what was made or changed, where it has one"),
        sa.Column("message", sa.Text(), nullable=False, comment="what was done, or what is at fault"),
        sa.Column("field", sa.Text(), nullable=True, comment="JSON pointer to what is at fault"),
        sa.Column(
            "details",
            postgresql.JSONB(),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="what else there is to know",
        ),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="call_result_call_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "ordinal", name="call_result_pkey"),
    )
    op.create_table(
        "notification",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False, comment="the webhook-id: the same on every attempt"),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.BigInteger(), nullable=True),
        sa.Column("conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False, comment="a URL, or an e-mail address"),
        sa.Column("host", sa.Text(collation="C"), nullable=False, comment="that of the address: none is sent much at once"),
        sa.Column(
            "payload",
            sa.Text(),
            nullable=True,
            comment="the body that is posted, byte for byte; of an e-mail none: it is a message",
        ),
        sa.Column("message_id", sa.Text(), nullable=True, comment="of an e-mail: the public id of its message"),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True, comment="when it is tried next"),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True, comment="what the last attempt came to"),
        sa.CheckConstraint("(state = 'pending') = (due_at IS NOT NULL)", name="notification_due_at_when_pending_check"),
        sa.CheckConstraint(
            "event IN ('call.finished', 'call.error', 'call.not_run', 'call.cancelled', 'conversation.finished', 'conversation.error')",
            name="notification_event_check",
        ),
        sa.CheckConstraint("state IN ('pending', 'sent', 'error')", name="notification_state_check"),
        sa.CheckConstraint("(payload IS NULL) = (message_id IS NOT NULL)", name="notification_kind_check"),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="notification_call_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name="notification_conversation_id_fkey"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="notification_organization_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="notification_pkey"),
        sa.UniqueConstraint("public_id", name="notification_public_id_key"),
    )
    op.create_index(
        "notification_call_id_idx", "notification", ["call_id"], unique=False, postgresql_where=sa.text("call_id IS NOT NULL")
    )
    op.create_index(
        "notification_conversation_idx",
        "notification",
        ["conversation_id", "event", "address"],
        unique=True,
        postgresql_where=sa.text("call_id IS NULL"),
    )
    op.create_index(
        "notification_due_idx", "notification", ["due_at"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index(
        "notification_host_idx",
        "notification",
        ["host", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "notification_settled_idx", "notification", ["settled_at"], unique=False, postgresql_where=sa.text("call_id IS NULL")
    )
    op.add_column(
        "installation",
        sa.Column(
            "maintenance_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when nothing is processed, because an operator said so",
        ),
    )
    op.add_column("installation", sa.Column("maintenance_by", sa.Text(), nullable=True, comment="who"))
    op.add_column("installation", sa.Column("maintenance_why", sa.Text(), nullable=True))
    op.add_column(
        "organization",
        sa.Column(
            "webhook_secrets",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
            comment="sign its webhooks, each of them: a new one comes before an old one goes",
        ),
    )
    op.execute(f"ALTER TABLE call SET ({_CALL})")


def downgrade() -> None:
    for name in ("notification", "call_result", "recipient_list_member", "recipient_list", "subscriber", "call", "conversation"):
        op.drop_table(name)
    op.drop_column("organization", "webhook_secrets")
    for name in ("maintenance_why", "maintenance_by", "maintenance_since"):
        op.drop_column("installation", name)
