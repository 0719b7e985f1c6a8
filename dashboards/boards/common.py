"""What several pages use: variables, marks of events, uids of pages."""

from typing import Any

from bus_schema.topics import (
    AGENT_HEALTH,
    AGENT_OCPP,
    ALARM,
    BROKER_STATUS,
    CHARGER_EVENT,
    CHARGER_STATE,
    CHARGER_TELEMETRY,
    CIRCUIT_LOAD,
    GRID_TELEMETRY,
)
from dashboards.dashboard import Annotation, Variable
from dashboards.influxql import From, over_time, rows, tag_values
from dashboards.panels import ORANGE, RED, Panel

OVERVIEW, CHARGER, SESSIONS, FLEET, BALANCING, AGENTS, OCPP = (
    f"chargebus-{name}" for name in ("overview", "charger", "sessions", "fleet", "balancing", "agents", "ocpp")
)
"""Uids of the pages, for links."""

SITE = Variable("site", "Site", tag_values(From(CHARGER_STATE, variables=()), "site"))
CHARGERS = Variable("charger", "Charger", tag_values(From(CHARGER_STATE), "charger"), many=True)
ONE_CHARGER = Variable("charger", "Charger", tag_values(From(CHARGER_STATE), "charger"))
CIRCUITS = Variable("circuit", "Circuit", tag_values(From(CIRCUIT_LOAD), "circuit"), many=True)
ALL_AGENTS = Variable("agent", "Agent", tag_values(From(AGENT_HEALTH), "agent"), many=True)

_SITE = ("site",)
_CHARGER = ("site", "charger")

STATES = From(CHARGER_STATE, variables=_SITE)
TELEMETRY = From(CHARGER_TELEMETRY, variables=_SITE)
STATES_OF = From(CHARGER_STATE, variables=_CHARGER)
TELEMETRY_OF = From(CHARGER_TELEMETRY, variables=_CHARGER)
GRID = From(GRID_TELEMETRY, variables=_SITE)
CIRCUIT = From(CIRCUIT_LOAD, variables=("site", "circuit"))
BACKENDS = Variable("backend", "Backend", tag_values(From(AGENT_OCPP), "backend"), many=True)
BROKER = From(BROKER_STATUS, variables=_SITE)
OCPP_TRAFFIC = From(AGENT_OCPP, variables=("site", "backend"))
HEALTH = From(AGENT_HEALTH, variables=("site", "agent"))


def events(kind: str, *, of_charger: bool = False) -> From:
    """Return the events of one type."""
    return From(CHARGER_EVENT, where=f"\"type\" = '{kind}'", variables=_CHARGER if of_charger else _SITE)


def peaks(title: str, source: From, field: str, by: str, description: str, **looks: Any) -> Panel:
    """Return a panel of the highest values of a field, a line for each value of the tag ``by``."""
    return Panel(title, "timeseries", (over_time(source, field, "max", by=(by,), alias=f"$tag_{by}"),), description,
                 **looks)  # fmt: skip


def fault_marks(*, of_charger: bool = False) -> Annotation:
    """Return marks of raised faults."""
    return Annotation("Faults", rows(events("fault_raised", of_charger=of_charger), "fault", "detail"), "detail", RED,
                      "fault")  # fmt: skip


ALARM_MARKS = Annotation(
    "Alarms",
    rows(From(ALARM, where='"standing" = true', variables=_SITE), "text", "severity"),
    "text",
    ORANGE,
    "severity",
)
