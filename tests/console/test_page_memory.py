"""Programs that only fetch the page do not fill the memory; the whole measurement is ``tests.bench.page_memory``."""

import pytest

from tests.bench.page_memory import MOST, measure


@pytest.mark.slow
async def test_fetching_the_page_again_and_again_costs_no_memory() -> None:
    assert await measure(500, 150) <= MOST
