"""Suppressions: addresses that an organization must not mail."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "suppression",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(collation="C"), nullable=False, comment="in lower case"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True, comment="what else an operator should know"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("address = lower(address)", name="suppression_lower_case_check"),
        sa.CheckConstraint("reason IN ('unsubscribed', 'complained', 'bounced', 'manual')", name="suppression_reason_check"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="suppression_organization_id_fkey"),
        sa.PrimaryKeyConstraint("organization_id", "address", name="suppression_pkey"),
    )


def downgrade() -> None:
    op.drop_table("suppression")
