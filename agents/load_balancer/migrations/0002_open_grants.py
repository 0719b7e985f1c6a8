"""An index of the stretches that go on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index(
        "load_balancer_grant_open",
        "load_balancer_grant",
        ["charger"],
        sqlite_where=sa.text("to_ms IS NULL"),
        postgresql_where=sa.text("to_ms IS NULL"),
    )
