"""`schema` prints the contract as it is."""

import json
from pathlib import Path

import pytest

from agents.registry import load_site
from bus_schema import TOPICS
from bus_schema.generate.asyncapi import document
from tests.cli.conftest import Run


def test_table_names_every_topic(bare: Run) -> None:
    outcome = bare("schema")
    assert outcome.code == 0
    rows = {line.split()[0] for line in outcome.out.splitlines() if line.strip()}
    assert {topic.name for topic in TOPICS} <= rows


def test_table_as_json(bare: Run) -> None:
    rows = bare("schema", "--json").json
    assert [row["name"] for row in rows] == [topic.name for topic in TOPICS]
    assert rows[0]["pattern"] == "ev/v1/{site}/charger/{charger}/online"


@pytest.mark.parametrize("name", ["charger_command", "charger_state", "alarm"])
def test_json_schema_of_a_message(name: str, bare: Run) -> None:
    (topic,) = [topic for topic in TOPICS if topic.name == name]
    assert bare("schema", name).json == topic.adapter.json_schema()


def test_asyncapi_is_the_generated_document(bare: Run) -> None:
    assert bare("schema", "--asyncapi").json == json.loads(document())


def test_sample_site_toml_is_valid(bare: Run, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(bare("schema", "--site-toml").out)
    assert load_site(tmp_path / "site.toml").site == "garage"


def test_settings_of_a_charger_are_listed(bare: Run) -> None:
    outcome = bare("configure", "--broker", "127.0.0.1:1", "--site", "garage")
    assert outcome.code == 0
    assert "fallback_current_a" in outcome.out
