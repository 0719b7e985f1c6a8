"""What starts together must start quickly: an agent imports its own libraries, a command hardly any."""

import subprocess
import sys
from pathlib import Path

from agents.registry import sample_site_toml

HEAVY = {
    "alembic",
    "cryptography",
    "fastapi",
    "highspy",
    "jsonschema",
    "nicegui",
    "numpy",
    "ocpp",
    "prometheus_client",
    "pyarrow",
    "scipy",
    "sqlalchemy",
    "urllib3",
    "uvicorn",
    "websockets",
}
"""Each takes about as long to import as most commands take to run, or is a part of one that does."""

OCPP = {"jsonschema", "ocpp", "websockets"}
NEEDED: dict[str, set[str]] = {
    "ledger": {"sqlalchemy"},
    "access": {"sqlalchemy"},
    "console": set(),  # It imports its web server when it starts.
    "influx_logger": {"sqlalchemy"},
    "load_balancer": {"sqlalchemy", "highspy", "numpy", "scipy"},
    "load_balancer_shadow": {"sqlalchemy", "highspy", "numpy", "scipy"},
    "ocpp_bridge": {"sqlalchemy", "cryptography"} | OCPP,
    "grid_meter": set(),
    "csms": {"sqlalchemy", "fastapi", "uvicorn"} | OCPP,
}
"""What each agent may import before it runs. All of them read all of site.toml."""

COMMANDS = (
    "commanding.charging commanding.configure commanding.csms commanding.limit commanding.reserve commanding.upkeep "
    "doctor.command looking.history looking.sessions looking.settle looking.status looking.watch looking.why up.command"
)

EACH_AGENT = """
import os, sys
import agents.cli.agent
from agents.registry import AGENTS, load_agent, load_site
for name in AGENTS:
    if os.fork() == 0:
        load_agent(name)
        load_site(sys.argv[1])
        print(name, *{module.split(".")[0] for module in sys.modules}, flush=True)
        os._exit(0)
    os.wait()
"""
"""Prints a line for each agent; what all of them need is imported once."""

ALL_COMMANDS = """
import importlib, sys
for name in sys.argv[1].split():
    importlib.import_module("agents.cli." + name)
print(*{module.split(".")[0] for module in sys.modules})
"""


def said(program: str, argument: str) -> str:
    """Return what a Python process prints."""
    return subprocess.run([sys.executable, "-c", program, argument], capture_output=True, text=True, check=True).stdout


def test_an_agent_imports_what_it_needs_and_nothing_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(sample_site_toml())
    lines = [line.split() for line in said(EACH_AGENT, str(path)).splitlines()]
    too_much = {name: HEAVY.intersection(imported) - NEEDED[name] for name, *imported in lines}
    assert too_much == {name: set() for name in NEEDED}


def test_commands_import_no_database_no_solver_and_no_server() -> None:
    assert (HEAVY | {"structlog"}).intersection(said(ALL_COMMANDS, COMMANDS).split()) == set()
