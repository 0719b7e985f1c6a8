"""What is drawn: panels of Grafana, with the unit that the contract gives their field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from dashboards.influxql import Query

Kind = Literal["timeseries", "stat", "table", "state-timeline", "bargauge", "barchart"]

GRAFANA_UNITS = {
    "A": "amp",
    "V": "volt",
    "W": "watt",
    "Wh": "watth",
    "°C": "celsius",
    "%": "percent",
    "s": "s",
    "ms": "ms",
    "": "short",
}
"""The contract's units in Grafana's words."""

COLUMN_KINDS: tuple[Kind, ...] = ("table",)
"""Kinds whose columns have a unit each."""

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"

STATUS_COLOURS = {
    "Available": GREEN,
    "Preparing": BLUE,
    "Charging": BLUE,
    "SuspendedEV": YELLOW,
    "SuspendedEVSE": ORANGE,
    "Finishing": BLUE,
    "Reserved": YELLOW,
    "Unavailable": GREY,
    "Faulted": RED,
}
"""Colour of every ChargePointStatus of OCPP 1.6."""


@dataclass(frozen=True)
class Panel:
    """One panel. Width and height are in Grafana's grid of 24 columns."""

    title: str
    kind: Kind
    queries: tuple[Query, ...]
    description: str
    """What it shows and what to do about it: the text behind the panel's (i)."""
    width: int = 12
    height: int = 8
    steps: tuple[tuple[float, str], ...] = ()
    """From which value on which colour; green below the first."""
    lowest: float | None = None
    highest: float | None = None
    decimals: int | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    """Colour of each word, for states."""
    links: Mapping[str, str] = field(default_factory=dict)
    """For tables: dashboard that a tag's value leads to, by the column."""
    column_units: Mapping[str, str] = field(default_factory=dict)
    """For tables: the contract's unit of a column."""
    repeat: str = ""
    """Variable for each of whose values the panel is drawn."""

    @property
    def unit(self) -> str:
        """Unit of the first query that has one, in Grafana's words."""
        return GRAFANA_UNITS[next((query.unit for query in self.queries if query.unit), "")]

    def model(self, number: int, x: int, y: int, source: Mapping[str, str]) -> dict[str, Any]:
        """Return the panel as Grafana's JSON."""
        made: dict[str, Any] = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": dict(source),
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [target(query, index, source) for index, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "options": _OPTIONS[self.kind],
        }
        if self.repeat:
            made |= {"repeat": self.repeat, "repeatDirection": "v"}
        return made

    def _defaults(self) -> dict[str, Any]:
        steps = [{"color": GREEN, "value": None}, *({"color": c, "value": v} for v, c in self.steps)]
        made: dict[str, Any] = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        made["color"] = {"mode": "thresholds" if self.steps or self.kind == "stat" else "palette-classic"}
        for key, value in (("min", self.lowest), ("max", self.highest), ("decimals", self.decimals)):
            if value is not None:
                made[key] = value
        if self.colours:
            words = {word: {"color": colour, "index": n} for n, (word, colour) in enumerate(self.colours.items())}
            made["mappings"] = [{"type": "value", "options": words}]
        if self.kind == "timeseries":
            # A gap is a gap: nobody shall take a silent charger's last value for its present one.
            made["custom"] = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "auto", "spanNulls": False}
            if self.steps:
                made["custom"]["thresholdsStyle"] = {"mode": "line"}
                made["color"] = {"mode": "palette-classic"}
        if self.kind == "table" and self.colours:
            made["custom"] = {"cellOptions": {"type": "color-text"}}
        return made

    def _overrides(self) -> list[dict[str, Any]]:
        made = []
        for column, board in self.links.items():
            url = f"/d/{board}?var-{column}=${{__value.text}}&var-site=${{site}}&${{__url_time_range}}"
            link = [{"title": f"{board}: ${{__value.text}}", "url": url}]
            made.append(_override(column, {"links": link}))
        for column, unit in self.column_units.items():
            made.append(_override(column, {"unit": GRAFANA_UNITS[unit]}))
        return made


def _override(column: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": column},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def target(query: Query, index: int, source: Mapping[str, str]) -> dict[str, Any]:
    """Return a query as Grafana's JSON."""
    return {
        "refId": chr(ord("A") + index),
        "datasource": dict(source),
        "query": query.text,
        "rawQuery": True,
        "resultFormat": query.format,
        "alias": query.alias,
    }


_OPTIONS: dict[Kind, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "state-timeline": {
        "showValue": "auto",
        "mergeValues": True,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
    },
    "bargauge": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "horizontal",
        "displayMode": "basic",
    },
    "barchart": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "stacking": "normal"},
}
