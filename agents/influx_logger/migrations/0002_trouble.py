"""The last trouble with the database, and losses that somebody has acknowledged."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what ``chargebus spool`` shows."""
    op.add_column("influx_logger_count", sa.Column("acknowledged", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "influx_logger_trouble",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("began_ms", sa.Integer, nullable=False),
        sa.Column("ended_ms", sa.Integer, nullable=True),
    )
