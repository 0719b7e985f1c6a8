"""Every page and alert rule against Grafana's own schema: the typed models that it publishes for Python, version 11.6.

Each is read into the models and written again. What the schema does not know is not written again: a misspelt option,
or one in the wrong place, is found. It cannot look into InfluxDB's queries, which the models keep as they are:
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
from grafana_foundation_sdk.models.alerting import Rule
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.expr import TypeReduce, TypeThreshold

from dashboards.alerts import rule_groups

RULES: list[Any] = rule_groups()["groups"][0]["rules"]
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


def misspelt(whole: Any, keys: tuple[str | int, ...]) -> Any:
    """Return a copy in which the last of ``keys`` has one letter too many."""
    wrong = inner = copy.deepcopy(whole)
    for key in keys[:-1]:
        inner = inner[key]
    inner[f"{keys[-1]}s"] = inner.pop(keys[-1])
    return wrong


def path_of(keys: tuple[str | int, ...]) -> str:
    return "/" + "/".join(map(str, (*keys[:-1], f"{keys[-1]}s")))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_grafanas_schema_knows_every_setting(path: Path) -> None:
    assert unknown(json.loads(path.read_text())) == []


@pytest.mark.parametrize(
    "keys",
    [("panels", 0, "fieldConfig", "defaults", "unit"), ("panels", 0, "gridPos"), ("templating", "list", 0, "label")],
)
def test_a_misspelt_setting_is_found(keys: tuple[str | int, ...]) -> None:
    assert unknown(misspelt(json.loads(PAGES[0].read_text()), keys)) == [path_of(keys)]


def rule_written_again(rule: Any) -> Any:
    register_default_plugins()
    read = Rule.from_json(rule)
    assert [type(query.model) for query in read.data[1:]] == [TypeReduce, TypeThreshold], "expressions that are known"
    return json.loads(json.dumps(read, cls=JSONEncoder))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["uid"]))
def test_grafanas_schema_knows_every_part_of_a_rule(rule: Any) -> None:
    assert list(lost(rule, rule_written_again(rule))) == []


@pytest.mark.parametrize("keys", [("labels",), ("data", 1, "model", "reducer"), ("data", 0, "relativeTimeRange")])
def test_a_misspelt_part_of_a_rule_is_found(keys: tuple[str | int, ...]) -> None:
    wrong = misspelt(RULES[0], keys)
    assert list(lost(wrong, rule_written_again(wrong))) == [path_of(keys)]
