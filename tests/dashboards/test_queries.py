"""Every query of every panel, variable and annotation runs on a real InfluxDB and shows a seeded day."""

import re
import time
from typing import Any

import pytest

from dashboards.boards import DASHBOARDS
from dashboards.dashboard import Dashboard
from dashboards.influxql import Query
from tests.dashboards.seeded import LENGTH_MS
from tests.time_series import InfluxServer

BOARDS = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)


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
