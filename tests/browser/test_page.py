"""What an operator sees in a real browser."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from bus_schema.charger_messages import ActiveFault
from bus_schema.topics import CHARGER_STATE
from bus_schema.words import ChargerStatus, Fault, Severity
from tests.brokers import RunningBroker
from tests.browser.conftest import ConsoleProcess, Windows
from tests.browser.stage import Stage, now_ms
from tests.console import messages
from tests.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.broker]

SOON_MS = 5000
"""A change is to be seen within a second or two; machines that run tests are slow."""


def card(page: Page, charger: str):
    return page.locator(f'[data-charger="{charger}"]')


def test_an_empty_site_says_what_to_do_and_fills_by_itself(
    console: ConsoleProcess, stage: Stage, windows: Windows
) -> None:
    page = windows.open(console.url)
    expect(page.get_by_role("heading", name="No charger has been heard of yet")).to_be_visible()
    expect(page.locator(".empty")).to_contain_text("chargebus doctor")
    stage.charger("c1")
    expect(card(page, "c1")).to_contain_text("Available", timeout=SOON_MS)
    expect(page.locator(".empty")).to_have_count(0)
    expect(page.locator(".link")).to_contain_text("Live", timeout=SOON_MS)


def test_a_session_is_seen_as_it_goes_without_reloading(
    console: ConsoleProcess, stage: Stage, windows: Windows
) -> None:
    stage.charger("c1")
    page = windows.open(console.url)
    page.evaluate("window.neverReloaded = true")
    expect(card(page, "c1")).to_contain_text("Ready for a car.", timeout=SOON_MS)

    stage.state("c1", ChargerStatus.PREPARING)
    expect(card(page, "c1")).to_contain_text("Preparing", timeout=SOON_MS)

    session = messages.session(started_ts=now_ms())
    stage.state("c1", session=session)
    stage.measured("c1", 15.5, energy_wh=5234, session_id=session.session_id)
    one = card(page, "c1")
    expect(one).to_contain_text("Charging", timeout=SOON_MS)
    expect(one).to_contain_text("10.7 kW")
    expect(one.locator(".amperes")).to_have_text(["15.5 A", "15.5 A", "15.5 A"])
    expect(one).to_contain_text("1.23 kWh")
    expect(one).to_contain_text("Offers 16 A")
    expect(one.locator(".session")).to_contain_text(re.compile(r"since \d\d:\d\d"))

    stage.state(
        "c1",
        session=session,
        offered_current_a=9.0,
        limited_by="load_balancer",
        limit_reason="9 A: phase L2 of circuit garage is full",
    )
    expect(one).to_contain_text("9 A: phase L2 of circuit garage is full", timeout=SOON_MS)
    expect(one).to_contain_text("Offers 9 A")
    assert page.evaluate("window.neverReloaded") is True


def test_measured_values_that_stop_become_unknown_and_never_zero(
    console: ConsoleProcess, stage: Stage, windows: Windows
) -> None:
    stage.charger("c1", ChargerStatus.CHARGING, session=messages.session())
    page = windows.open(console.url)
    stage.measured("c1", 15.5)
    expect(card(page, "c1").locator(".power")).to_have_text("10.7 kW", timeout=SOON_MS)
    expect(card(page, "c1").locator(".power")).to_have_text("unknown", timeout=10_000)
    expect(card(page, "c1").locator(".amperes")).to_have_text(["unknown"] * 3)
    assert not re.search(r"\b0(\.0)? (A|kW)\b", card(page, "c1").inner_text())


def test_a_charger_that_is_gone_is_offline_with_what_may_still_be_true(
    console: ConsoleProcess, stage: Stage, windows: Windows
) -> None:
    stage.charger("c1", ChargerStatus.CHARGING, session=messages.session())
    stage.charger("c2")
    page = windows.open(console.url)
    expect(card(page, "c1")).to_contain_text("Charging", timeout=SOON_MS)
    stage.offline("c1")
    expect(card(page, "c1")).to_have_attribute("data-connection", "offline", timeout=SOON_MS)
    expect(card(page, "c1")).to_contain_text("It may still be charging")
    expect(card(page, "c1")).to_contain_text("Offers: unknown")
    expect(page.locator(".total")).to_contain_text("1 unknown")
    expect(card(page, "c2")).to_have_attribute("data-connection", "online")


def test_an_old_state_kept_by_the_broker_is_not_shown_as_new(
    console: ConsoleProcess, stage: Stage, windows: Windows
) -> None:
    console.kill()
    stage.say(CHARGER_STATE, messages.state(ts=now_ms() - 120_000, session=messages.session()), charger="c1")
    console.start()
    page = windows.open(console.url)
    expect(card(page, "c1")).to_contain_text("Silent", timeout=SOON_MS)
    expect(card(page, "c1")).to_contain_text("Last known: Charging")


def test_faults_alarms_and_agents_are_seen_and_go(console: ConsoleProcess, stage: Stage, windows: Windows) -> None:
    fault = ActiveFault(fault=Fault.RESIDUAL_CURRENT, since_ts=now_ms(), detail="8 mA DC: unplug the car.")
    stage.charger("c1", ChargerStatus.FAULTED, faults=[fault])
    stage.agent("ledger")
    stage.agent("access", online=False)
    stage.alarm("c1-rcd", Severity.CRITICAL, "Residual current.", "Inspect the cable.", "c1")
    page = windows.open(console.url)
    expect(card(page, "c1").locator(".fault")).to_contain_text("Residual current 8 mA DC: unplug the car.")
    expect(page.locator('[data-alarm="c1-rcd"]')).to_contain_text("Inspect the cable.")
    expect(page.locator('[data-agent="ledger"]')).to_contain_text("running")
    expect(page.locator('[data-agent="access"]')).to_contain_text("stopped")
    expect(page.locator('[data-agent="console"]')).to_contain_text("running")
    stage.alarm_over("c1-rcd")
    stage.state("c1", ChargerStatus.AVAILABLE)
    stage.agent("ledger", problems=("The database is locked.",))
    expect(page.locator('[data-alarm="c1-rcd"]')).to_have_count(0, timeout=SOON_MS)
    expect(card(page, "c1").locator(".fault")).to_have_count(0)
    expect(page.locator('[data-agent="ledger"]')).to_contain_text("The database is locked.")


def test_a_lost_broker_is_said_and_its_return_seen(
    console: ConsoleProcess, stage: Stage, windows: Windows, broker: RunningBroker
) -> None:
    stage.charger("c1")
    page = windows.open(console.url)
    expect(page.locator(".link")).to_contain_text("Live", timeout=SOON_MS)
    assert console.get("/health")[0] == 200
    broker.kill()
    expect(page.locator('[data-banner="broker"]')).to_be_visible(timeout=10_000)
    assert console.get("/health")[0] == 503
    broker.restart()
    expect(page.locator('[data-banner="broker"]')).to_have_count(0, timeout=30_000)


def test_a_lost_console_is_said_and_the_page_comes_back_by_itself(
    console: ConsoleProcess, stage: Stage, windows: Windows
) -> None:
    stage.charger("c1")
    page = windows.open(console.url)
    expect(card(page, "c1")).to_be_visible(timeout=SOON_MS)
    windows.expected_losses = True
    console.kill()
    expect(page.locator('[data-banner="console"]')).to_be_visible(timeout=15_000)
    console.start()
    expect(page.locator('[data-banner="console"]')).to_have_count(0, timeout=30_000)
    stage.state("c1", ChargerStatus.PREPARING)
    expect(card(page, "c1")).to_contain_text("Preparing", timeout=SOON_MS)


def test_hostile_words_are_only_words(console: ConsoleProcess, stage: Stage, windows: Windows) -> None:
    evil = "</script><img src=x onerror=alert(1)> {{ 7 * 7 }} ${7*7} '\"\\ \u2028"
    stage.charger("c1", limit_reason=evil)
    page = windows.open(console.url)
    expect(card(page, "c1").locator(".reason")).to_contain_text("<img src=x onerror=alert(1)> {{ 7 * 7 }}")
    stage.state("c1", ChargerStatus.CHARGING, limit_reason=evil + "2", session=messages.session())
    expect(card(page, "c1").locator(".reason")).to_contain_text("</script><img", timeout=SOON_MS)
    assert page.locator(".card img").count() == 0


def test_the_endpoints_tell_programs_the_same(console: ConsoleProcess, stage: Stage) -> None:
    stage.charger("c1", ChargerStatus.CHARGING, session=messages.session())
    status, answer = eventually_sync(
        lambda: (found := console.get("/api/chargers"))[1] and "Charging" in str(found[1]) and found, 5, "a charger"
    )
    assert status == 200
    assert answer["summary"]["site"] == "garage"
    (only,) = answer["chargers"]
    assert (only["charger"], only["status"], only["offered_current_a"]) == ("c1", "Charging", 16.0)
    assert only["power_w"] is None
    assert console.get("/api/nothing") == (404, {"detail": "no such endpoint"})


def test_a_filter_shows_only_what_is_asked_for(console: ConsoleProcess, stage: Stage, windows: Windows) -> None:
    stage.charger("c1")
    stage.charger("c2", ChargerStatus.CHARGING)
    page = windows.open(console.url)
    expect(page.locator(".card")).to_have_count(2, timeout=SOON_MS)
    page.get_by_role("button", name="Charging 1").click()
    expect(page.locator(".card")).to_have_count(1)
    expect(card(page, "c2")).to_be_visible()
    page.get_by_role("button", name="All 2").click()
    expect(page.locator(".card")).to_have_count(2)


def test_it_ends_when_told_to_with_windows_open(console: ConsoleProcess, windows: Windows) -> None:
    windows.open(console.url)
    windows.expected_losses = True
    assert console.stop() == 0


@pytest.mark.slow
def test_a_hundred_chargers_at_one_hertz_cost_little(console: ConsoleProcess, stage: Stage, windows: Windows) -> None:
    """At most two messages a second to each window, and a small part of one core for all of it."""
    chargers = [f"c{number}" for number in range(1, 101)]
    for charger in chargers:
        stage.charger(charger, ChargerStatus.CHARGING, session=messages.session())
    pages = [windows.open(console.url) for _ in range(2)]
    for page in pages:
        expect(page.locator(".card")).to_have_count(100, timeout=SOON_MS)
    windows.frames.clear()
    began_s, cpu_before_s = time.monotonic(), cpu_s(console.pid)
    for second in range(10):
        for charger in chargers:
            stage.measured(charger, 10 + second / 10, energy_wh=5000 + second)
        pages[0].wait_for_timeout(max(0, (began_s + second + 1 - time.monotonic()) * 1000))
    elapsed_s = time.monotonic() - began_s
    share = (cpu_s(console.pid) - cpu_before_s) / elapsed_s
    told = [frame for frame in windows.frames if "runMethod" in frame]
    print(
        f"100 chargers at 1 Hz, 2 windows: {100 * share:.1f} % of a core, {len(told) / elapsed_s / 2:.2f} messages/s "
        f"and {sum(map(len, told)) / elapsed_s / 2 / 1000:.1f} kB/s a window"
    )
    assert share < 0.25
    assert len(told) / elapsed_s / 2 <= 2


def cpu_s(pid: int) -> float:
    """Processor time of a process, user and system."""
    import os
    from pathlib import Path

    values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")
