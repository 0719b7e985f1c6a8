"""Alert rules are what Grafana's file provisioning takes, fire when they should, and not on a calm day."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agents.influx_logger.databases import open_database
from agents.influx_logger.settings import InfluxLoggerSettings
from dashboards.alerts import ALERTS, Alert
from dashboards.dashboard import SOURCE
from tests.dashboards.alert_file import EXPRESSIONS, AlertFile
from tests.dashboards.seeded import CALM
from tests.dashboards.test_queries import check
from tests.time_series import InfluxServer

FILE = Path(__file__).parents[2] / "dashboards/generated/alerting/rules.json"
SILENT = "chargebus-charger-silent"
EACH = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.uid)


def firing(influx: InfluxServer, rule: Any, database: str) -> list[dict[str, str]]:
    """Return the labels of the series for which a rule fires, evaluated from its JSON as Grafana does."""
    query, reduce, threshold = (step["model"] for step in rule["data"])
    assert (reduce["type"], reduce["reducer"], threshold["type"]) == ("reduce", "last", "threshold")
    series = influx.query(query["query"], database)
    if not series:
        return [{}] if rule["noDataState"] == "Alerting" else []
    ((evaluator,),) = ([condition["evaluator"] for condition in threshold["conditions"]],)
    (bound,) = evaluator["params"]
    found = []
    for each in series:
        values = [row[1] for row in each["values"] if row[1] is not None]
        if values and (values[-1] > bound if evaluator["type"] == "gt" else values[-1] < bound):
            found.append(each["tags"])
    return found


def test_grafana_takes_the_file() -> None:
    groups = AlertFile.model_validate_json(FILE.read_text()).groups
    used = {query.datasource_uid for group in groups for rule in group.rules for query in rule.data}
    assert used == {SOURCE["uid"], EXPRESSIONS}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("groups", 0, "rules", 0, "noDataState"), "Ok"),
        (("groups", 0, "rules", 0, "fore"), "1m"),
        (("groups", 0, "rules", 0, "for"), "one minute"),
        (("groups", 0, "rules", 0, "condition"), "D"),
        (("groups", 0, "rules", 0, "labels", "severity"), "$severity"),
        (("groups", 0, "rules", 0, "annotations", "summary"), "${charger} is silent"),
        (("groups", 0, "rules", 0, "data", 0, "relativeTimeRange", "from"), "600"),
        (("groups", 0, "rules", 0, "data", 1, "model", "expression"), "C"),
        (("groups", 0, "rules", 0, "data", 2, "refId"), "B"),
        (("groups", 0, "rules", 1, "uid"), SILENT),
        (("groups", 0, "interval"), "15s"),
        (("groups", 0, "folder"), ""),
        (("apiVersion",), 2),
    ],
)
def test_a_file_that_grafana_would_refuse_or_misread_is_found(path: tuple[str | int, ...], value: Any) -> None:
    whole = json.loads(FILE.read_text())
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ValidationError):
        AlertFile.model_validate_json(json.dumps(whole))


@EACH
def test_it_has_a_value_to_compare(influx: InfluxServer, alert: Alert) -> None:
    check(alert.query, influx.query(alert.query.text), alert.title)


FIRES = {
    "chargebus-fault": [{"site": "garage", "charger": "c10"}],
    "chargebus-temperature": [{"site": "garage", "charger": charger} for charger in ("c1", "c10", "c2", "c3")],
    "chargebus-unbalance": [{"site": "garage", "circuit": circuit} for circuit in ("garage", "roof")],
    "chargebus-spool": [{"site": "garage", "alarm": "influx-spool"}],
    "chargebus-broker": [{"site": "garage"}],
    "chargebus-session": [{"site": "garage", "alarm": "ledger-stuck-c1"}],
}
"""On the day that ends with a fault, hot chargers, unbalanced phases, losses and alarms; but nobody is silent."""


@EACH
def test_it_fires_for_what_has_gone_wrong_and_for_nothing_else(influx: InfluxServer, alert: Alert) -> None:
    assert firing(influx, alert.model(), "chargebus") == FIRES.get(alert.uid, [])


@EACH
def test_on_a_calm_day_it_does_not_fire(influx: InfluxServer, alert: Alert) -> None:
    assert firing(influx, alert.model(), CALM) == []


def test_a_silent_charger_fires_and_an_empty_database_too(influx: InfluxServer) -> None:
    (alert,) = (alert for alert in ALERTS if alert.uid == SILENT)
    influx.query('CREATE DATABASE "silent"')
    assert firing(influx, alert.model(), "silent") == [{}], "nothing at all is silence, too"
    now_ms = int(time.time() * 1000)
    write, close = open_database(InfluxLoggerSettings(url=influx.url, api="v1", bucket="silent"))
    for charger, minutes in (("c77", 180), ("c78", 12), ("c79", 0)):
        for ago_s in range(minutes * 60, minutes * 60 + 900, 10):
            write(f"state,site=garage,charger={charger} uptime_ms=1i {now_ms - ago_s * 1000}000000")
    close()
    assert [labels["charger"] for labels in firing(influx, alert.model(), "silent")] == ["c77", "c78"]
