"""Events, sessions and what is known about their completeness."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the ledger's tables."""
    _create_events()
    _create_numbering()
    _create_sessions()
    op.create_table("ledger_alarm", sa.Column("name", sa.String(32), primary_key=True))


def _key() -> list["sa.Column[object]"]:
    return [
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("boot_id", sa.String(12), primary_key=True),
    ]


def _create_events() -> None:
    op.create_table(
        "ledger_event",
        *_key(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("session_id", sa.String(32)),
        sa.Column("ts", sa.BigInteger),
        sa.Column("energy_wh", sa.BigInteger),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ledger_event_session", "ledger_event", ["session_id", "charger"])
    op.create_table(
        "ledger_conflict",
        *_key(),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ledger_conflict_received", "ledger_conflict", ["received_ms"])


def _create_numbering() -> None:
    op.create_table(
        "ledger_boot",
        *_key(),
        sa.Column("contiguous", sa.BigInteger, nullable=False),
        sa.Column("highest", sa.BigInteger, nullable=False),
        sa.Column("gap_since_ms", sa.BigInteger),
    )
    op.create_index("ledger_boot_gap", "ledger_boot", ["gap_since_ms"])
    op.create_table(
        "ledger_lost",
        *_key(),
        sa.Column("first_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("noticed_ms", sa.BigInteger, nullable=False),
    )


def _create_sessions() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "ledger_session",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("listed_ms", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("dirty", sa.Boolean, nullable=False),
        sa.Column("flagged_ms", sa.BigInteger),
        sa.Column("charger", sa.String(32), nullable=False),
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("start_boot_id", sa.String(12)),
        sa.Column("start_seq", sa.BigInteger),
        sa.Column("start_ts", sa.BigInteger),
        sa.Column("start_uptime_ms", sa.BigInteger),
        sa.Column("start_wh", sa.BigInteger),
        sa.Column("id_token", sa.Text),
        sa.Column("authorized_by", sa.String(32)),
        sa.Column("reservation_id", sa.BigInteger),
        sa.Column("end_boot_id", sa.String(12)),
        sa.Column("end_seq", sa.BigInteger),
        sa.Column("end_ts", sa.BigInteger),
        sa.Column("end_uptime_ms", sa.BigInteger),
        sa.Column("end_wh", sa.BigInteger),
        sa.Column("end_start_wh", sa.BigInteger),
        sa.Column("reason", sa.String(32)),
        sa.Column("last_boot_id", sa.String(12)),
        sa.Column("last_seq", sa.BigInteger),
        sa.Column("last_ts", sa.BigInteger),
        sa.Column("last_wh", sa.BigInteger),
        sa.Column("went_back", sa.Boolean, nullable=False),
        sa.Column("ambiguous", sa.Boolean, nullable=False),
    )
    op.create_index("ledger_session_key", "ledger_session", ["session_id", "charger"], unique=True)
    op.create_index("ledger_session_listed", "ledger_session", ["listed_ms", "id"])
    op.create_index("ledger_session_charger", "ledger_session", ["charger", "listed_ms", "id"])
    op.create_index("ledger_session_flagged", "ledger_session", ["flagged_ms"])
    few = {"ledger_session_dirty": ["id"], "ledger_session_active": ["listed_ms", "id"]}
    for (name, columns), condition in zip(few.items(), ("dirty", "end_seq IS NULL"), strict=True):
        where = sa.text(condition)
        op.create_index(name, "ledger_session", columns, sqlite_where=where, postgresql_where=where)
