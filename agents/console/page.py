"""The page and the server under it, as one thing that starts and stops.

Imported only when the console starts: NiceGUI and its web server cost half a second and 30 MB, which the other
agents need not pay for reading the console's settings.
"""

from collections.abc import Callable, Sequence

from agents.console.board import Boards, install
from agents.console.cards import Snapshot
from agents.console.changes import changes, whole
from agents.console.web import POLICY, build_api
from agents.runtime.http_server import HttpServer


class Page:
    """What browsers see of the site."""

    def __init__(
        self, title: str, snapshot: Callable[[], Snapshot], host: str, port: int, hosts: Sequence[str] = ()
    ) -> None:
        """Serve what ``snapshot`` returns at ``host`` and ``port``, also under the names ``hosts``."""
        self._snapshot = snapshot
        self._shown = snapshot()
        self._boards = Boards(title, lambda: whole(self._shown))
        app = build_api(snapshot)
        install(app, title, self._boards)
        self._server = HttpServer(
            app,
            host,
            port,
            what="the page",
            settings="host or port in section [console]",
            hosts=hosts,
            policy=POLICY,
        )

    @property
    def running(self) -> bool:
        """Whether the page is being served."""
        return self._server.running

    @property
    def windows(self) -> int:
        """How many browser windows show it."""
        return len(self._boards)

    async def start(self) -> str:
        """Begin to serve; return the address. Raises :class:`agents.runtime.agent.CannotStart`."""
        return await self._server.start()

    async def stop(self) -> None:
        """Close every connection and end."""
        await self._server.stop()

    def refresh(self) -> None:
        """Tell the open windows what has changed since the last time."""
        now = self._snapshot()
        found = changes(self._shown, now)
        self._shown = now
        self._boards.show(found)
