"""Past sessions, from which stays and energies are learned."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "load_balancer_learning",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("card_key", sa.String(64), nullable=False),
        sa.Column("complete", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "load_balancer_past_session",
        sa.Column("session_id", sa.String(32), primary_key=True),
        sa.Column("card", sa.String(32), nullable=False),
        sa.Column("charger", sa.String(32), nullable=False),
        sa.Column("arrived_ms", sa.BigInteger, nullable=False),
        sa.Column("stay_s", sa.Float, nullable=False),
        sa.Column("energy_wh", sa.Float, nullable=True),
    )
    op.create_index("load_balancer_past_session_arrived", "load_balancer_past_session", ["arrived_ms"])
