"""The house is easy to see: imports run one way, and what does not belong together does not know each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
AGENTS = sorted(
    path.name
    for path in (ROOT / "agents").iterdir()
    if (path / "__init__.py").is_file() and path.name not in ("runtime", "cli")
)


def imports(folder: str) -> Iterator[tuple[str, str]]:
    """Yield (file:line, module) for every absolute import below ``folder``."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "build" in path.relative_to(ROOT).parts:
            continue  # What was unpacked to be built is not ours.
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", name


def outside(folder: str, *forbidden: str) -> list[str]:
    return [
        f"{where} imports {name}"
        for where, name in imports(folder)
        if any(name == bad or name.startswith(f"{bad}.") for bad in forbidden)
    ]


def test_the_contract_imports_none_of_the_rest():
    assert outside("bus_schema", "agents", "firmware", "tests") == []


def test_the_runtime_knows_no_agent():
    others = [f"agents.{name}" for name in (*AGENTS, "cli")]
    assert outside("agents/runtime", *others, "firmware", "tests") == []


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_imports_no_other(agent):
    others = [f"agents.{name}" for name in (*AGENTS, "cli") if name != agent]
    assert outside(f"agents/{agent}", *others, "firmware", "tests") == []


def test_the_command_line_and_the_firmware_meet_as_processes():
    assert outside("agents/cli", "firmware", "tests") == []
    assert outside("firmware", "agents", "tests") == []


def test_the_charger_app_imports_only_itself():
    assert outside("firmware/app", "bus_schema", "firmware", "agents", "pydantic") == []


def test_every_agent_is_registered_once():
    from agents import registry

    # An agent's shadow lives in its folder.
    folders = {entry.agent.split(".")[1] for entry in registry.AGENTS.values()}
    assert all(entry.settings.split(".")[1] in folders for entry in registry.AGENTS.values())
    assert sorted(folders) == AGENTS
    assert len({entry.agent for entry in registry.AGENTS.values()}) == len(registry.AGENTS)
    assert set(registry.AGENTS) >= registry.ON_REQUEST


def test_the_dashboards_know_the_contract_only():
    assert outside("dashboards", "agents", "firmware", "tests") == []
