"""X11: what is installed is what deploy/locked says, to the byte, and the bill of materials says the same."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.deploy.site import ROOT

LOCKED = ROOT / "deploy/locked"
EXTRAS = {"run": (), "postgresql": ("postgresql",), "test": ("postgresql", "parquet", "test")}
ENTRY = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+?))? \\\n(?P<hashes>(?: {4}--hash=.*\n?)+)", re.M
)


def entries(text: str) -> list[Requirement]:
    """Return what a lock file pins."""
    return [
        Requirement(f"{found['name']}=={found['version']}" + (f"; {found['marker']}" if found["marker"] else ""))
        for found in ENTRY.finditer(text)
    ]


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    """Return what pyproject.toml asks for with these extras, and what builds chargebus itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in extras:
        lines += project["project"]["optional-dependencies"][extra]
    return [each for each in map(Requirement, lines) if each.name != "chargebus"]


@pytest.mark.parametrize("name", EXTRAS)
def test_each_package_that_is_asked_for_is_locked_in_a_version_that_fits(name: str) -> None:
    pinned: dict[str, list[Version]] = {}
    for entry in entries((LOCKED / f"{name}.txt").read_text()):
        (specifier,) = entry.specifier
        pinned.setdefault(canonicalize_name(entry.name), []).append(Version(specifier.version))
    for requirement in wanted(EXTRAS[name]):
        versions = pinned.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement} is in pyproject.toml but not locked: sh deploy/lock.sh"
        assert all(requirement.specifier.contains(v, prereleases=True) for v in versions), f"{requirement}: {versions}"


@pytest.mark.parametrize("name", EXTRAS)
def test_nothing_is_locked_without_a_hash_or_with_the_address_of_an_index(name: str) -> None:
    text = (LOCKED / f"{name}.txt").read_text()
    assert len(entries(text)) == len(re.findall(r"^\S", text, re.M)), "each line is an entry with hashes"
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", found["hashes"]) for found in ENTRY.finditer(text))
    assert "://" not in text and "--index" not in text


def test_what_is_tested_is_what_runs() -> None:
    tested = {str(entry) for entry in entries((LOCKED / "test.txt").read_text())}
    for name in ("run", "postgresql"):
        others = {str(entry).partition(";")[0] for entry in entries((LOCKED / f"{name}.txt").read_text())}
        assert others <= {entry.partition(";")[0] for entry in tested}, name


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    """Pip itself, on a lock file of one package whose hash is not that of the file that there is."""
    package = tmp_path / "chargebus_probe-1.0-py3-none-any.whl"
    package.write_bytes(b"anything")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"chargebus-probe==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--find-links", str(tmp_path)]
    done = subprocess.run(
        [*command, "--require-hashes", "--requirement", str(lock)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0 and "DO NOT MATCH THE HASHES" in done.stderr


def test_everything_that_installs_does_so_from_the_lock() -> None:
    """Up, images, servers and CI: no other way in."""
    venv = (ROOT / "deploy/venv.sh").read_text()
    assert re.findall(r"pip_install (.+) \|\|", venv) == [
        '--require-hashes --requirement "$packages"',
        "--no-deps --no-build-isolation --editable .",
    ]
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    for line in re.findall(r"pip install (.+)", dockerfile):
        assert "--require-hashes" in line or "--no-deps --no-build-isolation" in line
    for script in ("deploy/up.sh", "deploy/prepare.sh", "deploy/install.sh", "tests/run.sh"):
        text = (ROOT / script).read_text()
        assert re.search(r"ensure_venv (run|postgresql|test)\b", text) and "pip install" not in text, script


def test_the_bill_of_materials_is_that_of_the_lock() -> None:
    bill = json.loads((ROOT / "deploy/sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "chargebus"
    listed = {(canonicalize_name(each["name"]), each["version"]) for each in bill["components"]}
    written_on = {"python_version": "3.11", "python_full_version": "3.11.7", "sys_platform": "linux"}
    written_on |= {"platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}
    written_on |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    locked = {
        (canonicalize_name(entry.name), next(iter(entry.specifier)).version)
        for entry in entries((LOCKED / "postgresql.txt").read_text())
        if entry.marker is None or entry.marker.evaluate(written_on)
    }
    assert listed == locked, "sh deploy/lock.sh writes both"
    unlicensed = [each["name"] for each in bill["components"] if not each.get("licenses")]
    assert len(unlicensed) <= len(bill["components"]) // 10, unlicensed


def test_there_is_a_licence_and_a_way_to_report_a_weakness() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    security = (ROOT / "SECURITY.md").read_text()
    for part in ("## Reporting", "## Supported versions", "## What the design protects", "## What it does not"):
        assert part in security, part
