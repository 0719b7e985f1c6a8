"""The REST API: stations, connectors, transactions by pages; clear errors; a token."""

from typing import Any

import httpx
import pytest

from agents.csms.api import build_api
from tests.csms.stage import TIMES, Stage, free_port

CARDS: dict[str, Any] = {"CARD1": {}}


def client(site: Stage, token: str | None = None) -> httpx.AsyncClient:
    app = build_api(site.agent.stations, site.store, site.clock, token)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://csms")


async def test_stations_and_connectors() -> None:
    async with Stage(id_tags=CARDS) as site, client(site) as api:
        assert (await api.get("/cps")).json()[0]["connected"] is False
        station = await site.station()
        await station.begin()
        await station.status("Charging")
        assert (await api.get("/cps")).json() == [
            {
                "id": "box",
                "connected": True,
                "hardware": "Acme Box",
                "firmware": "1.2",
                "on_bus": True,
                "connectors": 1,
            }
        ]
        (connector,) = (await api.get("/connectors/box")).json()
        assert (connector["connector"], connector["charger"], connector["status"]) == (1, "box-1", "Charging")
        assert connector["session"]["authorized_by"] == "csms"
        missing = await api.get("/connectors/bax")
        assert (missing.status_code, missing.json()) == (404, {"detail": "no station 'bax'"})


async def test_transactions_are_paged_newest_first() -> None:
    async with Stage(id_tags=CARDS) as site, client(site) as api:
        station = await site.station()
        for index in range(5):
            begun = await station.begin(meter=1000 + index * 100, at=TIMES.format(index))
            if index < 4:
                await station.end(begun.transaction_id, 1050 + index * 100, at=TIMES.format(index))
        await station.end(77, 5000)
        seen: list[dict[str, Any]] = []
        before: Any = None
        while True:
            page = (
                await api.get("/transactions", params={"limit": 2} | ({} if before is None else {"before": before}))
            ).json()
            seen += page["transactions"]
            before = page["next"]
            if before is None:
                break
        assert [row["id"] for row in seen] == [6, 5, 4, 3, 2, 1]
        assert (seen[0]["discarded"], seen[0]["energy_wh"]) == (True, None)
        assert (seen[1]["stopped"], seen[2]["energy_wh"], seen[2]["reason"]) == (None, 50, "Local")
        active = (await api.get("/transactions", params={"active": True, "cp_id": "box"})).json()
        assert [row["id"] for row in active["transactions"]] == [5]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/transactions?limit=0", 422),
        ("/transactions?limit=501", 422),
        ("/transactions?before=x", 422),
        ("/transactions?cp_id=nobody", 404),
        ("/nothing", 404),
    ],
)
async def test_errors_are_clear(path: str, status: int) -> None:
    async with Stage() as site, client(site) as api:
        answer = await api.get(path)
        assert answer.status_code == status
        assert answer.json()["detail"]


async def test_a_token_is_needed_where_one_is_set() -> None:
    async with Stage() as site, client(site, "secret") as api:
        for path in ("/cps", "/connectors/box", "/transactions"):
            assert (await api.get(path)).status_code == 401
            assert (await api.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
            assert (await api.get(path, headers={"Authorization": "Bearer secret"})).status_code == 200
        assert (await api.get("/openapi.json")).status_code == 404


async def test_the_agent_serves_it() -> None:
    port = free_port()
    async with Stage(api_port=port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as api:
        for _ in range(200):
            try:
                answer = await api.get("/cps")
                break
            except httpx.ConnectError:
                continue
        assert answer.json()[0]["id"] == "box"
