"""A page of another origin, in a real browser: it can neither read, nor steer, nor frame the console."""

import asyncio
import threading
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from playwright.sync_api import Browser, Page, expect

from agents.runtime.serving.plain_http import Answer, Request, serving
from tests.brokers import RunningBroker, free_port
from tests.browser.conftest import FLAGS, ConsoleProcess
from tests.browser.stage import Stage
from tests.processes import start_agent
from tests.waiting import eventually_sync

pytestmark = [pytest.mark.browser, pytest.mark.broker]

SOON_MS = 5000

ATTACK = """async ([http, ws, station]) => {
    const tried = {};
    const attempt = async (name, work) => { try { tried[name] = await work(); } catch { tried[name] = "refused"; } };
    const socket = (url, protocols) => new Promise((resolve, reject) => {
        const one = new WebSocket(url, protocols);
        one.onopen = () => resolve("open");
        one.onerror = reject;
    });
    await attempt("read", async () => (await fetch(http + "api/chargers")).text());
    await attempt("read with cookies", async () => (await fetch(http, {credentials: "include"})).text());
    await attempt("blind", async () => (await fetch(http + "api/chargers", {mode: "no-cors"})).status ? "?" : "opaque");
    await attempt("post", async () => (await fetch(http + "api/chargers", {method: "POST", body: "x"})).text());
    const poll = "_nicegui_ws/socket.io/?EIO=4&transport=";
    await attempt("polling", async () => (await fetch(http + poll + "polling", {credentials: "include"})).text());
    await attempt("socket", () => socket(ws + poll + "websocket"));
    await attempt("station", () => socket(station, ["ocpp1.6"]));
    await attempt("script", () => new Promise((resolve, reject) => {
        const one = document.createElement("script");
        one.onload = () => resolve("loaded"); one.onerror = reject; one.src = http + "console/site_board.js";
        document.head.append(one);
    }));
    return tried;
}"""


@pytest.fixture
def evil() -> Iterator[int]:
    """Port of a page of somebody else's on this machine: another origin, the same site."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    port = 0

    async def page(_request: Request) -> Answer:
        # Its own policy must not be what saves the console: this server's answers are bare of scripts already.
        return Answer(HTTPStatus.OK, b"<!doctype html><title>evil</title><h1>Win a car</h1>", "text/html")

    async def serve() -> None:
        nonlocal port
        async with serving(page, "127.0.0.1", 0) as port:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(5)
    yield port
    loop.call_soon_threadsafe(stop.set)
    thread.join(5)
    loop.close()


@pytest.fixture
def station_port(broker: RunningBroker, tmp_path) -> Iterator[int]:
    """Port of a csms whose station needs no password: the browser alone stands in the way."""
    port = free_port()
    config = tmp_path / "csms.toml"
    config.write_text(
        f'site = "garage"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n'
        f"[csms]\nport = {port}\n[csms.stations.box]\nwithout_password = true\n"
    )
    process = start_agent("csms", config, tmp_path / "csms.log")
    eventually_sync(lambda: "stations_may_connect" in (tmp_path / "csms.log").read_text(), 20, "stations may connect")
    yield port
    process.kill()
    process.wait()


def foreign(chromium: Browser, url: str) -> Page:
    # The page's own policy would hide what the console's does.
    page = chromium.new_context(bypass_csp=True).new_page()
    page.goto(url)
    return page


def test_a_page_of_another_origin_reaches_neither_console_nor_stations(
    console: ConsoleProcess, stage: Stage, chromium: Browser, evil: int, station_port: int
) -> None:
    stage.charger("c1")
    for name in ("localhost", "127.0.0.1"):
        page = foreign(chromium, f"http://{name}:{evil}/")
        where = f"ws://127.0.0.1:{station_port}/ocpp/box"
        tried = page.evaluate(ATTACK, [console.url, console.url.replace("http", "ws"), where])
        assert set(tried.values()) <= {"refused", "opaque"} and tried.pop("blind") in ("refused", "opaque"), tried
        assert set(tried.values()) == {"refused"}, tried


def test_the_console_cannot_be_framed_nor_sent_to_another_host(
    console: ConsoleProcess, stage: Stage, chromium: Browser, evil: int
) -> None:
    stage.charger("c1")
    page = foreign(chromium, f"http://localhost:{evil}/")
    page.evaluate(
        "url => { const one = document.createElement('iframe'); one.src = url; document.body.append(one); }",
        console.url,
    )
    page.wait_for_timeout(1500)
    assert all("Garage Nord" not in frame.content() for frame in page.frames)

    own = chromium.new_context().new_page()
    own.goto(console.url)
    expect(own.locator('[data-charger="c1"]')).to_contain_text("Available", timeout=SOON_MS)
    leak = "url => fetch(url, {mode: 'no-cors'}).then(() => 'sent', () => 'refused')"
    assert own.evaluate(leak, f"http://127.0.0.1:{evil}/") == "refused"
    socket = "url => new Promise(r => { try { const s = new WebSocket(url); s.onopen = () => r('open'); s.onerror = () => r('refused'); } catch { r('refused'); } })"
    assert own.evaluate(socket, f"ws://127.0.0.1:{evil}/") == "refused"


def test_a_name_that_points_at_the_console_opens_nothing(console: ConsoleProcess, chromium: Browser) -> None:
    """DNS rebinding: the attacker's own name leads to this machine."""
    rebound = chromium.browser_type.launch(
        executable_path=_program(), args=[*FLAGS, "--host-resolver-rules=MAP evil.example 127.0.0.1"]
    )
    try:
        page = rebound.new_page()
        answer = page.goto(f"http://evil.example:{console.port}/api/chargers")
        assert answer is not None and answer.status == 421
        assert "hosts in site.toml" in page.content()
    finally:
        rebound.close()


def _program() -> str:
    import shutil

    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found is not None
    return found
