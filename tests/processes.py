"""Agents as processes of their own, the way a site runs them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

_RUN = (
    "import sys; from agents.registry import load_agent; from agents.runtime.process import run_agent; "
    "from agents.runtime.configuration.site_config import load_site; "
    "sys.exit(run_agent(load_agent(sys.argv[1]), load_site(sys.argv[2])))"
)


def start_agent(name: str, site_toml: Path, log: Path, **environment: str) -> subprocess.Popen[bytes]:
    """Start the agent ``name``; what it writes is added to ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-c", _RUN, name, str(site_toml)],
            cwd=ROOT, stdout=output, stderr=output, env=os.environ | environment,
        )  # fmt: skip
