"""Alembic revisions of the central system's database."""
