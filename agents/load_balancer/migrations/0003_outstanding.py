"""What may be outstanding gets an end and a place: the settings may be others in the next life."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

EXECUTABLE_S, LIFE_S = 35.0, 1845.0
"""The longest that any grant of an earlier version may count: executable for 5 s, a clock wrong by 30 s, a lease
of 1,800 s, which idle chargers were given, and 10 s until the car has certainly followed."""


def upgrade() -> None:
    """Create the table; a current that was stored without an end counts for the longest."""
    outstanding = op.create_table(
        "load_balancer_outstanding",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("current_a", sa.Float, nullable=False),
        sa.Column("executable_s", sa.Float, nullable=False),
        sa.Column("life_s", sa.Float, nullable=False),
        sa.Column("circuits", sa.Text, nullable=False),
        sa.Column("phases", sa.String(16), nullable=False),
        sa.Column("voltage_v", sa.Float, nullable=False),
    )
    worst = sa.table("load_balancer_worst", sa.column("charger"), sa.column("current_a"))
    values = [
        worst.c.charger,
        sa.literal(0),
        worst.c.current_a,
        sa.literal(EXECUTABLE_S),
        sa.literal(LIFE_S),
        sa.literal(""),
        sa.literal("L1,L2,L3"),
        sa.literal(230.0),
    ]
    stored = sa.select(*values).where(worst.c.current_a > 0)
    op.execute(sa.insert(outstanding).from_select([column.name for column in outstanding.columns], stored))
    op.drop_table("load_balancer_worst")
