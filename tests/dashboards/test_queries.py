"""Every query of every panel, variable, annotation and alert runs on a real InfluxDB and shows a seeded day."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agents.influx_logger.databases import open_database
from agents.influx_logger.settings import InfluxLoggerSettings
from dashboards.alerts import ALERTS
from dashboards.boards import DASHBOARDS
from dashboards.dashboard import Dashboard
from dashboards.influxql import Query
from tests.dashboards.seeded import LENGTH_MS, lines
from tests.time_series import InfluxServer

BOARDS = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    server.start()
    server.query('CREATE DATABASE "chargebus"')
    write, close = open_database(InfluxLoggerSettings(url=server.url, api="v1"))
    texts = list(lines(int(time.time() * 1000)))
    for first in range(0, len(texts), 5000):
        answer = write("\n".join(texts[first : first + 5000]))
        assert answer.fate.name == "TAKEN", answer
    close()
    yield server
    server.kill()


def run(influx: InfluxServer, text: str, values: dict[str, str]) -> list[dict[str, Any]]:
    """Run a query with the variables filled in as Grafana does."""
    now_ms = int(time.time() * 1000)
    text = text.replace("$timeFilter", f"time >= {now_ms - LENGTH_MS}ms AND time <= {now_ms}ms")
    text = text.replace("$__interval", "5m")
    for name, value in values.items():
        text = re.sub(rf"\$\{{?{name}\b\}}?", value, text)
    assert "$" not in text.replace("$/", ""), f"a variable is left: {text}"
    return influx.query(text)


def variables(influx: InfluxServer, board: Dashboard) -> dict[str, str]:
    values: dict[str, str] = {}
    for variable in board.variables:
        series = run(influx, variable.query, values)
        assert series and series[0]["values"], f"variable {variable.name} has no values"
        found = [value for _, value in series[0]["values"]]
        values[variable.name] = f"({'|'.join(found)})" if variable.many else found[0]
    return values


def check(query: Query, series: list[dict[str, Any]], what: str) -> None:
    assert series, f"{what} shows nothing: {query.text}"
    for each in series:
        assert set(query.columns) <= set(each["columns"]), f"{what}: {each['columns']}"
        assert set(query.tags) == set(each.get("tags", {})), f"{what}: {each.get('tags')}"
    for column in query.columns:
        values = [row[each["columns"].index(column)] for each in series for row in each["values"]]
        assert any(value is not None for value in values), f"{what}: column {column} never has a value"


@BOARDS
def test_every_panel_shows_data(influx: InfluxServer, board: Dashboard) -> None:
    values = variables(influx, board)
    for panel in board.panels:
        for query in panel.queries:
            check(query, run(influx, query.text, values), f"{board.title} / {panel.title}")


@BOARDS
def test_every_annotation_shows_data(influx: InfluxServer, board: Dashboard) -> None:
    values = variables(influx, board)
    for annotation in board.annotations:
        series = run(influx, annotation.query.text, values)
        check(annotation.query, series, f"{board.title} / {annotation.name}")
        assert annotation.text in series[0]["columns"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.uid)
def test_every_alert_has_a_value_to_compare(influx: InfluxServer, alert: Any) -> None:
    series = run(influx, alert.query.text, {})
    check(alert.query, series, alert.title)
    newest = [[row[1] for row in each["values"] if row[1] is not None][-1:] for each in series if each["values"]]
    values = [value for found in newest for value in found]
    assert all(isinstance(value, int | float) for value in values)
    fires = any(value > alert.bound if alert.comparison == "gt" else value < alert.bound for value in values)
    # The seeded day ends with a fault, a hot charger, unbalanced phases and alarms; but nobody is silent.
    assert fires == (alert.uid != "chargebus-charger-silent"), values


def test_a_silent_charger_is_noticed(influx: InfluxServer) -> None:
    now_ms = int(time.time() * 1000)
    write, close = open_database(InfluxLoggerSettings(url=influx.url, api="v1"))
    write(f"state,site=garage,charger=c77 uptime_ms=1i {now_ms - 3 * 3_600_000}000000")
    close()
    (alert,) = (alert for alert in ALERTS if alert.uid == "chargebus-charger-silent")
    series = run(influx, alert.query.text, {})
    (silent,) = (each for each in series if each["tags"]["charger"] == "c77")
    assert silent["values"][-1][1] == 0
