"""What stays when a charger's process is killed: the meter's register, the car and its plug.

These are hardware, not firmware, so they live in a small memory-mapped file per charger: a ``kill -9`` of the process
is a power loss to the firmware, and nothing to the meter. Two slots are written in turn, each with a number and a
checksum, so that a kill in the middle of a write leaves the slot before it.
"""

import json
import mmap
import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SLOT_BYTES = 4_096
"""Room for one state."""

_HEAD = struct.Struct("<IIQ")
"""Checksum of the rest, length of the text, number of the write."""


class PhysicalState:
    """A dictionary of JSON values that survives the process."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises :class:`OSError` if that fails."""
        if not path.exists():
            path.write_bytes(bytes(2 * SLOT_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 2 * SLOT_BYTES)
        self._number = 0

    def __enter__(self) -> Self:
        """Return the state itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; what was saved stays."""
        self._map.close()

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last, or None if nothing ever was."""
        number, text = max(self._read(slot) for slot in (0, 1))
        self._number = max(self._number, number)
        if not number:
            return None
        state: dict[str, Any] = json.loads(text)
        return state

    def _read(self, slot: int) -> tuple[int, bytes]:
        """Return number and text of a slot, 0 and nothing if it was never written whole."""
        start = slot * SLOT_BYTES
        checksum, length, number = _HEAD.unpack_from(self._map, start)
        if not number or length > SLOT_BYTES - _HEAD.size:
            return 0, b""
        body = self._map[start + 4 : start + _HEAD.size + length]
        return (number, body[_HEAD.size - 4 :]) if zlib.crc32(body) == checksum else (0, b"")

    def save(self, state: dict[str, Any]) -> None:
        """Keep ``state`` from now on. Raises :class:`ValueError` if it does not fit."""
        text = json.dumps(state, separators=(",", ":")).encode()
        if len(text) > SLOT_BYTES - _HEAD.size:
            raise ValueError(f"physical state of {len(text)} bytes; there is room for {SLOT_BYTES - _HEAD.size}")
        self._number += 1
        body = _HEAD.pack(0, len(text), self._number)[4:] + text
        start = (self._number % 2) * SLOT_BYTES
        self._map[start : start + 4 + len(body)] = struct.pack("<I", zlib.crc32(body)) + body
