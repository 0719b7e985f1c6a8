"""Instance, outstanding grants, what chargers said, and the history of reasons."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the load balancer's tables."""
    op.create_table(
        "load_balancer_instance",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("instance", sa.String(12), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "load_balancer_worst",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("current_a", sa.Float, nullable=False),
    )
    op.create_table(
        "load_balancer_meta",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("fallback_a", sa.Float, nullable=False),
        sa.Column("rated_a", sa.Float, nullable=False),
        sa.Column("obeys", sa.Boolean, nullable=False),
        sa.Column("phases", sa.String(16), nullable=False),
    )
    op.create_table(
        "load_balancer_grant",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("charger", sa.String(32), nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("to_ms", sa.BigInteger),
        sa.Column("current_a", sa.Float, nullable=False),
        sa.Column("constraint", sa.String(100), nullable=False),
        sa.Column("explanation", sa.String(400), nullable=False),
    )
    op.create_index("load_balancer_grant_charger", "load_balancer_grant", ["charger", "from_ms"])
