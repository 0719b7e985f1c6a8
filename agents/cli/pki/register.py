"""The register of a site's authority: every certificate that was ever signed, whoever has it now.

``issued.jsonl`` in the authority's folder, one JSON object a line, only ever added to: name, serial number, end. A
certificate that was renewed is valid until its end, so revoking a name has to know its earlier ones.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agents.cli.whole_file import sync_folder, write_whole

FILE = "issued.jsonl"
"""Name of the register in the authority's folder."""


class UnreadableRegister(ValueError):
    """A line of the register is damaged; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate that was signed."""

    name: str
    serial: int
    ends: datetime


def begin(folder: Path, earlier: Iterable[Signed]) -> None:
    """Begin the register of a folder that has none with what ``earlier`` versions have signed. Raises ``OSError``."""
    write_whole(folder / FILE, "".join(map(_line, earlier)).encode(), 0o600)


def note(folder: Path, name: str, serial: int, ends: datetime) -> None:
    """Add a certificate before it is given out: one that is not in the register could not be revoked.

    Raises :class:`OSError`.
    """
    line = _line(Signed(name, serial, ends))
    path = folder / FILE
    is_new = not path.exists()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(folder)


def _line(row: Signed) -> str:
    return json.dumps({"name": row.name, "serial": f"{row.serial:x}", "ends": row.ends.isoformat()}) + "\n"


def signed(folder: Path) -> list[Signed]:
    """Return every certificate in the register, the oldest first. Raises :class:`UnreadableRegister`."""
    path = folder / FILE
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            row = json.loads(line)
            found.append(Signed(row["name"], int(row["serial"], 16), datetime.fromisoformat(row["ends"])))
        except (ValueError, KeyError, TypeError):
            raise UnreadableRegister(
                f"{path}, line {number} is damaged: remove that line, or bring the file back from the backup; what it "
                "named can then be revoked only by its certificate"
            ) from None
    return found
