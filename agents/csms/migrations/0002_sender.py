"""Who sent a command: its id is that sender's."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the sender."""
    op.add_column("csms_command", sa.Column("sender", sa.String(64)))
