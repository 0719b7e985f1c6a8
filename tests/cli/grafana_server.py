"""A server that keeps what Grafana's HTTP API is given, and refuses what Grafana would refuse."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

TOKEN = "glsa_of_the_test"


class GrafanaServer:
    """Dashboards by uid, folders, rule groups; ``requests`` is what was asked."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.sources: dict[str, dict[str, Any]] = {
            "chargebus-influxdb": {"type": "influxdb", "uid": "chargebus-influxdb"}
        }
        self.folders: list[dict[str, Any]] = []
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.groups: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.fail: tuple[str, int, str] | None = None
        """Part of a path, status and body to answer with."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def do_PUT(self) -> None:
                self._answer()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = outer.handle(
                    self.command, urlsplit(self.path).path, json.loads(body) if body else None, dict(self.headers)
                )
                data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                """Be silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix}"

    def handle(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        self.requests.append((method, path))
        if not path.startswith(f"{self.prefix}/api/"):
            return 404, {"message": f"not Grafana's path: {path}"}
        path = path.removeprefix(f"{self.prefix}/api")
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key"}
        if self.fail is not None and self.fail[0] in path:
            return self.fail[1], self.fail[2]
        match method, *path.strip("/").split("/"):
            case "GET", "datasources", "uid", uid:
                return (200, self.sources[uid]) if uid in self.sources else (404, {"message": "Data source not found"})
            case "GET", "folders":
                return 200, self.folders
            case "POST", "folders":
                folder = {"id": len(self.folders) + 1, "uid": body["uid"], "title": body["title"]}
                self.folders.append(folder)
                return 200, folder
            case "POST", "dashboards", "db":
                return self._save(body)
            case "GET", "dashboards", "uid", uid:
                found = self.dashboards.get(uid)
                return (200, {"dashboard": found, "meta": {}}) if found else (404, {"message": "Dashboard not found"})
            case "PUT", "v1", "provisioning", "folder", folder, "rule-groups", name:
                return self._save_group(folder, name, body)
            case "GET", "v1", "provisioning", "alert-rules", uid:
                rules = [rule for group in self.groups.values() for rule in group["rules"] if rule["uid"] == uid]
                return (200, rules[0]) if rules else (404, {"message": "not found"})
        return 404, {"message": f"unknown: {method} {path}"}

    def _known_folder(self, uid: str) -> bool:
        return any(folder["uid"] == uid for folder in self.folders)

    def _save(self, body: dict[str, Any]) -> tuple[int, Any]:
        model = dict(body["dashboard"])
        if not self._known_folder(body["folderUid"]):
            return 400, {"message": "folder not found"}
        there = self.dashboards.get(model["uid"])
        if there is not None and not body.get("overwrite"):
            return 412, {"message": "The dashboard has been changed by someone else"}
        # Counted by the server, whatever it was sent.
        model["id"], model["version"] = len(self.dashboards) + 1, 1 + (there or {"version": 0})["version"]
        self.dashboards[model["uid"]] = model
        return 200, {"uid": model["uid"], "status": "success", "version": model["version"]}

    def _save_group(self, folder: str, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        if not self._known_folder(folder):
            return 400, {"message": "folder not found"}
        if not isinstance(body["interval"], int) or body["interval"] % 10:
            return 400, {"message": "interval must be seconds, a multiple of 10"}
        for rule in body["rules"]:
            if rule["folderUID"] != folder or rule["ruleGroup"] != name or rule["orgID"] != 1:
                return 400, {"message": f"rule {rule['uid']} is of another group"}
        self.groups[folder, name] = {**body, "rules": [{**rule, "provenance": ""} for rule in body["rules"]]}
        return 200, body

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
