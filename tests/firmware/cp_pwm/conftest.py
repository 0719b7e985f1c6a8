"""Builds the C core once for all tests of the control pilot."""

import shutil
from collections.abc import Iterator

import pytest

from tests.firmware.cp_pwm.bench import Bench
from tests.firmware.cp_pwm.native import Native, make


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Native:
    """The C core; skips where there is no compiler."""
    if shutil.which("cc") is None or shutil.which("make") is None:
        pytest.skip("needs a C compiler (cc) and make")
    return Native(make(tmp_path_factory.mktemp("native")))


@pytest.fixture(autouse=True)
def _c_core_beside_every_bench(request: pytest.FixtureRequest) -> Iterator[None]:
    if shutil.which("cc") is not None and shutil.which("make") is not None:
        Bench.native = request.getfixturevalue("native")
    yield
    Bench.native = None
