"""Alert rules: what somebody must be woken for, as Grafana's file provisioning takes it.

A rule is a query whose newest value (per series) is compared with a bound. No data is an alert of its own where
silence is the danger.
"""

from dataclasses import dataclass
from typing import Any, Literal

from bus_schema.topics import ALARM, BROKER_STATUS, CHARGER_STATE, CHARGER_TELEMETRY, CIRCUIT_LOAD
from dashboards.dashboard import SOURCE
from dashboards.influxql import Column, From, Query

FOLDER = "chargebus"
"""Title of the folder: alert files name folders by title."""


@dataclass(frozen=True)
class Alert:
    """One rule."""

    uid: str
    title: str
    query: Query
    """Its newest value per series is what is compared."""
    comparison: Literal["gt", "lt"]
    bound: float
    stands_for: str
    """How long it must be so."""
    severity: Literal["warning", "critical"]
    summary: str
    remedy: str
    when_silent: Literal["OK", "Alerting"] = "OK"

    def model(self) -> dict[str, Any]:
        """Return it as Grafana's JSON."""
        return {
            "uid": self.uid,
            "title": self.title,
            "condition": "C",
            "for": self.stands_for,
            "noDataState": self.when_silent,
            "execErrState": "Error",
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.remedy},
            "data": [
                {
                    "refId": "A",
                    "datasourceUid": SOURCE["uid"],
                    "relativeTimeRange": {"from": 600, "to": 0},
                    "model": {"refId": "A", "query": self.query.text, "rawQuery": True, "resultFormat": "time_series",
                              "alias": self.query.alias},
                },
                _expression("B", {"type": "reduce", "expression": "A", "reducer": "last"}),
                _expression(
                    "C",
                    {
                        "type": "threshold",
                        "expression": "B",
                        "conditions": [{"evaluator": {"type": self.comparison, "params": [self.bound]}}],
                    },
                ),
            ],
        }  # fmt: skip


def _expression(name: str, model: dict[str, Any]) -> dict[str, Any]:
    return {
        "refId": name,
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 600, "to": 0},
        "model": {"refId": name, "datasource": {"type": "__expr__", "uid": "__expr__"}, **model},
    }


def _each(source: From, field: str, function: str, by: str, minutes: int, where: str = "") -> Query:
    """Return a value a minute for each ``by``, of the last ``minutes``."""
    source.check_tags(("site", by))
    time = f"time > now() - {minutes}m" + (f" AND {where}" if where else "")
    text = source.select(Column(field, function), group=f'time(1m), "site", "{by}" fill(none)', time=time)
    return Query(text, alias=f"$tag_{by}", columns=(field,), tags=("site", by))


_STATES = From(CHARGER_STATE, variables=())
_TELEMETRY = From(CHARGER_TELEMETRY, variables=())
_CIRCUITS = From(CIRCUIT_LOAD, variables=())


def _silent() -> Query:
    """Return how many states each charger has told in ten minutes, for every charger that was heard of within a day.

    The mean of two stretches of five minutes: the newest one has only just begun.
    """
    _STATES.unit("uptime_ms")
    text = (
        f'SELECT moving_average(count("uptime_ms"), 2) AS "states" FROM "{_STATES.name}" WHERE time > now() - 1d '
        'GROUP BY time(5m), "site", "charger" fill(0)'
    )
    return Query(text, alias="$tag_charger", columns=("states",), tags=("site", "charger"))


def _unbalance() -> Query:
    columns = ", ".join(Column(f"drawn_l{n}_a", "mean", f"l{n}").text for n in (1, 2, 3))
    for n in (1, 2, 3):
        _CIRCUITS.unit(f"drawn_l{n}_a")
    group = 'GROUP BY time(1m), "site", "circuit"'
    inner = f'SELECT {columns} FROM "{_CIRCUITS.name}" WHERE time > now() - 10m {group}'
    text = (
        'SELECT (abs("l1" - "l2") + abs("l2" - "l3") + abs("l3" - "l1")) / 2 AS "unbalance_a" '
        f'FROM ({inner}) GROUP BY "site", "circuit"'
    )
    return Query(text, alias="$tag_circuit", unit="A", columns=("unbalance_a",), tags=("site", "circuit"))


def _dropped() -> Query:
    """Return how many messages the broker has dropped in the last ten minutes; a restart of it counts as none."""
    source = From(BROKER_STATUS, variables=())
    inner = source.select(
        Column("messages_dropped", "non_negative_difference.max"),
        group='time(1m), "site" fill(none)',
        time="time > now() - 10m",
    )
    text = f'SELECT sum("messages_dropped") AS "messages_dropped" FROM ({inner}) GROUP BY "site"'
    return Query(text, alias="$tag_site", columns=("messages_dropped",), tags=("site",))


def _alarms(name: str) -> Query:
    source = From(ALARM, variables=())
    text = source.select(
        Column("standing", "last"), group='"site", "alarm"', time=f'time > now() - 30d AND "alarm" =~ /^{name}/'
    )
    counted = f'SELECT count("standing") AS "standing" FROM ({text}) WHERE "standing" = true GROUP BY "site", "alarm"'
    return Query(counted, alias="$tag_alarm", columns=("standing",), tags=("site", "alarm"))


ALERTS: tuple[Alert, ...] = (
    Alert(
        "chargebus-charger-silent", "Charger silent", _silent(), "lt", 0.5, "1m", "warning",
        "{{ $labels.charger }} has said nothing for five minutes.",
        "Is it powered and its network cable plugged in? It charges on its own meanwhile, at its fallback current.",
        when_silent="Alerting",
    ),
    Alert(
        "chargebus-fault", "Charger faulted", _each(_STATES, "faults_count", "max", "charger", 10), "gt", 0, "1m",
        "critical", "{{ $labels.charger }} has a fault.", "The charger's dashboard names it and what to do.",
    ),
    Alert(
        "chargebus-temperature", "Charger too warm", _each(_TELEMETRY, "temperature_c", "max", "charger", 10), "gt", 68,
        "1m", "warning", "{{ $labels.charger }} is above 68 °C and charges at a quarter.",
        "Is it in the sun, is its fan or vent blocked? It stops by itself at 71 °C.",
    ),
    Alert(
        "chargebus-unbalance", "Phases unbalanced", _unbalance(), "gt", 20, "15m", "warning",
        "The phases of {{ $labels.circuit }} differ by more than 20 A.",
        "Rotate the phases of some one-phase chargers, or set a phase-unbalance limit for the balancer.",
    ),
    Alert(
        "chargebus-spool", "Spool filling", _alarms("influx-"), "gt", 0, "1m", "warning",
        "Measurements wait for the database, or were lost.", "Bring the database back; what waits is written then.",
    ),
    Alert(
        "chargebus-broker", "Broker dropping", _dropped(), "gt", 0, "0s", "critical",
        "The broker drops messages.", "Raise max_queued_messages, or find the subscriber that is too slow.",
    ),
    Alert(
        "chargebus-session", "Session stuck", _alarms("ledger-"), "gt", 0, "1m", "warning",
        "A session's record and its charger contradict each other.", "The alarm's own text says what to compare.",
    ),
)  # fmt: skip


def rule_groups() -> dict[str, Any]:
    """Return the file of all rules."""
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": "chargebus",
                "folder": FOLDER,
                "interval": "1m",
                "rules": [alert.model() for alert in ALERTS],
            }
        ],
    }
