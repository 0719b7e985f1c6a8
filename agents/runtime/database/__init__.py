"""An agent's own database: SQLite by default, PostgreSQL in production."""
