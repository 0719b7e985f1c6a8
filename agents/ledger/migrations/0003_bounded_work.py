"""Reviews find what they look for by index; events that cannot be read; what chargers can deliver."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MISSING = """
    UPDATE ledger_lost SET missing = last_seq - first_seq + 1 - (
        SELECT count(*) FROM ledger_event
        WHERE ledger_event.charger = ledger_lost.charger AND ledger_event.boot_id = ledger_lost.boot_id
        AND ledger_event.seq BETWEEN ledger_lost.first_seq AND ledger_lost.last_seq
    )
"""


def upgrade() -> None:
    """Count once what is missing, exchange the indexes, add two tables."""
    op.add_column("ledger_lost", sa.Column("missing", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(_MISSING)
    op.drop_index("ledger_conflict_received", "ledger_conflict")
    op.create_index("ledger_conflict_charger", "ledger_conflict", ["charger", "received_ms"])
    op.create_index("ledger_boot_id", "ledger_boot", ["boot_id"])
    op.drop_index("ledger_boot_gap", "ledger_boot")
    _partial("ledger_boot_gap", "ledger_boot", ["charger", "gap_since_ms"], "gap_since_ms IS NOT NULL")
    _partial("ledger_lost_missing", "ledger_lost", ["charger", "noticed_ms"], "settled_by IS NULL AND missing > 0")
    op.drop_index("ledger_session_flagged", "ledger_session")
    _partial("ledger_session_flagged", "ledger_session", ["charger", "flagged_ms"], "flagged_ms IS NOT NULL")
    for name in ("rating_w", "end_received_ms"):
        op.add_column("ledger_session", sa.Column(name, sa.BigInteger))
    op.create_table(
        "ledger_unreadable",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("boot_id", sa.String(12)),
        sa.Column("seq", sa.BigInteger),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
    )
    op.create_index("ledger_unreadable_number", "ledger_unreadable", ["charger", "boot_id", "seq"])
    op.create_index("ledger_unreadable_received", "ledger_unreadable", ["charger", "received_ms"])
    op.create_table(
        "ledger_rating",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("rating_w", sa.BigInteger, nullable=False),
    )


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
