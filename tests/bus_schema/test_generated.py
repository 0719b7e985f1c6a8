"""What is generated is up to date, and what it says is what the table says."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus_schema import TOPICS, Role, __main__
from bus_schema.examples import EXAMPLES
from bus_schema.generate import artefacts, asyncapi, firmware, json_schema, stale, write
from tests.bus_schema.strategies import of_schema
from tests.missing import missing

ROOT = Path(__file__).resolve().parents[2]


def test_no_generated_file_is_stale():
    assert stale(ROOT) == [], "run: python -m bus_schema"


def test_check_names_each_stale_file_and_the_command(tmp_path, capsys):
    assert __main__.main(["--root", str(tmp_path)]) == 0
    assert __main__.main(["--check", "--root", str(tmp_path)]) == 0
    capsys.readouterr()
    (tmp_path / "firmware/app/contract.py").write_text("ROOT = 'ev/v2'\n")
    (tmp_path / "bus_schema/generated/mosquitto.acl").unlink()
    (tmp_path / "bus_schema/generated/left_over.json").write_text("{}")
    assert __main__.main(["--check", "--root", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    for name in ("firmware/app/contract.py", "generated/mosquitto.acl", "generated/left_over.json"):
        assert f"{name}\n" in said
    assert "run: python -m bus_schema" in said
    assert len(write(tmp_path)) == 3
    assert stale(tmp_path) == [] and not (tmp_path / "bus_schema/generated/left_over.json").exists()


def test_the_same_contract_gives_the_same_bytes_in_another_process():
    code = "import zlib; from bus_schema.generate import artefacts; print(zlib.crc32(str(artefacts()).encode()))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_bus_schema_imports_nothing_of_the_rest():
    for path in (ROOT / "bus_schema").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("agents", "firmware", "tests")], path


# --- firmware constants


def test_the_constants_are_plain_enough_for_micropython():
    tree = ast.parse(firmware.constants())
    assert isinstance(tree.body[0], ast.Expr)
    for node in tree.body[1:]:
        assert isinstance(node, ast.Assign), ast.dump(node)
        for part in ast.walk(node.value):
            assert isinstance(part, ast.Constant | ast.Tuple | ast.Dict | ast.Name | ast.Load), ast.dump(part)


def test_the_constants_hold_every_topic_of_a_charger():
    names: dict[str, object] = {}
    exec(compile(firmware.constants(), "contract", "exec"), names)  # our own generated text
    for topic in TOPICS:
        constant = names.get(f"TOPIC_{topic.name.removeprefix('charger_').upper()}")
        if Role.CHARGER in (*topic.writers, *topic.readers):
            suffix = topic.pattern.removeprefix("charger/{charger}/").removesuffix("{sender}")
            assert constant == (suffix, topic.qos, topic.retained)
        else:
            assert constant is None
    assert names["SUBSCRIPTIONS"] == (("event/ack", 1), ("command/from/+", 1))


def test_a_pattern_that_the_firmware_cannot_check_is_refused_at_generation(monkeypatch):
    monkeypatch.delitem(firmware._KINDS_BY_PATTERN, r"^[0-9a-f]{64}$")
    with pytest.raises(firmware.NotExpressible, match="sha256"):
        firmware.constants()


# --- JSON Schemas


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_schema_is_valid_and_accepts_the_examples(topic):
    schema = json_schema.schema(topic)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for row, example in EXAMPLES:
        if row is topic:
            validator.validate(json.loads(topic.encode(example)))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"ts": "yesterday"})


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(TOPICS))
def test_what_a_schema_accepts_is_read(data, topic):
    value = data.draw(of_schema(topic.adapter.json_schema()))
    jsonschema.Draft202012Validator(json_schema.schema(topic)).validate(value)
    topic.decode(json.dumps(value))


def test_titles_go_but_fields_called_title_stay():
    assert json_schema.plain({"title": "T", "properties": {"title": {"title": "Title", "type": "string"}}}) == {
        "properties": {"title": {"type": "string"}}
    }


# --- AsyncAPI


def _meta_schema():
    """Find AsyncAPI's own schema: ``npm install @asyncapi/specs``, here or where ASYNCAPI_SPECS points."""
    folders = [os.environ.get("ASYNCAPI_SPECS"), ROOT / "node_modules/@asyncapi/specs"]
    for folder in folders:
        path = Path(folder or "/nonexistent") / "schemas" / "3.0.0-without-$id.json"
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
    return None


def test_the_document_is_asyncapi_3():
    schema = _meta_schema()
    if schema is None:
        missing("AsyncAPI's own schema (npm install @asyncapi/specs, or set ASYNCAPI_SPECS to its folder)")
    jsonschema.Draft7Validator(schema).validate(asyncapi.specification())


def test_every_reference_leads_somewhere():
    document = asyncapi.specification()

    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                target = document
                for part in node["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)


def test_every_row_is_a_channel_and_every_role_an_operation():
    document = asyncapi.specification()
    for topic in TOPICS:
        channel = document["channels"][topic.name]
        assert channel["address"] == f"ev/v1/{{site}}/{topic.pattern}"
        assert set(channel["parameters"]) == set(re.findall(r"\{(\w+)\}", channel["address"]))
        for role in Role:
            for name, roles in (("sends", topic.writers), ("receives", topic.readers)):
                operation = document["operations"].get(f"{role}_{name}_{topic.name}")
                assert (operation is not None) == (role in roles)
                if operation:
                    assert operation["bindings"]["mqtt"]["qos"] == topic.qos
                    assert operation["bindings"]["mqtt"]["retain"] is topic.retained
    assert set(document["components"]["messages"]) == {
        name for topic in TOPICS for name in asyncapi.message_names(topic)
    }


def test_artefacts_are_named_once():
    paths = [artefact.path for artefact in artefacts()]
    assert len(set(paths)) == len(paths)
