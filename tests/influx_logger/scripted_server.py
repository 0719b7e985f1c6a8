"""An HTTP server that answers as a test wants, or not at all."""

import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    path: str
    headers: Any
    body: bytes


class ScriptedServer:
    """Answers every POST with ``status``; ``how`` may be close, stall or garbage instead."""

    def __init__(self, status: int, body: str = "", headers: dict[str, str] | None = None, how: str = "") -> None:
        self.requests: list[Request] = []
        self._ended = threading.Event()
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                scripted.requests.append(Request(self.path, self.headers, content))
                if how == "close":
                    self.connection.shutdown(socket.SHUT_RDWR)
                elif how == "stall":
                    scripted._ended.wait(10)
                elif how == "garbage":
                    self.wfile.write(b"SSH-2.0-nonsense\r\n")
                else:
                    self.send_response(status)
                    for name, value in (headers or {}).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body.encode())

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "ScriptedServer":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
