"""Sessions and energy."""

from dashboards.boards.common import CHARGERS, SESSIONS, SITE, STATES_OF, events
from dashboards.dashboard import Dashboard
from dashboards.influxql import Column, Query, count_newest, newest, rows
from dashboards.panels import Panel

_ENDED = events("session_ended", of_charger=True)
_STARTED = events("session_started", of_charger=True)


def _energy(every: str) -> Query:
    """Return energy per stretch of time: differences of lifetime registers, summed over the chargers."""
    inner = STATES_OF.select(
        Column("energy_wh", "non_negative_difference.last"), group=f'time({every}), "charger" fill(none)'
    )
    text = f'SELECT sum("energy_wh") AS "energy_wh" FROM ({inner}) WHERE $timeFilter GROUP BY time({every}) fill(none)'
    return Query(text, "time_series", "energy", STATES_OF.unit("energy_wh"), ("energy_wh",))


DASHBOARD = Dashboard(
    uid=SESSIONS,
    title="Sessions and energy",
    description="What was charged, when, and how it ended.",
    variables=(SITE, CHARGERS),
    since="now-7d",
    refresh="1m",
    panels=(
        Panel(
            "Sessions now",
            "stat",
            (count_newest(STATES_OF, "session_id", "charger"),),
            "Sessions that are going on.",
            width=6, height=4,
        ),
        Panel(
            "Sessions begun",
            "stat",
            (
                Query(
                    _STARTED.select(Column("seq", "count", "sessions")), alias="begun", columns=("sessions",)
                ),
            ),
            "Sessions that began in the time shown.",
            width=6, height=4,
        ),
        Panel(
            "Energy by hour",
            "barchart",
            (_energy("1h"),),
            "Differences of the chargers' lifetime registers.",
            lowest=0,
        ),
        Panel(
            "Energy by day",
            "barchart",
            (_energy("1d"),),
            "The same by day (UTC).",
            lowest=0,
        ),
        Panel(
            "Sessions by hour",
            "barchart",
            (
                Query(
                    _STARTED.select(Column("seq", "count", "sessions"), group="time(1h) fill(none)"),
                    alias="begun", columns=("sessions",),
                ),
            ),
            "When people come.",
            lowest=0,
        ),
        Panel(
            "Ended sessions",
            "table",
            (rows(_ENDED, "session_id", "energy_wh - start_energy_wh AS session_wh", "reason", "detail", limit=500),),
            "Energy is a difference of registers. 'chargebus sessions' shows them with who charged.",
            width=24, height=10, column_units={"session_wh": "Wh"},
        ),
        Panel(
            "Going on",
            "table",
            (
                newest(
                    STATES_OF,
                    Column("session_id"), Column("session_energy_wh"), Column("status"),
                    Column("session_authorized_by"), Column("session_started_ts"),
                    by=("charger",),
                ),
            ),
            "The sessions of this moment.",
            width=24, column_units={"session_energy_wh": "Wh"},
        ),
    ),
)  # fmt: skip
