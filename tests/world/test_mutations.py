"""The world is worth something: it catches each of these bugs, and by the invariant that they break."""

import re

import pytest

from tests.world.mutations import MUTATIONS, seeds_until_caught
from tests.world.world import Plan


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_caught(mutation) -> None:
    count, problem = seeds_until_caught(mutation, Plan(1), 25)
    assert count, f"{mutation.__doc__} Nothing was noticed in 25 seeds."
    found = re.match(r"Violation: invariant (\d+)", problem)
    assert found and int(found[1]) in MUTATIONS[mutation], problem
