"""The databases that the ledger's tests use too."""

from tests.ledger.conftest import store_url

__all__ = ["store_url"]
