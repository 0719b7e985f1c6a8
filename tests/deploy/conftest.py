"""One site for all tests that only look at it."""

from collections.abc import Iterator

import pytest

from tests.deploy.site import Site


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that is ready. Tests may command its chargers, but not end it."""
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site.wait_ready()
