"""The page over a small site of real processes: virtual chargers with the firmware's app, access and ledger."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from firmware.sim.visits import CARDS, demo_card
from tests.brokers import RunningBroker
from tests.browser.conftest import ConsoleProcess, Windows
from tests.browser.stage import SITE
from tests.processes import ROOT, start_agent
from tests.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
def site(broker: RunningBroker, tmp_path: Path) -> Iterator[None]:
    """Six virtual chargers whose drivers come at once, and the agents that let them charge."""
    cards = ", ".join(f'{{uid = "{demo_card(number)}"}}' for number in range(CARDS))
    config = tmp_path / "agents.toml"
    config.write_text(
        f'site = "{SITE}"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n[access]\ncards = [{cards}]\n'
    )
    chargers = [sys.executable, "-m", "firmware.sim", "--site", SITE, "--host", broker.host, "--port", str(broker.port)]
    processes = [start_agent(name, config, tmp_path / f"{name}.log") for name in ("ledger", "access")]
    # A card that is held out before access listens is too old by the time it does: drivers would have to try again.
    eventually_sync(lambda: '"connected"' in (tmp_path / "access.log").read_text(), 20, "access is connected")
    with (tmp_path / "chargers.log").open("ab") as log:
        processes.append(
            subprocess.Popen([*chargers, "--data", str(tmp_path / "chargers")], cwd=ROOT, stdout=log, stderr=log)
        )
    yield
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(15)


def test_six_cars_are_seen_to_charge(site: None, console: ConsoleProcess, windows: Windows, artefacts: Path) -> None:
    page = windows.open(console.url, viewport={"width": 1600, "height": 1000}, reduced_motion="reduce")
    expect(page.locator(".card")).to_have_count(6, timeout=20_000)
    expect(page.locator(".card.charging")).to_have_count(6, timeout=40_000)
    expect(page.locator(".power.unknown")).to_have_count(0, timeout=10_000)
    for charger in range(1, 7):
        card = page.locator(f'[data-charger="c{charger}"]')
        expect(card.locator(".reason")).not_to_be_empty()
        expect(card.locator(".session")).to_contain_text(re.compile(r"\d k?Wh"))
    before = page.locator(".total").inner_text()
    assert before != "unknown"
    for agent in ("ledger", "access", "console"):
        expect(page.locator(f'[data-agent="{agent}"]')).to_contain_text("running")
    page.screenshot(path=artefacts / "console-site.png", full_page=True)
