"""The REST API for other systems: stations, connectors, transactions. Read only."""

import hmac
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request

from agents.csms.connector import Connector
from agents.csms.messages import state_message
from agents.csms.models import TransactionRow
from agents.csms.stations import KnownStation
from agents.csms.transactions import page
from agents.runtime.agent import Clock
from agents.runtime.database.store import Store, StoreUnavailable
from agents.runtime.ocpp import format_time

PAGE = 50
"""Transactions on a page unless one asks for another number."""

MOST_ON_A_PAGE = 500


def build_api(stations: Mapping[str, KnownStation], store: Store, clock: Clock, token: str | None) -> FastAPI:
    """Return the application. With ``token``, every request needs ``Authorization: Bearer <token>``."""

    async def allowed(request: Request) -> None:
        if token is None:
            return
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "send Authorization: Bearer <token>", {"WWW-Authenticate": "Bearer"})

    # FastAPI's own documentation pages would load scripts from a foreign host.
    app = FastAPI(
        title="chargebus csms",
        docs_url=None,
        redoc_url=None,
        openapi_url=None if token else "/openapi.json",
        dependencies=[Depends(allowed)],
    )

    def known(cp_id: str) -> KnownStation:
        station = stations.get(cp_id)
        if station is None:
            raise HTTPException(404, f"no station {cp_id[:48]!r}")
        return station

    @app.get("/cps")
    async def cps() -> list[dict[str, Any]]:
        return [_station(station) for station in stations.values()]

    @app.get("/connectors/{cp_id}")
    async def connectors(cp_id: str) -> list[dict[str, Any]]:
        return [_connector(connector) for connector in known(cp_id).connectors]

    @app.get("/transactions")
    async def transactions(
        cp_id: str | None = None,
        active: bool | None = None,
        before: Annotated[int | None, Query(ge=1, le=2_147_483_647)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ON_A_PAGE)] = PAGE,
    ) -> dict[str, Any]:
        """Newest first; ``next`` is the ``before`` of the next page, null on the last."""
        if cp_id is not None:
            known(cp_id)
        try:
            rows = await store.run(
                lambda db: page(db, identity=cp_id, active=active, before_id=before, limit=limit + 1)
            )
        except StoreUnavailable:
            raise HTTPException(503, "the database cannot be used now; try again") from None
        more = len(rows) > limit
        return {
            "transactions": [_transaction(row) for row in rows[:limit]],
            "next": rows[limit - 1].id if more else None,
        }

    return app


def _station(station: KnownStation) -> dict[str, Any]:
    return {
        "id": station.identity,
        "connected": station.link is not None,
        "hardware": station.about or None,
        "firmware": station.firmware or None,
        "on_bus": station.settings.on_bus,
        "connectors": len(station.ports),
    }


def _connector(connector: Connector) -> dict[str, Any]:
    message = state_message(connector.state, connector.station, 0, connector.now())
    shown = message.model_dump(
        mode="json",
        include={"status", "offered_current_a", "limited_by", "limit_reason", "energy_wh", "session", "faults"},
    )
    return {"connector": connector.number, "charger": connector.charger, "connected": connector.online, **shown}


def _transaction(row: TransactionRow) -> dict[str, Any]:
    energy_wh = None
    if row.meter_stop_wh is not None and row.meter_stop_wh >= row.meter_start_wh and not row.discarded:
        energy_wh = row.meter_stop_wh - row.meter_start_wh
    return {
        "id": row.id,
        "cp_id": row.identity,
        "connector": row.connector,
        "id_tag": row.id_tag,
        "id_tag_status": row.status,
        "session_id": row.session_id,
        "started": format_time(row.started_ms),
        "stopped": None if row.stopped_ms is None else format_time(row.stopped_ms),
        "meter_start_wh": row.meter_start_wh,
        "meter_stop_wh": row.meter_stop_wh,
        "energy_wh": energy_wh,
        "reason": row.reason,
        "discarded": row.discarded,
    }
