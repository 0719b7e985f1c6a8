"""The migrations make exactly the tables that the models describe."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from ocpp.v16 import call, datatypes

from agents.ocpp_bridge.models import Base
from agents.runtime.database.store import Store
from tests.access.test_migrations import only_tables_of_agents
from tests.ledger.conftest import store_url
from tests.ocpp_bridge.stage import Stage

__all__ = ["store_url"]


def test_migrations_and_models_agree(store_url: str) -> None:
    store = Store(store_url, "agents.ocpp_bridge.migrations", threaded=False)
    store.upgrade()
    store.upgrade()
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": only_tables_of_agents})
        assert compare_metadata(context, Base.metadata) == []
    store.close()


async def test_a_session_goes_through_either_database(store_url: str) -> None:
    async with Stage(store_url) as stage:
        stage.steve.tags["CARD"] = ("Accepted", "FLEET")
        charger = await stage.charger()
        entry = datatypes.AuthorizationData("A", datatypes.IdTagInfo("Accepted"))
        assert (await stage.steve.call(call.SendLocalList(1, "Full", [entry]))).status == "Accepted"
        stage.steve.up = False
        await stage.steve.cut()
        await charger.start()
        charger.energy_wh += 42
        await charger.end()
        stage.steve.up = True
        await stage.pass_time(60)
        assert stage.steve.energies() == {1: 42}
        assert set(stage.point().id_tags.cache) == {"card"}
