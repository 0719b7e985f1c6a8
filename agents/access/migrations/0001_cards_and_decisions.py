"""Imported cards, and decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the access agent's tables."""
    op.create_table(
        "access_card",
        sa.Column("uid", sa.String(20), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "access_decision",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("command_id", sa.String(64), primary_key=True),
        sa.Column("decided_ms", sa.BigInteger, nullable=False),
        sa.Column("op", sa.String(32), nullable=False),
        sa.Column("boot_id", sa.String(12), nullable=False),
        sa.Column("uptime_ms", sa.BigInteger, nullable=False),
        sa.Column("deadline_ts", sa.BigInteger, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("policy", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(16)),
        sa.Column("code", sa.String(32)),
        sa.Column("reply_uptime_ms", sa.BigInteger),
    )
    op.create_index("access_decision_charger", "access_decision", ["charger", "decided_ms"])
