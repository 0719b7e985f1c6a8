"""The cars' own record of what they took: one JSON object a line, appended by the physical side."""

import json
import os
from pathlib import Path
from typing import Any


class CarLog:
    """A file that each record is appended to with one write, so that a kill tears none.

    A record may come twice, when the process was killed right after writing it: the last one of the same ``charger``,
    ``visit`` and ``event`` counts.
    """

    def __init__(self, path: Path) -> None:
        """Open the file for appending. Raises :class:`OSError` if that fails."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def append(self, record: dict[str, Any]) -> None:
        """Add a record. Raises :class:`OSError` if the disk is full."""
        os.write(self._file, json.dumps(record, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
