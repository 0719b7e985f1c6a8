"""One site for all tests that only look at it, or command it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.site import Site


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the one site in one process where several run tests at once."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "running" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("running"))


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that is ready. Tests may command its chargers and kill its agents, but not end it."""
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site.wait_ready()
