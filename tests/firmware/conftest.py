"""What the tests of the firmware share."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from firmware.boards import login, trial


@pytest.fixture(scope="module")
def quick_boots() -> Iterator[None]:
    """Let boots collect no garbage: CPython's collector looks at everything that a run of tests has made."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (login, trial):
            patch.setattr(module, "gc", SimpleNamespace(collect=lambda: None))
        yield
