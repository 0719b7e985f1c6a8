"""How often what may be outstanding was written: by that a restored copy is told from the database itself."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the count."""
    op.add_column(
        "load_balancer_instance", sa.Column("written", sa.BigInteger, nullable=False, server_default=sa.text("0"))
    )
