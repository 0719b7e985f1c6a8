"""The two firmware slots of a virtual charger, and the boot loader that chooses between them.

An image's payload is kept as it came: the process runs the same Python in either slot, only the version differs. A new
slot is tried once; a restart without a confirmation, a killed process too, goes back (ESP-IDF's rollback).
"""

import json
from pathlib import Path
from typing import Any

SLOT_BYTES = 2 * 1024 * 1024
"""Room for an image; about what an ESP32 with 4 MiB of flash has."""

_SLOTS = ("ota_0", "ota_1")


class VirtualSlots:
    """The app's ``Slots`` seam, in memory or in a folder."""

    block_bytes = 4096
    size = SLOT_BYTES

    def __init__(self, version: str, folder: Path | None = None) -> None:
        """Take what the folder holds; a new one begins with ``version`` running. Raises :class:`OSError`."""
        self._folder = folder
        self._content = {name: bytearray() for name in _SLOTS}
        self._state: dict[str, Any] = {"slot": "ota_0", "trying": None, "tried": False, "versions": {"ota_0": version}}
        self._booted = "ota_0"
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name in _SLOTS:
                path = folder / name
                self._content[name] = bytearray(path.read_bytes()) if path.exists() else bytearray()
            if (kept := folder / "boot.json").exists():
                self._state = json.loads(kept.read_text(encoding="utf-8"))

    # --- the boot loader ---

    def boot(self, tried_version: str | None) -> str:
        """Start what is to be started; return its version.

        ``tried_version`` is that of the image in the spare slot, which only the charger's own record knows.
        """
        state = self._state
        if state["trying"] is not None and state["tried"]:
            state["trying"] = None
        elif state["trying"] is not None:
            state["tried"] = True
            state["versions"][state["trying"]] = tried_version
        self._booted = state["slot"] if state["trying"] is None else state["trying"]
        self._keep()
        return str(state["versions"][self._booted])

    def _keep(self) -> None:
        if self._folder is not None:
            new = self._folder / "boot.json.new"
            new.write_text(json.dumps(self._state), encoding="utf-8")
            new.replace(self._folder / "boot.json")

    # --- the seam ---

    def running(self) -> str:
        """Name of the slot that was booted."""
        return self._booted

    def spare(self) -> str:
        """Name of the other one."""
        return _SLOTS[1 - _SLOTS.index(self._booted)]

    def write(self, block: int, data: bytearray) -> None:
        """Write a block of the spare slot."""
        name, start = self.spare(), block * self.block_bytes
        content = self._content[name]
        if len(content) < start:
            content.extend(b"\xff" * (start - len(content)))
        content[start : start + len(data)] = data
        if self._folder is not None:
            path = self._folder / name
            with path.open("r+b" if path.exists() else "w+b") as file:
                file.seek(start)
                file.write(data)

    def read(self, block: int, data: bytearray) -> None:
        """Fill ``data`` with a block of the spare slot."""
        start = block * self.block_bytes
        piece = self._content[self.spare()][start : start + len(data)]
        data[:] = piece + b"\xff" * (len(data) - len(piece))

    def boot_spare(self) -> None:
        """Try the spare slot once."""
        self._state.update(trying=self.spare(), tried=False)
        self._keep()

    def confirm(self) -> None:
        """Stay with what runs."""
        self._state.update(slot=self._booted, trying=None)
        self._keep()
