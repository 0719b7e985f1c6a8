"""Records that somebody has closed because their end, or their events, will never come."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add who settled a session, and missing events, and why."""
    for table in ("ledger_session", "ledger_lost"):
        op.add_column(table, sa.Column("settled_by", sa.String(32)))
        op.add_column(table, sa.Column("settled_because", sa.Text))
    op.add_column("ledger_session", sa.Column("settled_ms", sa.BigInteger))
    op.drop_index("ledger_session_active", "ledger_session")
    where = sa.text("end_seq IS NULL AND settled_ms IS NULL")
    op.create_index(
        "ledger_session_active", "ledger_session", ["listed_ms", "id"], sqlite_where=where, postgresql_where=where
    )
