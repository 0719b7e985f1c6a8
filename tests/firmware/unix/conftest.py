"""The program, once for all tests of the unix port."""

import pytest

from tests.firmware.unix.program import micropython


@pytest.fixture(scope="session")
def unix_port() -> str:
    """MicroPython's unix port with the native module in it."""
    return micropython()
