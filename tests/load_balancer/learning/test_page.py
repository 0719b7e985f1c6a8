"""docs/departures.md: its settings are those that the balancer has, and do what the page says."""

import re
from pathlib import Path

from agents.load_balancer.settings import Learning, LoadBalancerSettings
from agents.runtime.configuration.site_config import load_site
from tests.load_balancer.harness import Site

PAGE = (Path(__file__).parents[3] / "docs/departures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def settings(block: str, folder: Path) -> LoadBalancerSettings:
    (folder / "site.toml").write_text(f'site = "garage"\n{block}', encoding="utf-8")
    return load_site(folder / "site.toml").settings("load_balancer", LoadBalancerSettings)


def test_the_settings_on_the_page_are_the_defaults(tmp_path: Path) -> None:
    kept, off = (settings(block, tmp_path) for block in BLOCKS)
    assert kept.learning == Learning()
    assert kept.timezone == "Europe/Berlin"
    assert not off.learning.enabled


async def test_a_balancer_runs_with_them(tmp_path: Path) -> None:
    for block in BLOCKS:
        chosen = settings(block, tmp_path)
        table = {
            "circuits": {"main": {"limit_a": 40.0}},
            "chargers": {"c1": {"circuit": "main"}},
            "timezone": chosen.timezone,
            "learning": chosen.learning.model_dump(),
        }
        async with Site(table) as site:
            await site.ready("c1")
            assert site.chargers["c1"].lease_a == 32
