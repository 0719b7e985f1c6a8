"""The cards that an OCPP backend has listed, and for which chargers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "access_backend_list",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "access_backend_list_of",
        sa.Column("charger", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
    )
