"""Fleet health and alarms: which charger needs somebody."""

from bus_schema.topics import ALARM, CHARGER_EVENT
from dashboards.boards.common import (
    ALARM_MARKS,
    CHARGER,
    CHARGERS,
    FLEET,
    SITE,
    STATES_OF,
    TELEMETRY_OF,
    events,
    fault_marks,
    peaks,
)
from dashboards.dashboard import Dashboard
from dashboards.influxql import Column, From, Query, newest, rows
from dashboards.panels import ORANGE, RED, STATUS_COLOURS, YELLOW, Panel

DASHBOARD = Dashboard(
    uid=FLEET,
    title="Fleet health",
    description="Silent, faulted, hot and rebooting chargers, and the alarms.",
    variables=(SITE, CHARGERS),
    annotations=(fault_marks(of_charger=True), ALARM_MARKS),
    since="now-24h",
    refresh="30s",
    panels=(
        Panel(
            "Last heard of",
            "table",
            (
                newest(
                    STATES_OF,
                    Column("status"), Column("faults_count"), Column("journal_pending"), Column("uptime_ms"),
                    by=("charger",), within="30d",
                ),
            ),
            "Time is that of the newest state; a charger tells it every 10 s. Events that wait for the ledger "
            "(journal_pending) fall to 0 within seconds when all is well.",
            width=24, height=9, colours=STATUS_COLOURS, links={"charger": CHARGER}, column_units={"uptime_ms": "ms"},
        ),
        peaks(
            "Standing faults", STATES_OF, "faults_count", "charger",
            "How many faults stand at each charger.",
            lowest=0, decimals=0,
        ),
        peaks(
            "Temperature", TELEMETRY_OF, "temperature_c", "charger",
            "Hottest sensor of each charger. Half current from 65 °C, a quarter from 68 °C, none from 71 °C.",
            steps=((65, YELLOW), (68, ORANGE), (71, RED)),
        ),
        Panel(
            "Faults raised",
            "table",
            (rows(events("fault_raised", of_charger=True), "fault", "detail", "session_id", limit=200),),
            "The newest first.",
        ),
        Panel(
            "Restarts and security",
            "table",
            (rows(events("security", of_charger=True), "kind", "detail", "boot_id", limit=200),),
            "Boots, resets, changed settings, firmware.",
        ),
        Panel(
            "Events by hour",
            "barchart",
            (
                Query(
                    From(CHARGER_EVENT, variables=("site", "charger")).select(
                        Column("seq", "count", "events"), group='time(1h), "type" fill(none)'
                    ),
                    alias="$tag_type", columns=("events",), tags=("type",),
                ),
            ),
            "A charger that restarts or faults again and again stands out.",
            lowest=0,
        ),
        peaks(
            "Events that wait for the ledger", STATES_OF, "journal_pending", "charger",
            "Growing without end: the ledger does not acknowledge. Nothing is lost, but look at the ledger.",
            lowest=0, decimals=0,
        ),
        Panel(
            "Alarms",
            "table",
            (rows(From(ALARM, where='"standing" = true', variables=("site",)), "severity", "text", "remedy", "charger",
                  limit=200),),
            "All alarms of the time shown, with what to do.",
            width=24, colours={"critical": RED, "warning": ORANGE},
        ),
    ),
)  # fmt: skip
