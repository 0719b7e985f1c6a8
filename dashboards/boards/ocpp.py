"""OCPP traffic: what is exchanged with backends and stations, how fast, and what waits."""

from dashboards.boards.common import BACKENDS, OCPP, OCPP_TRAFFIC, SITE, peaks
from dashboards.dashboard import Dashboard
from dashboards.influxql import Column, newest, over_time, per_second
from dashboards.panels import RED, YELLOW, Panel

_BY = ("agent", "backend")
_WHO = "$tag_agent $tag_backend"

DASHBOARD = Dashboard(
    uid=OCPP,
    title="OCPP traffic",
    description="What the bridge says to its backends, and the central system to its stations.",
    variables=(SITE, BACKENDS),
    panels=(
        Panel(
            "Backends",
            "table",
            (
                newest(
                    OCPP_TRAFFIC,
                    Column("charge_points"), Column("connected"), Column("calls_sent"), Column("calls_received"),
                    Column("call_errors_sent"), Column("call_errors_received"), Column("timeouts"),
                    Column("outbox_messages"), Column("outbox_oldest_s"), Column("round_trip_p50_ms"),
                    by=_BY,
                ),
            ),
            "As each was last told, every 10 s. Fewer connected than there are charge points: 'chargebus status' says "
            "which.",
            width=24, column_units={"outbox_oldest_s": "s", "round_trip_p50_ms": "ms"},
        ),
        Panel(
            "Calls",
            "timeseries",
            (
                per_second(OCPP_TRAFFIC, "calls_sent", by=_BY, alias=f"{_WHO} sent"),
                per_second(OCPP_TRAFFIC, "calls_received", by=_BY, alias=f"{_WHO} received"),
            ),
            "CALLs a second in each direction.",
            lowest=0,
        ),
        Panel(
            "Connected",
            "timeseries",
            (
                over_time(OCPP_TRAFFIC, "connected", "last", by=_BY, alias=f"{_WHO} connected"),
                over_time(OCPP_TRAFFIC, "charge_points", "last", by=_BY, alias=f"{_WHO} known"),
            ),
            "Charge points with a connection, and all of them.",
            lowest=0, decimals=0,
        ),
        Panel(
            "Errors and timeouts",
            "timeseries",
            tuple(
                over_time(OCPP_TRAFFIC, field, "max", by=_BY, alias=f"{_WHO} {what}")
                for field, what in (
                    ("call_errors_sent", "errors sent"),
                    ("call_errors_received", "errors received"),
                    ("timeouts", "timeouts"),
                )
            ),
            "Since the agent's start. An error received: the other side does not understand or refuses; the agent's "
            "log has its words.",
            lowest=0, decimals=0,
        ),
        Panel(
            "Round trip",
            "timeseries",
            (
                over_time(OCPP_TRAFFIC, "round_trip_p50_ms", "max", by=_BY, alias=f"{_WHO} median"),
                over_time(OCPP_TRAFFIC, "round_trip_p99_ms", "max", by=_BY, alias=f"{_WHO} 99 %"),
            ),
            "From a CALL to its answer.",
            lowest=0, steps=((5_000, YELLOW), (30_000, RED)),
        ),
        peaks(
            "Outbox", OCPP_TRAFFIC, "outbox_messages", "backend",
            "Transaction messages that the backend has not answered yet. They are kept on disk until it does.",
            lowest=0, decimals=0,
        ),
        peaks(
            "Oldest in the outbox", OCPP_TRAFFIC, "outbox_oldest_s", "backend",
            "How long a backend has taken none. Nothing is lost; it comes in order when the backend is back.",
            lowest=0, steps=((600, YELLOW), (86_400, RED)),
        ),
    ),
)  # fmt: skip
