"""Stations, connectors, events, commands and transactions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "csms_station",
        sa.Column("identity", sa.String(48), primary_key=True),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("booted_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "csms_connector",
        sa.Column("charger", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "csms_event",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("charger", sa.String(64), nullable=False),
        sa.Column("boot_id", sa.String(12), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("charger", "boot_id", "seq"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "csms_command",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("command_id", sa.String(64), primary_key=True),
        sa.Column("op", sa.String(32), nullable=False),
        sa.Column("deadline_ts", sa.BigInteger, nullable=False),
        sa.Column("stage", sa.String(16)),
        sa.Column("code", sa.String(32)),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "csms_transaction",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("identity", sa.String(48), nullable=False),
        sa.Column("connector", sa.BigInteger, nullable=False),
        sa.Column("id_tag", sa.String(20), nullable=False),
        sa.Column("started", sa.Text, nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("meter_start_wh", sa.BigInteger, nullable=False),
        sa.Column("session_id", sa.String(32)),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("parent", sa.String(20), nullable=False),
        sa.Column("stopped_ms", sa.BigInteger),
        sa.Column("meter_stop_wh", sa.BigInteger),
        sa.Column("reason", sa.String(40)),
        sa.Column("discarded", sa.Boolean, nullable=False),
        sa.UniqueConstraint("identity", "connector", "id_tag", "started", "meter_start_wh"),
    )
    op.create_index("csms_transaction_started", "csms_transaction", ["started_ms"])
