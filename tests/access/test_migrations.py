"""The migrations make exactly the tables that the models describe."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from agents.access.models import Base
from agents.ledger.models import Base as LedgerBase
from agents.runtime.database.store import Store


def test_migrations_and_models_agree_beside_another_agent_s(store_url: str) -> None:
    for name in ("ledger", "access"):
        store = Store(store_url, f"agents.{name}.migrations", threaded=False)
        store.upgrade()
        store.upgrade()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": only_tables_of_agents})
        assert compare_metadata(context, [Base.metadata, LedgerBase.metadata]) == []
    store.close()


def only_tables_of_agents(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or not str(name).startswith("alembic_")
