"""The agents' image: this Python, the packages that pyproject.toml asks for, and a wheel of this repository.

User, folders and entry point are those of `deploy/Dockerfile`; that one cannot be built without its base image.
"""

import os
import re
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.images.build import ROOT, copy, copy_libraries, owned, postgresql, run, user

HOME = Path("/opt/chargebus")
UNUSED = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "ensurepip", "config-*")


OURS = ("bus_schema", "agents", "firmware", "dashboards")


def fill(root: Path) -> Iterable[str]:
    """Put a virtual environment with the agents into the image, and PostgreSQL's tools for backups."""
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    python, library = Path(sys.executable).resolve(), Path(os.__file__).parent
    home = root / HOME.relative_to("/")
    packages = home / "lib" / library.name / "site-packages"
    copy(root, python)
    shutil.copytree(library, root / library.relative_to("/"), ignore=UNUSED, symlinks=True)
    extras = re.search(r'"\.\[([\w,]+)\]"', dockerfile)
    assert extras is not None
    for each in required(extras[1].split(",")):
        _copy_package(each, packages)
    _install_wheel(packages)
    _environment(home, python)
    tools = [postgresql() / "bin" / name for name in ("pg_dump", "pg_restore")]
    for tool in tools:
        copy(root, tool, f"/usr/bin/{tool.name}")
    copy_libraries(root, python, *tools, *library.glob("lib-dynload/*.so"), *packages.rglob("*.so"))
    ids = re.search(r"useradd --uid (\d+)", dockerfile)
    assert ids is not None
    user(root, "chargebus", int(ids[1]))
    owned(root, int(ids[1]), "var/lib/chargebus", mode=0o700)
    # What follows the last COPY holds for this image too.
    return dockerfile.partition("COPY --from=build ")[2].splitlines()[1:]


def required(extras: Iterable[str]) -> Iterator[Distribution]:
    """Yield what the agents need, and nothing else that is installed: a requirement that was forgotten is noticed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    left = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    done: set[tuple[str, str]] = set()
    while left:
        wanted = Requirement(left.pop())
        found = distribution(wanted.name)
        for extra in ("", *wanted.extras):
            key = (found.metadata["Name"], extra)
            if key in done:
                continue
            if not extra:
                yield found
            done.add(key)
            inner = (Requirement(text) for text in found.requires or ())
            left += [str(each) for each in inner if each.marker is None or each.marker.evaluate({"extra": extra})]


def _copy_package(package: Distribution, packages: Path) -> None:
    for file in package.files or ():
        source = Path(str(package.locate_file(file)))
        if ".." not in file.parts and source.is_file():
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)  # With its time, by which Python knows that what it has compiled is of it.


def _install_wheel(packages: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
        run(*pip, "wheel", "--no-deps", "-w", folder, str(ROOT))
        (wheel,) = Path(folder).glob("*.whl")
        run(sys.executable, "-m", "zipfile", "-e", str(wheel), str(packages))
    run(sys.executable, "-m", "compileall", "-q", *(str(packages / name) for name in OURS))


def _environment(home: Path, python: Path) -> None:
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to(python)
    (home / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    command = home / "bin/chargebus"
    command.write_text(f"#!{HOME}/bin/python\nfrom agents.cli.main import main\n\nmain()\n")
    command.chmod(0o755)
