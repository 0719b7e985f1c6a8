"""A real browser, a real console process, a real broker, and chargers that say what a test tells them to."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.brokers import RunningBroker, free_port
from tests.browser.stage import SITE, Stage
from tests.missing import missing
from tests.processes import ROOT, start_agent
from tests.waiting import eventually_sync

ARTEFACTS = ROOT / "artefacts"
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",  # in a container that memory is small and shared with others
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

CHANGED_NETWORK = "net::ERR_NETWORK_CHANGED"
"""What the browser says when the machine, not the page, gets or loses a network interface: a container's, say."""


class ConsoleProcess:
    """The console as an operator runs it."""

    def __init__(self, folder: Path, broker: RunningBroker) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._folder = folder
        self._log = folder / "console.log"
        (folder / "site.toml").write_text(
            f'site = "{SITE}"\n[broker]\nhost = "{broker.host}"\nport = {broker.port}\n'
            f'[console]\nport = {self.port}\ntitle = "Garage Nord"\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        process = self._process = start_agent("console", self._folder / "site.toml", self._log)

        def serves() -> bool:
            assert process.poll() is None, f"the console ended:\n{self._log.read_text()[-3000:]}"
            return self.get("/health")[0] is not None

        eventually_sync(serves, 20, "the console serves its page")

    def get(self, path: str) -> tuple[int | None, Any]:
        """Return status and JSON of one of its endpoints; (None, None) while nobody answers."""
        import urllib.error
        import urllib.request

        try:
            with urllib.request.urlopen(self.url.rstrip("/") + path, timeout=2) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return None, None

    def stop(self) -> int:
        """End it as systemd does; return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(10)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """A browser for one test: while Playwright runs, its event loop would stand in the way of asynchronous tests."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def console(broker: RunningBroker, tmp_path: Path) -> Iterator[ConsoleProcess]:
    process = ConsoleProcess(tmp_path, broker)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def stage(broker: RunningBroker) -> Iterator[Stage]:
    with Stage(broker.host, broker.port) as stage:
        yield stage


class Windows:
    """Opens windows and notes what they complain about and where they want to connect."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.frames: list[str] = []
        self.expected_losses = False

    def open(self, url: str, **options: Any) -> Page:
        context = self._browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", self._requested)
        page.on("websocket", lambda socket: socket.on("framereceived", lambda data: self.frames.append(str(data))))
        page.goto(url)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if CHANGED_NETWORK in message.text:
            return
        if message.type in ("error", "warning") and not self.expected_losses:
            self.complaints.append(f"{message.type}: {message.text}")

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    windows = Windows(chromium)
    yield windows
    windows.close()
    assert windows.complaints == []
    strangers = [url for url in windows.requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
    assert strangers == [], "the page asked another host"


@pytest.fixture(scope="session")
def artefacts() -> Path:
    folder = Path(os.environ.get("CHARGEBUS_ARTEFACTS", ARTEFACTS))
    folder.mkdir(exist_ok=True)
    return folder
