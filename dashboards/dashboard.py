"""A page of panels, as Grafana's classic JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.influxql import Query
from dashboards.panels import Panel

SCHEMA_VERSION = 39
"""Of dashboards in Grafana 10.4; later versions migrate it when they load it."""

SOURCE = {"type": "influxdb", "uid": "chargebus-influxdb"}
"""The data source that ``deploy`` provisions under this fixed uid."""

COLUMNS = 24


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a page."""

    name: str
    label: str
    query: str
    """InfluxQL that lists its values."""
    many: bool = False
    """Several, or all, may be chosen."""

    def model(self) -> dict[str, Any]:
        """Return it as Grafana's JSON."""
        made: dict[str, Any] = {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": dict(SOURCE),
            "query": self.query,
            "definition": self.query,
            "refresh": 2,  # When the time range changes.
            "sort": 5,  # Natural, c2 before c10.
            "multi": self.many,
            "includeAll": self.many,
        }
        if self.many:
            made |= {"allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}}
        return made


@dataclass(frozen=True)
class Annotation:
    """Events drawn as marks across all panels."""

    name: str
    query: Query
    text: str
    """Column that is shown."""
    colour: str
    tags: str = ""
    """Column that is shown as a label."""

    def model(self) -> dict[str, Any]:
        """Return it as Grafana's JSON."""
        return {
            "name": self.name,
            "datasource": dict(SOURCE),
            "enable": True,
            "iconColor": self.colour,
            "query": self.query.text,
            "textColumn": self.text,
            "tagsColumn": self.tags,
            "target": {"query": self.query.text, "textColumn": self.text, "tagsColumn": self.tags},
        }


@dataclass(frozen=True)
class Dashboard:
    """One page."""

    uid: str
    """Fixed, so that links and provisioning find it."""
    title: str
    description: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    since: str = "now-6h"
    refresh: str = "10s"

    def model(self) -> dict[str, Any]:
        """Return the page as Grafana's JSON."""
        return {
            "uid": self.uid,
            "id": None,
            "title": self.title,
            "description": self.description,
            "tags": ["chargebus"],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "time": {"from": self.since, "to": "now"},
            "refresh": self.refresh,
            "timezone": "browser",
            "templating": {"list": [variable.model() for variable in self.variables]},
            "annotations": {"list": [annotation.model() for annotation in self.annotations]},
            "links": [
                {"type": "dashboards", "tags": ["chargebus"], "asDropdown": True, "title": "chargebus",
                 "includeVars": True, "keepTime": True}
            ],
            "panels": _placed(self.panels),
        }  # fmt: skip


def _placed(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Place the panels from left to right, in rows as high as the highest of them."""
    made = []
    x = y = row = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > COLUMNS:
            x, y, row = 0, y + row, 0
        made.append(panel.model(number, x, y, SOURCE))
        x, row = x + panel.width, max(row, panel.height)
    return made
