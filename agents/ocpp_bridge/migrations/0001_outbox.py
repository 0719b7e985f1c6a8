"""Transactions, outbox, and what a charge point remembers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the bridge's tables."""
    _create_transactions()
    _create_outbox()
    _create_memory()


def _create_transactions() -> None:
    op.create_table(
        "ocpp_bridge_transaction",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("charger", sa.String(32), nullable=False),
        sa.Column("backend", sa.String(32), nullable=False),
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("id_tag", sa.String(20), nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("start_wh", sa.BigInteger, nullable=False),
        sa.Column("transaction_id", sa.BigInteger),
        sa.Column("given_up", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(20)),
        sa.Column("parent_id_tag", sa.String(20)),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("end_wh", sa.BigInteger),
        sa.Column("acted", sa.Boolean, nullable=False),
        sa.Column("sampled_ms", sa.BigInteger),
        sa.Column("sample_boot", sa.String(12)),
        sa.Column("sample_seq", sa.BigInteger),
        sa.Column("stop_answered_ms", sa.BigInteger),
        sa.Column("doubt", sa.Text),
    )
    key = ["charger", "backend", "session_id"]
    op.create_index("ocpp_bridge_transaction_key", "ocpp_bridge_transaction", key, unique=True)
    op.create_index("ocpp_bridge_transaction_id", "ocpp_bridge_transaction", ["charger", "backend", "transaction_id"])
    where = sa.text("ended_ms IS NULL")
    op.create_index(
        "ocpp_bridge_transaction_going_on",
        "ocpp_bridge_transaction",
        ["charger"],
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_index("ocpp_bridge_transaction_ended", "ocpp_bridge_transaction", ["ended_ms"])


def _create_outbox() -> None:
    op.create_table(
        "ocpp_bridge_outbox",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("charger", sa.String(32), nullable=False),
        sa.Column("backend", sa.String(32), nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("session_id", sa.String(32)),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("queued_ms", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("not_before_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ocpp_bridge_outbox_next", "ocpp_bridge_outbox", ["charger", "backend", "lane", "id"])
    op.create_table(
        "ocpp_bridge_meter_value",
        sa.Column("id", _ROW_ID, primary_key=True, autoincrement=True),
        sa.Column("charger", sa.String(32), nullable=False),
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ocpp_bridge_meter_value_session", "ocpp_bridge_meter_value", ["charger", "session_id", "id"])


def _create_memory() -> None:
    op.create_table(
        "ocpp_bridge_setting",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "ocpp_bridge_id_tag",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("list", sa.String(8), primary_key=True),
        sa.Column("id_tag", sa.String(40), primary_key=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("parent_id_tag", sa.String(20)),
        sa.Column("expires_ms", sa.BigInteger),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "ocpp_bridge_profile",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("profile_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("connector_id", sa.BigInteger, nullable=False),
        sa.Column("session_id", sa.String(32)),
        sa.Column("installed_ms", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "ocpp_bridge_certificate",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("use", sa.String(40), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("pem", sa.Text, nullable=False),
        sa.Column("key_pem", sa.Text),
        sa.Column("installed_ms", sa.BigInteger, nullable=False),
    )
