"""The migrations make exactly the tables that the models describe."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from agents.ocpp_bridge.models import Base
from agents.runtime.store import Store
from tests.access.test_migrations import only_tables_of_agents
from tests.ledger.conftest import store_url

__all__ = ["store_url"]


def test_migrations_and_models_agree(store_url: str) -> None:
    store = Store(store_url, "agents.ocpp_bridge.migrations", threaded=False)
    store.upgrade()
    store.upgrade()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": only_tables_of_agents})
        assert compare_metadata(context, Base.metadata) == []
    store.close()
