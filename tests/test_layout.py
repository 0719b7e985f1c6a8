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


WITHOUT_CIRCLES = [f"agents/{name}" for name in ("cli", "runtime", *AGENTS) if name not in ("csms", "ocpp_bridge")]
"""Folders in which a part is handed what it needs, and not the whole it belongs to."""


def inside(folder: str) -> dict[str, set[str]]:
    """Return what each module of ``folder`` imports of the others, imports for types alone included."""
    package = folder.replace("/", ".")
    modules = {
        str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for path in (ROOT / folder).rglob("*.py")
    }
    found: dict[str, set[str]] = {module: set() for module in modules}
    for path in (ROOT / folder).rglob("*.py"):
        module = str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
                for alias in node.names:
                    named = f"{node.module}.{alias.name}"
                    found[module].add(named if named in modules else node.module or "")
    return {module: targets & modules - {module} for module, targets in found.items()}


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Return the parts that import each other in a ring, directly or not."""
    reach = {part: set(targets) for part, targets in arrows.items()}
    changed = True
    while changed:
        changed = False
        for targets in reach.values():
            more = set().union(*(reach.get(target, set()) for target in targets)) - targets
            targets |= more
            changed = changed or bool(more)
    rings = {
        tuple(sorted({part} | {other for other in reach[part] if part in reach.get(other, set())})) for part in reach
    }
    return [list(ring) for ring in sorted(rings) if len(ring) > 1]


@pytest.mark.parametrize("folder", WITHOUT_CIRCLES)
def test_no_modules_and_no_folders_import_each_other(folder):
    modules = inside(folder)
    assert circles(modules) == []
    depth = folder.count("/") + 2
    folders: dict[str, set[str]] = {}
    for module, targets in modules.items():
        part = ".".join(module.split(".")[:depth])
        folders.setdefault(part, set()).update(".".join(target.split(".")[:depth]) for target in targets)
    assert circles({part: targets - {part} for part, targets in folders.items()}) == []


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
