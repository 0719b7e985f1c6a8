"""The HTTP side of the console: its JSON endpoints, and what every answer says of itself."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, HTTPException, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.console.cards import Snapshot

_POLICY = (
    "default-src 'self' data:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'self'"
)
"""Nothing is loaded from another host: garages are offline. Vue compiles its templates, hence ``unsafe-eval``."""


class _PolicyHeader:
    """Adds the content security policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, receive, send_with_policy)


def build_api(snapshot: Callable[[], Snapshot]) -> FastAPI:
    """Return an application with the read-only endpoints.

    ``GET /api/chargers`` gives what the page shows, null meaning unknown. ``GET /health`` answers 200 while the
    console has its broker, else 503.
    """
    # FastAPI's own documentation pages would load scripts from a foreign host.
    app = FastAPI(title="chargebus console", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.add_middleware(_PolicyHeader)

    @app.get("/api/chargers")
    async def chargers() -> dict[str, Any]:
        now = snapshot()
        return {"summary": asdict(now.summary), "chargers": [asdict(card) for card in now.chargers]}

    @app.get("/health")
    async def health(response: Response) -> dict[str, Any]:
        now = snapshot()
        if not now.summary.bus_connected:
            response.status_code = 503
        return {"ok": now.summary.bus_connected, "site": now.summary.site, "chargers": now.summary.chargers}

    @app.get("/api/{path:path}", include_in_schema=False)
    async def nothing(path: str) -> None:
        # Without this, the page below would answer a program with HTML.
        raise HTTPException(404, "no such endpoint")

    return app
