"""The migrations make exactly the tables that the models describe."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from agents.ledger.models import Base
from agents.runtime.database.store import Store


def test_migrations_and_models_agree(ledger_store: Store) -> None:
    with ledger_store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": only_ours})
        assert compare_metadata(context, Base.metadata) == []


def only_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or str(name).startswith("ledger_")
