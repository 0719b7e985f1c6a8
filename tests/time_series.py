"""Real time-series databases for tests: InfluxDB 1.6 and VictoriaMetrics, as Debian packages them.

InfluxDB 2 is not packaged; its way of writing, ``/api/v2/write``, is put in front of InfluxDB 1.6 by a proxy that
rewrites it to ``/write``, which takes the same line protocol.
"""

import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.brokers import free_port
from tests.missing import missing
from tests.waiting import eventually_sync


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        body: bytes = answer.read()
        return body


def _answers(url: str) -> bool:
    try:
        _get(url)
    except OSError:
        return False
    return True


class _Server:
    """A database process on a free port, with its data in a folder."""

    ready_path = "/"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = self._launch(log)
        eventually_sync(lambda: _answers(self.url + self.ready_path), 30, what=f"{type(self).__name__} answers")

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None

    def _launch(self, log: Any) -> "subprocess.Popen[bytes]":
        raise NotImplementedError


class InfluxServer(_Server):
    """InfluxDB 1.6."""

    ready_path = "/ping"

    def query(self, text: str, database: str = "chargebus") -> list[dict[str, Any]]:
        """Run InfluxQL; return the series of the first statement. Raises AssertionError for an error."""
        query = urllib.parse.urlencode({"db": database, "q": text, "epoch": "ns"})
        request = urllib.request.Request(f"{self.url}/query", data=query.encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            result = json.loads(answer.read())["results"][0]
        assert "error" not in result, f"{text}: {result['error']}"
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def points(self, measurement: str, field: str) -> int:
        """Count the points of a measurement that have a field."""
        series = self.query(f'SELECT count("{field}") FROM "{measurement}"')
        return int(series[0]["values"][0][1]) if series else 0

    def _launch(self, log: Any) -> "subprocess.Popen[bytes]":
        program = shutil.which("influxd") or missing("InfluxDB (package influxdb)")
        settings = {
            "REPORTING_DISABLED": "true",
            "BIND_ADDRESS": f"127.0.0.1:{free_port()}",
            "HTTP_BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "HTTP_LOG_ENABLED": "false",
            "META_DIR": str(self.folder / "meta"),
            "DATA_DIR": str(self.folder / "data"),
            "DATA_WAL_DIR": str(self.folder / "wal"),
            "MONITOR_STORE_ENABLED": "false",
        }
        environment = {f"INFLUXDB_{name}": value for name, value in settings.items()}
        config = self.folder / "influxdb.conf"
        config.touch()
        return subprocess.Popen([program, "-config", str(config)], env=environment, stdout=log, stderr=log)


class VictoriaMetrics(_Server):
    """VictoriaMetrics, single node."""

    ready_path = "/health"

    def export(self, selector: str) -> list[dict[str, Any]]:
        """Return all series that match, with their values and timestamps."""
        _get(f"{self.url}/internal/force_flush")
        query = urllib.parse.urlencode({"match[]": selector})
        return [json.loads(line) for line in _get(f"{self.url}/api/v1/export?{query}").splitlines()]

    def _launch(self, log: Any) -> "subprocess.Popen[bytes]":
        program = shutil.which("victoria-metrics") or missing("VictoriaMetrics (package victoria-metrics)")
        options = [
            f"-storageDataPath={self.folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-memory.allowedBytes=256MB",
        ]
        return subprocess.Popen([program, *options], stdout=log, stderr=log)


class _ProxyServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that are killed in the middle of a request are what the tests are about."""


class WriteProxy:
    """Takes ``/api/v2/write?bucket=B`` and writes to an InfluxDB 1 as ``/write?db=B``.

    ``fate`` is asked before each request and may say how it fails: a status, ``"close"`` (no answer at all),
    ``"lost"`` (written, but the answer is lost), or seconds to wait before it is written.
    """

    def __init__(self, target: str) -> None:
        self.fate: Any = lambda: None
        self.requests: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                proxy.requests.append(self.path)
                parts = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(parts.query))
                fate = proxy.fate()
                if fate == "close":
                    self.close_connection = True
                    return
                if isinstance(fate, int):
                    self._answer(fate, b'{"code":"internal error","message":"as the test wants it"}')
                    return
                if isinstance(fate, float):
                    time.sleep(fate)
                if parts.path != "/api/v2/write" or "bucket" not in query or query.get("precision", "ns") != "ns":
                    self._answer(404, b"not found")
                    return
                status, answer = self._forward(query["bucket"], body)
                if fate == "lost":
                    self.close_connection = True
                    return
                self._answer(status, answer)

            def _forward(self, bucket: str, body: bytes) -> tuple[int, bytes]:
                headers = {"Content-Encoding": self.headers.get("Content-Encoding", "identity")}
                url = f"{target}/write?{urllib.parse.urlencode({'db': bucket, 'precision': 'ns'})}"
                try:
                    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
                        return answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    return error.code, error.read()
                except OSError:
                    return 503, b"the database behind the proxy is away"

            def _answer(self, status: int, body: bytes) -> None:
                body = b"" if status == 204 else body
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = _ProxyServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
