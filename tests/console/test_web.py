"""The server within the agent's loop, without the page."""

import asyncio
import json
import re
import socket
import urllib.request
from typing import Any

import pytest

from agents.console.site_view import Heard, SiteView
from agents.console.web import build_api
from agents.runtime.agent import CannotStart
from agents.runtime.http_server import HttpServer
from tests.console.messages import state


async def fetch(url: str) -> tuple[int, dict[str, str], Any]:
    def get() -> tuple[int, dict[str, str], Any]:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, dict(answer.headers), json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), json.load(error)

    return await asyncio.to_thread(get)


@pytest.fixture
def view() -> SiteView:
    view = SiteView("garage")
    view.state("c1", state(), Heard(0, 0))
    return view


def server_at(view: SiteView, port: int) -> HttpServer:
    api = build_api(lambda: view.snapshot(0))
    return HttpServer(api, "127.0.0.1", port, what="the page", settings="host or port in section [console]")


async def test_unknown_is_null_and_health_follows_the_bus(view: SiteView) -> None:
    server = server_at(view, 0)
    url = await server.start()
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        status, headers, answer = await fetch(url + "api/chargers")
        assert status == 200
        assert answer["chargers"][0]["power_w"] is None
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (await fetch(url + "health"))[0] == 503
        view.bus(connected=True)
        assert (await fetch(url + "health"))[0] == 200
        # What is not there costs no page of NiceGUI's, which would be kept for a minute.
        assert (await fetch(url + "nothing"))[::2] == (404, {"detail": "no such page"})
        assert server.running
    finally:
        await server.stop()
    assert not server.running


async def test_a_taken_port_is_named_with_the_setting(view: SiteView) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = server_at(view, other.getsockname()[1])
        with pytest.raises(CannotStart, match=r"set host or port in section \[console\]"):
            await server.start()


async def test_stopping_what_never_started_is_nothing(view: SiteView) -> None:
    await server_at(view, 0).stop()
