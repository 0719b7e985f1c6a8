"""Load balancing: granted against drawn, room left, fairness, unbalance."""

from bus_schema.topics import CHARGER_DECISION, SHADOW_COMPARISON
from dashboards.boards.common import BALANCING, CIRCUIT, CIRCUITS, SITE, STATES, TELEMETRY
from dashboards.dashboard import Dashboard
from dashboards.influxql import Column, From, Query, newest, over_time, rows, summed_over_time
from dashboards.panels import Panel

_DECISIONS = From(CHARGER_DECISION, variables=("site",))


def _unbalance() -> Query:
    """Return the difference of the most and the least loaded phase of each circuit."""
    columns = ", ".join(f'mean("drawn_l{n}_a") AS "l{n}"' for n in (1, 2, 3))
    for n in (1, 2, 3):
        CIRCUIT.unit(f"drawn_l{n}_a")
    inner = f'SELECT {columns} FROM "{CIRCUIT.name}" WHERE {CIRCUIT.condition()} GROUP BY time($__interval), "circuit"'
    # InfluxQL has no greatest(): half the sum of the three differences is the largest of them.
    text = (
        'SELECT (abs("l1" - "l2") + abs("l2" - "l3") + abs("l3" - "l1")) / 2 AS "unbalance_a" '
        f'FROM ({inner}) WHERE $timeFilter GROUP BY "circuit"'
    )
    return Query(text, "time_series", "$tag_circuit", "A", ("unbalance_a",), ("circuit",))


DASHBOARD = Dashboard(
    uid=BALANCING,
    title="Load balancing",
    description="What the balancer grants, what cars make of it, and what limits them.",
    variables=(SITE, CIRCUITS),
    panels=(
        Panel(
            "Granted, offered and drawn",
            "timeseries",
            (
                summed_over_time(_DECISIONS, "current_a", "last", by="charger", alias="granted"),
                summed_over_time(STATES, "offered_current_a", "last", by="charger", alias="offered"),
                summed_over_time(TELEMETRY, "current_l1_a", "mean", by="charger", alias="drawn on L1"),
            ),
            "Sums over all chargers. Much granted and little drawn: cars that are full or slow; the balancer gives "
            "their share to others.",
            lowest=0,
        ),
        Panel(
            "Room left",
            "timeseries",
            (over_time(CIRCUIT, "free_a", "min", by=("circuit",), alias="$tag_circuit"),),
            "Current of the fullest phase of each circuit that nobody has been granted.",
            lowest=0,
        ),
        Panel(
            "Grants by charger",
            "timeseries",
            (over_time(_DECISIONS, "current_a", "last", by=("charger",), alias="$tag_charger", fill="previous"),),
            "Fairness at a glance: nobody stays at the bottom.",
            lowest=0,
        ),
        Panel(
            "Unbalance",
            "timeseries",
            (_unbalance(),),
            "Difference of the most and the least loaded phase.",
            lowest=0,
        ),
        Panel(
            "Why each charger has what it has",
            "table",
            (newest(_DECISIONS, Column("current_a"), Column("constraint"), Column("explanation"), by=("charger",)),),
            "The newest decision with the limit that binds. 'chargebus why CHARGER' tells the last hour.",
            width=24, height=9, column_units={"current_a": "A"},
        ),
        Panel(
            "Decisions",
            "table",
            (rows(_DECISIONS, "current_a", "constraint", "explanation", limit=300),),
            "The newest first.",
            width=24, column_units={"current_a": "A"},
        ),
        Panel(
            "Shadow balancer",
            "table",
            (rows(From(SHADOW_COMPARISON, variables=("site",)), "would_grant_wh", "live_grant_wh", "drawn_wh",
                  "differs_s", "explanation", limit=100),),
            "What a second balancer in shadow mode would have done, beside what happened. Empty without one.",
            width=24, column_units={"would_grant_wh": "Wh", "live_grant_wh": "Wh", "drawn_wh": "Wh", "differs_s": "s"},
        ),
    ),
)  # fmt: skip
