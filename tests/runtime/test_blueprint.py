"""agents/BLUEPRINT.md: whoever copies it has an agent that works and passes its own test."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import agents
from agents.registry import AGENTS, Entry, load_agent, load_site, sample_site_toml
from agents.runtime.configuration.site_config import ConfigError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "agents/BLUEPRINT.md").read_text()
FILES = dict(
    re.findall(r"^`((?:agents|tests)/\S+\.py)`[^\n]*\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
)
LINE = re.search(r'^"overheating": .*,$', PAGE, re.MULTILINE)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder with the files of the page, of which ``agents`` knows."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert LINE is not None
    monkeypatch.setattr(agents, "__path__", [*agents.__path__, str(tmp_path / "agents")])
    monkeypatch.setitem(AGENTS, "overheating", eval("{" + LINE[0] + "}", {"Entry": Entry})["overheating"])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("agents.overheating")]:
        del sys.modules[name]


def test_the_page_has_all_files(copied: Path) -> None:
    assert sorted(FILES) == [
        "agents/overheating/__init__.py",
        "agents/overheating/agent.py",
        "agents/overheating/settings.py",
        "tests/overheating/test_agent.py",
    ]


def test_the_registry_finds_it_and_its_settings_are_shown(copied: Path) -> None:
    assert load_agent("overheating").name == "overheating"
    sample = sample_site_toml()
    assert "[overheating]" in sample
    assert "A charger is named from this temperature on, °C." in sample
    site = copied / "site.toml"
    site.write_text('site = "garage"\n[overheating]\nlimit_c = 500\n')
    with pytest.raises(ConfigError, match=r"site\.toml:3: overheating\.limit_c"):
        load_site(site)


def test_its_own_test_passes(copied: Path) -> None:
    """In a process of its own, with ``agents`` in two places."""
    (copied / "conftest.py").write_text(
        f"import agents\n\nagents.__path__.append({str(copied / 'agents')!r})\npytest_plugins = ()\n"
    )
    done = run("pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "tests/overheating", folder=copied)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_it_is_written_as_the_rest_is(copied: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", copied)
    for theirs in ("bus_schema", "agents/runtime", "tests/runtime"):
        # What is ours is imported in a block of its own.
        (copied / theirs).symlink_to(ROOT / theirs)
    for check in (("check", "--no-cache"), ("format", "--no-cache", "--check")):
        done = run("ruff", *check, "agents/overheating", "tests/overheating", folder=copied)
        assert done.returncode == 0, done.stdout + done.stderr


def run(module: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
