"""What a browser may do with a page or an API: asked in every request, told in every answer.

For any ASGI application. A request under a name that is not the server's, or from a foreign page, reaches nothing.
"""

from collections.abc import Iterable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.runtime.serving.hosts import KnownHosts, refusal

Headers = list[tuple[bytes, bytes]]

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content security policy of answers that are no page."""

MAX_BODY_BYTES = 256 * 1024
"""Longest body of a request; nothing that is served here needs more."""


class BrowserGuard:
    """Refuses what :func:`agents.runtime.serving.hosts.refusal` says, and bodies that are too long.

    Every answer gets the headers that bind browsers.
    """

    def __init__(self, app: ASGIApp, hosts: KnownHosts, policy: str = API_POLICY) -> None:
        """Guard ``app``; ``policy`` is its content security policy."""
        self.app = app
        self._hosts = hosts
        self._headers: Headers = [
            (b"content-security-policy", policy.encode()),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket, or the application's life."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        refused = refusal(scope["headers"], self._hosts, upgrade=scope["type"] == "websocket")
        if scope["type"] == "websocket":
            if refused is None:
                await self.app(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": refused[1].strip()[:120]})
            return
        if refused is None and _body_length(scope["headers"]) > MAX_BODY_BYTES:
            refused = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MAX_BODY_BYTES} bytes\n"
        if refused is not None:
            await self._refuse(send, *refused)
            return
        await self.app(scope, _Counted(receive), self._adding(send))

    def _adding(self, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        return send_with_headers

    async def _refuse(self, send: Send, status: HTTPStatus, words: str) -> None:
        body = words.encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            # What of the request has not come is not waited for.
            (b"connection", b"close"),
            *self._headers,
        ]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Counted:
    """Ends a request whose body is longer than it may be: one that comes in chunks does not say so before."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        return message if self._bytes <= MAX_BODY_BYTES else {"type": "http.disconnect"}


def _body_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            # The number may have thousands of digits.
            return int(value) if len(value) < 16 else MAX_BODY_BYTES + 1
    return 0
