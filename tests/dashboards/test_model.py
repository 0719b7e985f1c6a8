"""The files that Grafana reads: up to date, well formed, and each number with its unit."""

import json
import re
from typing import Any

import pytest

from bus_schema.topics import CHARGER_TELEMETRY
from bus_schema.words import ChargerStatus
from dashboards.alerts import ALERTS
from dashboards.boards import DASHBOARDS
from dashboards.dashboard import SOURCE, Dashboard
from dashboards.files import GENERATED, files, stale
from dashboards.influxql import Column, From, NotInTheContract, over_time, rows, tag_values
from dashboards.panels import COLUMN_KINDS, GRAFANA_UNITS, STATUS_COLOURS

BOARDS = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)


def test_the_files_are_up_to_date() -> None:
    assert stale() == []
    assert {path.name for path in GENERATED.rglob("*.json")} == {name.rpartition("/")[2] for name in files()}


def test_what_the_contract_does_not_have_is_an_error() -> None:
    source = From(CHARGER_TELEMETRY)
    with pytest.raises(NotInTheContract, match="no field 'power_kw'"):
        over_time(source, "power_kw")
    with pytest.raises(NotInTheContract, match="no tag 'meter'"):
        over_time(source, "power_w", by=("meter",))
    with pytest.raises(NotInTheContract, match="no field 'b'"):
        rows(source, "power_w - b AS c")
    with pytest.raises(NotInTheContract, match="no tag 'meter'"):
        tag_values(source, "meter")
    with pytest.raises(NotInTheContract, match="no tag 'meter'"):
        From(CHARGER_TELEMETRY, variables=("meter",))
    with pytest.raises(NotInTheContract, match="no field 'x'"):
        source.select(Column("x"))


@BOARDS
def test_panels_do_not_overlap_and_fill_the_grid(board: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board.model()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells


@BOARDS
def test_every_panel_says_what_it_shows_and_in_which_unit(board: Dashboard) -> None:
    titles = [panel.title for panel in board.panels]
    assert len(set(titles)) == len(titles)
    for panel in board.panels:
        assert panel.description.endswith("."), panel.title
        for query in panel.queries:
            assert query.unit in GRAFANA_UNITS
        if panel.kind in COLUMN_KINDS:
            for query in panel.queries:
                for column in query.columns:
                    unit = re.search(r"_(a|wh|w|v|c|s|ms)$", column)
                    if unit:
                        assert column in panel.column_units, f"{panel.title}: {column} has no unit"
        assert len({query.unit for query in panel.queries}) == 1, f"{panel.title} mixes units"


@BOARDS
def test_what_a_query_chooses_by_is_a_variable_of_the_page(board: Dashboard) -> None:
    known = {variable.name for variable in board.variables}
    for panel in board.panels:
        used = set(re.findall(r"/\^\$(\w+)\$/", " ".join(query.text for query in panel.queries)))
        assert used <= known, panel.title
    for annotation in board.annotations:
        assert set(re.findall(r"/\^\$(\w+)\$/", annotation.query.text)) <= known


def test_links_lead_to_pages_that_exist() -> None:
    uids = {board.uid for board in DASHBOARDS}
    targets = {uid for board in DASHBOARDS for panel in board.panels for uid in panel.links.values()}
    assert targets and targets <= uids


def test_ids_are_fixed_and_sources_are_by_uid() -> None:
    uids = [board.uid for board in DASHBOARDS] + [alert.uid for alert in ALERTS]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)
    for name, text in files().items():
        if name.startswith("dashboards/"):
            model = json.loads(text)
            assert model["id"] is None
            assert model["schemaVersion"] >= 36
            assert list(_sources(model["panels"])) and set(_sources(model["panels"])) == {SOURCE["uid"]}


def _sources(value: Any) -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "datasource":
                yield inner["uid"]
            else:
                yield from _sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _sources(inner)


def test_every_status_has_a_colour() -> None:
    assert set(STATUS_COLOURS) == set(ChargerStatus)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.uid)
def test_alerts_say_what_to_do(alert: Any) -> None:
    model = alert.model()
    assert model["annotations"]["description"].endswith(".")
    assert [step["refId"] for step in model["data"]] == ["A", "B", "C"]
    assert model["condition"] == "C"
