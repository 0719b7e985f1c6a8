"""Site overview: is anybody needed, and how much flows."""

from bus_schema.topics import ALARM
from dashboards.boards.common import (
    ALARM_MARKS,
    CHARGER,
    CIRCUIT,
    CIRCUITS,
    GRID,
    OVERVIEW,
    SITE,
    STATES,
    TELEMETRY,
    fault_marks,
)
from dashboards.dashboard import Dashboard
from dashboards.influxql import Column, From, count_newest, newest, over_time, summed_over_time
from dashboards.panels import ORANGE, RED, STATUS_COLOURS, YELLOW, Panel


def _load(phase: int, description: str) -> Panel:
    """Return the panel of a circuit's phase."""
    return Panel(
        f"Load of circuit $circuit, L{phase}",
        "timeseries",
        tuple(
            over_time(CIRCUIT, f"{what}_l{phase}_a", "min" if what == "limit" else "max", by=("circuit",),
                      alias=f"$tag_circuit {what}")
            for what in ("limit", "granted", "drawn")
        ),
        description,
        width=8, lowest=0,
    )  # fmt: skip


DASHBOARD = Dashboard(
    uid=OVERVIEW,
    title="Site overview",
    description="Every charger of a site, how much it draws, and what its circuits have left.",
    variables=(SITE, CIRCUITS),
    annotations=(fault_marks(), ALARM_MARKS),
    panels=(
        Panel(
            "Chargers reporting",
            "stat",
            (count_newest(STATES, "status", "charger"),),
            "Chargers that have told their state within a minute; they do every 10 s. Fewer than the site has: look "
            "for the missing one under Fleet.",
            width=4, height=4, steps=(),
        ),
        Panel(
            "Charging",
            "stat",
            (count_newest(STATES, "status", "charger", where="\"status\" = 'Charging'"),),
            "Chargers with a car that takes energy now.",
            width=4, height=4,
        ),
        Panel(
            "Held back",
            "stat",
            (count_newest(STATES, "status", "charger", where="\"status\" = 'SuspendedEVSE'"),),
            "Cars that would charge but are offered nothing; the table below says why.",
            width=4, height=4, steps=((1, YELLOW),),
        ),
        Panel(
            "Faulted",
            "stat",
            (count_newest(STATES, "status", "charger", where="\"status\" = 'Faulted'"),),
            "Chargers that refuse to charge because something is wrong with them.",
            width=4, height=4, steps=((1, RED),),
        ),
        Panel(
            "Power",
            "stat",
            (summed_over_time(TELEMETRY, "power_w", by="charger", alias="all chargers"),),
            "What all cars together draw.",
            width=8, height=4,
        ),
        Panel(
            "Chargers",
            "table",
            (
                newest(
                    STATES,
                    Column("status"), Column("offered_current_a"), Column("session_energy_wh"), Column("limited_by"),
                    Column("limit_reason"), Column("faults_count"),
                    by=("charger",),
                ),
            ),
            "Every charger with what it offers and what limits it. Click one for its details.",
            width=24, height=10, colours=STATUS_COLOURS, links={"charger": CHARGER},
            column_units={"offered_current_a": "A", "session_energy_wh": "Wh"},
        ),
        _load(1, "What flows on the phase, what the balancer has granted at most, and the limit that the sum never "
              "exceeds."),
        _load(2, "The same for the second phase."),
        _load(3, "The same for the third phase."),
        Panel(
            "Power by charger",
            "timeseries",
            (over_time(TELEMETRY, "power_w", by=("charger",), alias="$tag_charger"),),
            "Mean active power of each charger.",
            lowest=0,
        ),
        Panel(
            "Supply",
            "timeseries",
            tuple(over_time(GRID, f"current_l{n}_a", by=("meter",), alias=f"$tag_meter L{n}") for n in (1, 2, 3)),
            "Current that the site's meters read, positive from the grid.",
        ),
        Panel(
            "Status of every charger",
            "state-timeline",
            (over_time(STATES, "status", "last", by=("charger",), alias="$tag_charger"),),
            "ChargePointStatus over time.",
            width=24, height=9, colours=STATUS_COLOURS,
        ),
        Panel(
            "Standing alarms",
            "table",
            (
                newest(
                    From(ALARM, variables=("site",)),
                    Column("standing"), Column("severity"), Column("text"), Column("remedy"), Column("charger"),
                    by=("alarm",), within="30d",
                ),
            ),
            "Alarms with what to do about them. One whose standing is false is over.",
            width=24, height=7, colours={"critical": RED, "warning": ORANGE},
        ),
    ),
)  # fmt: skip
