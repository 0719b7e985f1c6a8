"""Pictures of the page for people to look at (kept as a CI artefact), and what a program can check of its looks."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bus_schema.charger_messages import ActiveFault
from bus_schema.words import ChargerStatus, CpState, Fault, Severity
from tests.browser.conftest import ConsoleProcess, Windows
from tests.browser.stage import Stage, now_ms
from tests.console import messages

pytestmark = [pytest.mark.browser, pytest.mark.broker]

WINDOWS = {
    "desktop": {"viewport": {"width": 1600, "height": 1000}},
    "dark": {"viewport": {"width": 1600, "height": 1000}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True},
    "phone-dark": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "color_scheme": "dark",
    },
}


def a_busy_morning(stage: Stage) -> None:
    began = now_ms()

    def running(hours_ago: float, **fields: object) -> dict[str, object]:
        return {"session": messages.session(started_ts=began - round(hours_ago * 3_600_000), **fields)}

    full = {"offered_current_a": 9.0, "limited_by": "load_balancer"}
    stage.charger("c1", ChargerStatus.CHARGING, **running(1.2, energy_wh=11_420))
    stage.charger(
        "c2",
        ChargerStatus.CHARGING,
        **running(0.4, energy_wh=2310),
        **full,
        limit_reason="9 A: phase L2 of circuit garage is full",
    )
    stage.charger("c3", limit_reason="32 A: what this charger is rated for")
    stage.charger("c4", ChargerStatus.SUSPENDED_EV, **running(5, energy_wh=38_900), offered_current_a=16.0)
    stage.charger("c5", ChargerStatus.PREPARING, cp_state=CpState.B, limit_reason="0 A: nobody is authorised")
    fault = ActiveFault(
        fault=Fault.RESIDUAL_CURRENT, since_ts=began - 600_000, detail="8.2 mA DC. Unplug the car, check its cable."
    )
    stage.charger("c6", ChargerStatus.FAULTED, faults=[fault], limit_reason="0 A: residual current")
    stage.charger(
        "c7",
        ChargerStatus.SUSPENDED_EVSE,
        **running(2, energy_wh=7200),
        paused=True,
        limited_by="pause",
        limit_reason="0 A: paused by technician: cable is being checked",
    )
    stage.charger("c8", ChargerStatus.FINISHING, limit_reason="0 A: the session has ended")
    stage.charger("c9", ChargerStatus.UNAVAILABLE, available=False, limit_reason="0 A: out of service")
    stage.charger("c10", ChargerStatus.CHARGING, **running(3, energy_wh=20_000))
    stage.offline("c10")
    for agent in ("ledger", "load_balancer"):
        stage.agent(agent)
    stage.agent("access", online=False)
    stage.alarm(
        "c6-residual", Severity.CRITICAL, "Residual current.", "Unplug the car, inspect cable and inlet, reset.", "c6"
    )
    stage.alarm("l2", Severity.WARNING, "Phase L2 of circuit garage carries 61 A of 63 A.", "Chargers were reduced.")


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("name", WINDOWS)
def test_picture(name: str, console: ConsoleProcess, stage: Stage, windows: Windows, artefacts: Path) -> None:
    a_busy_morning(stage)
    page = windows.open(console.url, reduced_motion="reduce", **WINDOWS[name])
    expect(page.locator(".card")).to_have_count(10)
    for charger, amperes in (("c1", 15.6), ("c2", 8.8)):
        stage.measured(charger, amperes)
    expect(page.locator('[data-charger="c1"] .power')).to_have_text("10.8 kW", timeout=5000)
    expect(page.locator(".link")).to_contain_text("Live", timeout=5000)
    assert overflow(page) <= 0
    page.screenshot(path=artefacts / f"console-{name}.png", full_page=True)
    assert contrasts(page) >= 4.5


def test_picture_of_an_empty_site(console: ConsoleProcess, windows: Windows, artefacts: Path) -> None:
    page = windows.open(console.url, **WINDOWS["phone"])
    expect(page.locator(".empty")).to_be_visible()
    assert overflow(page) <= 0
    page.screenshot(path=artefacts / "console-empty.png", full_page=True)


def test_picture_of_a_hundred_chargers(
    console: ConsoleProcess, stage: Stage, windows: Windows, artefacts: Path
) -> None:
    statuses = [ChargerStatus.CHARGING] * 5 + [ChargerStatus.AVAILABLE] * 3 + [ChargerStatus.SUSPENDED_EV]
    for number in range(100):
        status = statuses[number % 9]
        busy = (
            {"session": messages.session(started_ts=now_ms() - number * 60_000)} if number % 9 not in (5, 6, 7) else {}
        )
        stage.charger(f"c{number + 1}", status, **busy)
    page = windows.open(console.url, **WINDOWS["desktop"])
    expect(page.locator(".card")).to_have_count(100)
    for number in range(100):
        if statuses[number % 9] is ChargerStatus.CHARGING:
            stage.measured(f"c{number + 1}", 6.0 + number % 26)
    expect(page.locator('[data-charger="c1"] .power')).to_have_text("4.1 kW", timeout=5000)
    assert overflow(page) <= 0
    page.screenshot(path=artefacts / "console-hundred.png", full_page=True)


def contrasts(page: Page) -> float:
    """Return the smallest contrast ratio (WCAG 2) of a text on its nearest opaque ground."""
    return page.evaluate(
        """() => {
          const parse = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
          const opaque = (colour) => { const p = parse(colour); return p.length === 3 || p[3] === 1; };
          const light = (colour) => {
            const [r, g, b] = parse(colour).map((v) => v / 255)
              .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          let least = 21;
          const walker = document.createTreeWalker(document.querySelector(".board"), NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const node = walker.currentNode;
            if (!node.textContent.trim()) continue;
            let ground = node.parentElement;
            while (ground && !opaque(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
            if (!ground) continue;
            const a = light(getComputedStyle(node.parentElement).color);
            const b = light(getComputedStyle(ground).backgroundColor);
            least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
          }
          return least;
        }"""
    )
