"""One charger: pilot, currents, temperature, limits with their reasons, sessions, faults."""

from bus_schema.topics import CHARGER_DECISION, CHARGER_ONLINE
from dashboards.boards.common import (
    CHARGER,
    ONE_CHARGER,
    SITE,
    STATES_OF,
    TELEMETRY_OF,
    events,
    fault_marks,
)
from dashboards.dashboard import Dashboard
from dashboards.influxql import Column, From, newest, over_time, rows
from dashboards.panels import ORANGE, RED, STATUS_COLOURS, YELLOW, Panel

_DECISIONS = From(CHARGER_DECISION, variables=("site", "charger"))

DASHBOARD = Dashboard(
    uid=CHARGER,
    title="Charger",
    description="Everything about one charger.",
    variables=(SITE, ONE_CHARGER),
    annotations=(fault_marks(of_charger=True),),
    panels=(
        Panel(
            "Now",
            "table",
            (
                newest(
                    STATES_OF,
                    Column("status"), Column("cp_state"), Column("offered_current_a"), Column("limited_by"),
                    Column("limit_reason"), Column("session_energy_wh"), Column("journal_pending"),
                    by=("charger",),
                ),
            ),
            "The newest state, with what limits the charger in words.",
            width=24, height=4, colours=STATUS_COLOURS,
            column_units={"offered_current_a": "A", "session_energy_wh": "Wh"},
        ),
        Panel(
            "Current",
            "timeseries",
            (
                *(over_time(TELEMETRY_OF, f"current_l{n}_a", alias=f"L{n}") for n in (1, 2, 3)),
                over_time(TELEMETRY_OF, "offered_current_a", "max", alias="offered"),
            ),
            "What the car draws on each phase, and what it is offered. More than offered for long: the car ignores "
            "its pilot, and the charger trips after 7 s at 110 %.",
            lowest=0,
        ),
        Panel(
            "Granted and offered",
            "timeseries",
            (
                over_time(_DECISIONS, "current_a", "last", alias="granted", fill="previous"),
                over_time(STATES_OF, "offered_current_a", "last", alias="offered", fill="previous"),
            ),
            "What the load balancer grants, and what the charger offers of it.",
            lowest=0,
        ),
        Panel(
            "Why",
            "table",
            (rows(_DECISIONS, "current_a", "constraint", "explanation", limit=50),),
            "The balancer's last decisions with their reasons.",
            column_units={"current_a": "A"},
        ),
        Panel(
            "Power",
            "timeseries",
            (over_time(TELEMETRY_OF, "power_w", alias="power"),),
            "Active power of all phases.",
            lowest=0,
        ),
        Panel(
            "Voltage",
            "timeseries",
            tuple(over_time(TELEMETRY_OF, f"voltage_l{n}_v", alias=f"L{n}") for n in (1, 2, 3)),
            "Voltage at the charger's terminals. It trips at 10 % above or below its nominal voltage.",
        ),
        Panel(
            "Temperature",
            "timeseries",
            (over_time(TELEMETRY_OF, "temperature_c", "max", alias="hottest sensor"),),
            "The enclosure. The charger halves its current at 65 °C, quarters it at 68 °C and stops at 71 °C.",
            steps=((65, YELLOW), (68, ORANGE), (71, RED)),
        ),
        Panel(
            "Control pilot",
            "timeseries",
            (
                over_time(TELEMETRY_OF, "cp_high_v", alias="high"),
                over_time(TELEMETRY_OF, "cp_low_v", alias="low"),
            ),
            "Plateaus of the pilot: 12 V no car, 9 V a car, 6 V a car that charges; -12 V below where the car has its "
            "diode.",
            lowest=-13, highest=13,
        ),
        Panel(
            "Duty cycle",
            "timeseries",
            (over_time(TELEMETRY_OF, "duty_percent", "last", alias="duty"),),
            "What the pilot tells the car: up to 85 % it is the current divided by 0.6; 100 % is no offer.",
            lowest=0, highest=100,
        ),
        Panel(
            "Pilot state",
            "state-timeline",
            (over_time(STATES_OF, "cp_state", "last", alias="pilot"),
             over_time(STATES_OF, "status", "last", alias="status")),
            "State of the pilot by IEC 61851-1, and ChargePointStatus.",
            height=6, colours=STATUS_COLOURS,
        ),
        Panel(
            "Connected",
            "state-timeline",
            (over_time(From(CHARGER_ONLINE, variables=("site", "charger")), "online", "last", alias="online"),),
            "Connections to the broker and their ends.",
            height=6, colours={"true": "green", "false": RED},
        ),
        Panel(
            "Sessions",
            "table",
            (
                rows(
                    events("session_ended", of_charger=True),
                    "session_id", "energy_wh - start_energy_wh AS session_wh", "reason", "detail",
                ),
            ),
            "Sessions that have ended; the ledger has all of them with their times.",
            column_units={"session_wh": "Wh"},
        ),
        Panel(
            "Faults",
            "table",
            (rows(events("fault_raised", of_charger=True), "fault", "detail", "session_id"),),
            "Faults as they were raised.",
        ),
    ),
)  # fmt: skip
