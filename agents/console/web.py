"""The HTTP side of the console: its JSON endpoints, and what a browser may do with the page."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agents.console.cards import Snapshot

POLICY = (
    "default-src 'self' data:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Content security policy of the page: nothing is loaded from another host, for garages are offline, and nothing is
sent to one. Vue compiles its templates, hence ``unsafe-eval``."""


PATHS = ("/api/", "/console/", "/_nicegui/", "/_nicegui_ws/")
"""Where something may be found, beside ``/``, ``/health`` and ``/favicon.ico``."""


class KnownPaths:
    """Answers 404 by itself where nothing is: NiceGUI would build a page, and keep it, for each mistake."""

    def __init__(self, app: ASGIApp) -> None:
        """Hand on to ``app`` what may be found there."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "/")
        if scope["type"] != "http" or path in ("/", "/health", "/favicon.ico") or path.startswith(PATHS):
            await self.app(scope, receive, send)
        else:
            await JSONResponse({"detail": "no such page"}, 404)(scope, receive, send)


def build_api(snapshot: Callable[[], Snapshot]) -> FastAPI:
    """Return an application with the read-only endpoints.

    ``GET /api/chargers`` gives what the page shows, null meaning unknown. ``GET /health`` answers 200 while the
    console has its broker, else 503.
    """
    # FastAPI's own documentation pages would load scripts from a foreign host.
    app = FastAPI(title="chargebus console", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.add_middleware(KnownPaths)

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
