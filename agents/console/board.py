"""The live page, in NiceGUI: one Vue component that is told what has changed.

NiceGUI keeps its application in a module of its own, so a process can serve one console. Everything that NiceGUI
must be told stands in this file. One component for the whole board instead of an element per value keeps the work
for another open page at writing one string to its socket.
"""

import gc
import json
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from nicegui import Client, core, ui
from nicegui.element import Element

from agents.console.changes import Json

_STATIC = Path(__file__).parent / "static"
_RECONNECT_S = 10.0
"""How long a page's connection may be gone before the server forgets it; the page is then loaded anew. s."""

MOST_WAITING = 50
"""Pages that were sent and whose sockets have not been connected: NiceGUI keeps some 60 KiB for each, for a minute.
Programs that only fetch the page never connect; of more than this many, the oldest are forgotten."""

COLLECT_AFTER = 50
"""Windows that are forgotten before Python is made to find what of them is left in memory."""


class SiteBoard(Element, component="static/site_board.js"):
    """The board in one browser window."""

    def __init__(self, title: str, everything: Json) -> None:
        """Show ``everything`` (:func:`agents.console.changes.whole`) under ``title``."""
        super().__init__()
        self._props["title"] = title
        self._props["initial"] = everything

    def tell(self, method: str, argument: str) -> None:
        """Call ``reset`` or ``apply`` in the browser with a JSON text."""
        self.client.run_javascript(f"runMethod({self.id}, {json.dumps(method)}, [{argument}])")


class Boards:
    """All windows that are open."""

    def __init__(self, title: str, everything: Callable[[], Json]) -> None:
        """A window that opens begins with what ``everything`` returns, under ``title``."""
        self._title = title
        self._everything = everything
        self._open: dict[str, SiteBoard] = {}
        self._waiting: dict[str, Client] = {}
        """Those that have not been connected yet, the oldest first."""
        self._forgotten = 0

    def __len__(self) -> int:
        """Return how many windows are connected."""
        return sum(board.client.has_socket_connection for board in self._open.values())

    def show(self, found: Json) -> None:
        """Tell every window what has changed; also when nothing has, so that it knows the console is alive."""
        argument = json.dumps(found, separators=(",", ":"))
        for board in self._open.values():
            if board.client.has_socket_connection:
                board.tell("apply", argument)

    def open(self) -> None:
        """Build the page for a new window."""
        client = ui.context.client
        self._open[client.id] = SiteBoard(self._title, self._everything())
        client.on_connect(lambda connected: self._connected(connected))
        client.on_delete(lambda gone: self._forget(gone))
        self._waiting[client.id] = client
        while len(self._waiting) > MOST_WAITING:
            self._waiting.pop(next(iter(self._waiting))).delete()
            self._forgotten += 1
        if self._forgotten >= COLLECT_AFTER:
            # A window is full of cycles, and the process collects those rarely (agents.runtime.process).
            self._forgotten = 0
            gc.collect()

    def _connected(self, client: Client) -> None:
        self._waiting.pop(client.id, None)
        # Between the page being sent and its socket being connected, and while that was lost, changes were missed.
        self._open[client.id].tell("reset", json.dumps(self._everything(), separators=(",", ":")))

    def _forget(self, client: Client) -> None:
        self._waiting.pop(client.id, None)
        self._open.pop(client.id, None)


def install(app: FastAPI, title: str, boards: Boards) -> None:
    """Serve the page at ``/`` of ``app``. Routes of ``app`` that are added later are hidden by it."""
    app.mount("/console", StaticFiles(directory=_STATIC), name="console")

    @ui.page("/", title=title, favicon=_STATIC / "icon.svg")
    def page() -> None:
        ui.add_head_html('<link rel="stylesheet" href="/console/console.css">')
        boards.open()

    ui.run_with(
        app,
        dark=None,
        tailwind=False,
        binding_refresh_interval=None,
        reconnect_timeout=_RECONNECT_S,
        show_welcome_message=False,
    )
    # NiceGUI allows every origin, and credentials with it. Without this it answers nothing about origins; foreign ones
    # never get here (agents.runtime.serving.browser_guard).
    core.sio.eio.cors_allowed_origins = []
    # A session of long polling outlives its connection, so that nothing would bound their number.
    core.sio.eio.transports = core.app.config.socket_io_js_transports = ["websocket"]
