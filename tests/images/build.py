"""Collects programs with their libraries in a folder and makes an image of it; needs the standard library only."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]


class CannotMake(Exception):
    """An image cannot be made here; the text says what is missing or what failed."""


def make(fill: Callable[[Path], Iterable[str]], *names: str) -> None:
    """Make an image: ``fill`` puts its files into a folder and returns the Dockerfile's further instructions."""
    with tempfile.TemporaryDirectory(prefix="chargebus-image-") as folder:
        root = Path(folder) / "root"
        root.mkdir(mode=0o755)
        (root / "tmp").mkdir()
        (root / "tmp").chmod(0o1777)
        instructions = fill(root)
        # An archive keeps owners, which COPY would not.
        run("tar", "-C", str(root), "-cf", f"{folder}/root.tar", ".")
        shutil.rmtree(root)
        (Path(folder) / "Dockerfile").write_text("\n".join(("FROM scratch", "ADD root.tar /", *instructions)) + "\n")
        run("docker", "build", "-q", *(part for name in names for part in ("-t", name)), folder)


def run(*command: str, within_s: float = 300) -> str:
    """Run a command and return what it prints. Raises :class:`CannotMake`."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s)
    if done.returncode != 0:
        raise CannotMake(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def program(name: str) -> Path:
    """Return where a program is installed. Raises :class:`CannotMake`."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise CannotMake(f"{name} is not installed")
    return Path(found)


def postgresql() -> Path:
    """Return the folder of the newest PostgreSQL that is installed. Raises :class:`CannotMake`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise CannotMake("the PostgreSQL server is not installed")
    return found[-1].parents[1]


def copy(root: Path, source: Path, target: str | None = None) -> None:
    """Copy the file or folder that a name stands for to the same name in the image, or to ``target``."""
    place = root / (target or str(source)).lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
    elif not place.exists():
        shutil.copy2(source, place)


def copy_libraries(root: Path, *binaries: Path) -> None:
    """Copy what programs and libraries are linked to; what comes from inside the image is there already."""
    command = ["ldd", *map(str, binaries)]
    linked = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    for library in sorted(set(re.findall(r"(/\S+) \(0x", linked))):
        if not Path(library).is_relative_to(root):
            copy(root, Path(library))


def user(root: Path, name: str, number: int) -> None:
    """Make the one user whom the image has beside root."""
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/:/none\n{name}:x:{number}:{number}:{name}:/:/none\n")
    (root / "etc/group").write_text(f"root:x:0:\n{name}:x:{number}:\n")


def owned(root: Path, number: int, *folders: str, mode: int = 0o755) -> None:
    """Make folders that belong to a user."""
    for folder in folders:
        path = root / folder
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        os.chown(path, number, number)
