"""Every page against Grafana's own schema: the typed models that Grafana publishes for Python, of version 11.6.

A page is read into the models and written again. What the schema does not know is not written again: a misspelt
option, or one in the wrong place, is found. It cannot look into InfluxDB's queries, which the models keep as they are:
those run on a real InfluxDB elsewhere.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

PAGES = sorted((Path(__file__).parents[2] / "dashboards/generated/dashboards").glob("*.json"))

BESIDE_THE_SCHEMA = re.compile(
    r"/id$"  # Null, which provisioning asks for; the models leave it out.
    r"|/templating/list/\d+/definition$"  # What the editor shows of a variable.
    r"|/annotations/list/\d+/(target/)?(query|textColumn|tagsColumn)$"  # InfluxDB's own part of an annotation.
)


def written_again(page: Any) -> Any:
    """Return the page as the models write what they have read of it."""
    register_default_plugins()
    return json.loads(json.dumps(Dashboard.from_json(page), cls=JSONEncoder))


def lost(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Yield where what was written again differs; what the models add does not count."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from lost(value, theirs[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(our, their, f"{path}/{number}")
    elif ours != theirs:
        yield path


def unknown(page: Any) -> list[str]:
    return [path for path in lost(page, written_again(page)) if not BESIDE_THE_SCHEMA.search(path)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_grafanas_schema_knows_every_setting(path: Path) -> None:
    assert unknown(json.loads(path.read_text())) == []


@pytest.mark.parametrize(
    "keys",
    [("panels", 0, "fieldConfig", "defaults", "unit"), ("panels", 0, "gridPos"), ("templating", "list", 0, "label")],
)
def test_a_misspelt_setting_is_found(keys: tuple[str | int, ...]) -> None:
    page = json.loads(PAGES[0].read_text())
    wrong = copy.deepcopy(page)
    inner = wrong
    for key in keys[:-1]:
        inner = inner[key]
    inner[f"{keys[-1]}s"] = inner.pop(keys[-1])
    assert unknown(wrong) == ["/" + "/".join(map(str, (*keys[:-1], f"{keys[-1]}s")))]
