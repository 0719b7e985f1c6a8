"""X13: whatever comes from outside is read by the strict readers; who else parses JSON is listed with the reason."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]

READERS = {
    "bus_schema/json_text.py": "the strict reader itself",
    "bus_schema/topic.py": "pydantic's parser, behind what it takes and JSON does not",
    "firmware/app/json_text.py": "the charger's strict reader itself",
}

OWN = {
    "agents/access/backend_lists_kept.py": "rows of its own database",
    "agents/access/decisions.py": "rows of its own database",
    "agents/cli/backup/archive.py": "the manifest that the backup has written",
    "agents/cli/pki/register.py": "the register of certificates that it has written",
    "agents/cli/device/provision.py": "a script that runs on the device, with what this program has put into it",
    "agents/csms/agent.py": "rows of its own database",
    "agents/csms/journal.py": "rows of its own database",
    "agents/csms/recalling.py": "rows of its own database",
    "agents/csms/speaking.py": "rows of its own database",
    "agents/influx_logger/parquet.py": "rows of its own file",
    "agents/ledger/session.py": "rows of its own database",
    "agents/ocpp_bridge/v16/charge_point.py": "messages of its own outbox",
    "agents/ocpp_bridge/v16/firmware.py": "rows of its own database",
    "agents/ocpp_bridge/v16/smart_charging.py": "rows of its own database",
    "agents/ocpp_bridge/v16/transactions.py": "rows of its own database",
    "agents/runtime/history/sqlite.py": "rows of its own file",
    "agents/runtime/database/store_file.py": "the note that it has written beside its database",
    "agents/runtime/ocpp/v16/dialect.py": "schemas that are part of an installed package",
    "firmware/app/journal.py": "its own flash, behind a checksum",
    "firmware/app/local_list.py": "its own flash, behind a checksum",
    "firmware/app/records.py": "its own flash, behind a checksum",
    "firmware/app/settings.py": "its own flash, behind a checksum",
    "firmware/boards/unix_main.py": "the test's own words on standard input",
    "firmware/sim/physical_state.py": "its own file",
    "firmware/sim/slots.py": "its own file",
}
"""Files that read what this program itself has written."""

JSON_CALLS = {"json.loads", "json.load", "orjson.loads", "msgspec.json.decode", "from_json", "pydantic_core.from_json"}
METHODS = {"validate_json", "model_validate_json", "parse_raw"}


def _calls(path: Path) -> set[str]:
    names: set[str] = set()
    source = path.read_text(encoding="utf-8")
    if "json" not in source and "parse_raw" not in source:
        return names
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call | ast.Attribute | ast.Name):
            target = node.func if isinstance(node, ast.Call) else node
            text = ast.unparse(target)
            if text in JSON_CALLS or text.rpartition(".")[2] in METHODS:
                names.add(text)
        elif isinstance(node, ast.ImportFrom) and node.module in ("json", "orjson"):
            names |= {alias.name for alias in node.names if alias.name in ("load", "loads")}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "json.loads" in node.value:
            names.add("json.loads")  # a script for another interpreter
    return names


def _parsing() -> set[str]:
    paths = [path for top in ("agents", "bus_schema", "dashboards", "firmware") for path in (ROOT / top).rglob("*.py")]
    names = {path.relative_to(ROOT).as_posix(): path for path in paths}
    return {name for name, path in names.items() if not name.startswith("firmware/build/") and _calls(path)}


def test_nothing_from_outside_is_read_by_a_lax_reader() -> None:
    found = _parsing()
    unknown = sorted(found - set(READERS) - set(OWN))
    assert not unknown, (
        f"{unknown} parse JSON: what comes from outside is read with bus_schema.json_text.read_json (on a charger: "
        "firmware/app/json_text.py); what the program itself has written is listed in OWN, with the reason"
    )


def test_the_list_names_only_files_that_parse() -> None:
    assert sorted((set(READERS) | set(OWN)) - _parsing()) == []
