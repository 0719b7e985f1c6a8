"""A PostgreSQL server that is away, or that knows neither role nor database: said in words, and waited for."""

import pytest

from agents.runtime.database.store import Store, StoreUnavailable
from tests.brokers import free_port

MIGRATIONS = "tests.runtime.recorder_migrations"


def refusal(url: str) -> str:
    """Return what a start on ``url`` is told."""
    store = Store(url, MIGRATIONS, threaded=False)
    try:
        with pytest.raises(StoreUnavailable) as caught:
            store.upgrade()
    finally:
        store.close()
    return str(caught.value)


def test_a_server_that_is_not_there() -> None:
    port = free_port()
    told = refusal(f"postgresql://ledger:secret@127.0.0.1:{port}/site")
    assert "database site on 127.0.0.1" in told
    assert "refused" in told.lower()
    assert "secret" not in told


@pytest.mark.postgresql
def test_a_role_or_a_database_that_is_not_there(postgresql_url: str) -> None:
    server, _, database = postgresql_url.rpartition("/")
    assert 'database "nowhere" does not exist' in refusal(f"{server}/nowhere")
    stranger = server.replace("postgres@", "stranger@")
    assert 'role "stranger" does not exist' in refusal(f"{stranger}/{database}")
