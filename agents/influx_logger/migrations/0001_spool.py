"""Blocks that wait, lines that were refused, and counts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the spool."""
    op.create_table(
        "influx_logger_block",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lasting", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.Integer, nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("influx_logger_block_lasting", "influx_logger_block", ["lasting", "id"])
    op.create_table(
        "influx_logger_dead_letter",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("refused_ms", sa.Integer, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "influx_logger_count",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("changed_ms", sa.Integer, nullable=False),
    )
