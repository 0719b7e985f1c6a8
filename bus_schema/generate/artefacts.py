"""The list of generated files, and the comparison with what is on disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bus_schema.generate import (
    acl,
    asyncapi,
    firmware,
    home_assistant,
    influx,
    json_schema,
    lease_vectors,
    mosquitto,
)
from bus_schema.topics import TOPICS

COMMAND = "python -m bus_schema"
"""What to run when a generated file is stale."""

GENERATED = PurePosixPath("bus_schema/generated")
"""Where everything lies that is not code of another folder."""


@dataclass(frozen=True)
class Artefact:
    """A generated file: where it belongs, relative to the repository, and what must stand in it."""

    path: PurePosixPath
    content: str


def artefacts() -> tuple[Artefact, ...]:
    """Return every file that is generated from the contract. The same contract always gives the same bytes."""
    return tuple(_all())


def _all() -> Iterator[Artefact]:
    yield Artefact(PurePosixPath("firmware/app/contract.py"), firmware.constants())
    yield Artefact(GENERATED / "asyncapi.json", asyncapi.document())
    for topic in TOPICS:
        yield Artefact(GENERATED / "json_schema" / f"{topic.name}.json", json_schema.document(topic))
    yield Artefact(GENERATED / "mosquitto.acl", acl.example_acl())
    yield Artefact(PurePosixPath("deploy/mosquitto/mosquitto.conf"), mosquitto.site_conf())
    yield Artefact(GENERATED / "influx_fields.json", influx.document())
    yield Artefact(GENERATED / "lease_vectors.json", lease_vectors.document())
    yield Artefact(GENERATED / "home_assistant_example.json", home_assistant.example())


def stale(root: Path) -> list[PurePosixPath]:
    """Return which generated files under ``root`` are missing, differ, or lie there though nothing makes them."""
    wanted = {artefact.path: artefact.content for artefact in artefacts()}
    wrong = [path for path, content in wanted.items() if _read(root / path) != content]
    folder = root / GENERATED
    there = (PurePosixPath(path.relative_to(root).as_posix()) for path in folder.rglob("*") if path.is_file())
    return sorted(wrong + [path for path in there if path not in wanted])


def write(root: Path) -> list[PurePosixPath]:
    """Bring the generated files under ``root`` up to date and return those that changed.

    A file under ``bus_schema/generated`` that nothing makes any longer is removed.
    """
    wanted = {artefact.path: artefact.content for artefact in artefacts()}
    changed = stale(root)
    for path in changed:
        target = root / path
        if path in wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(wanted[path], encoding="utf-8", newline="\n")
        else:
            target.unlink()
    return changed


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
