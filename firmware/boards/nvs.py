"""Non-volatile storage: what must survive a file system that was formatted (identity, credentials, counters, settings).

Works on ``esp32.NVS`` and on :class:`firmware.boards.file_nvs.FileNvs`. Each entry is replaced as a whole: after a
power loss it is the old or the new one. Names have at most 15 characters.
"""

import json

from ..app.json_text import NotJson, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..app.seam import Storage

    class RawNvs(Protocol):
        """``esp32.NVS``. Every method raises OSError."""

        def get_blob(self, key: str, buffer: bytearray) -> int:
            """Fill ``buffer`` and return the length."""

        def set_blob(self, key: str, value: bytes) -> None:
            """Set."""

        def erase_key(self, key: str) -> None:
            """Delete."""

        def commit(self) -> None:
            """Make it last."""


NAMESPACE = "chargebus"
IDENTITY, NETWORK, BROKER = "identity", "network", "broker"
"""JSON: who the charger is, its address, the broker and its password."""
CANDIDATE, TRIAL = "candidate", "trial"
"""A new certificate with the command that brought it, in JSON, and a word on what has become of it."""
MAX_BYTES = 4000
"""Longest entry; a certificate authority in the broker's entry is what is long."""

_NOT_FOUND = (-0x1102, 2)
"""ESP_ERR_NVS_NOT_FOUND as MicroPython raises it, and what a host says."""


class DamagedEntry(ValueError):
    """An entry that is there and cannot be read."""


class Nvs:
    """Entries by name."""

    def __init__(self, raw: "RawNvs") -> None:
        self._raw = raw

    def read(self, name: str) -> "bytes | None":
        """Return an entry, None if there is none. Raises OSError."""
        buffer = bytearray(MAX_BYTES)
        try:
            length = self._raw.get_blob(name, buffer)
        except OSError as error:
            if error.args[0] not in _NOT_FOUND:
                raise
            return None
        return bytes(buffer[:length])

    def write(self, name: str, data: bytes) -> None:
        """Replace an entry. Raises OSError, also for one that is too long."""
        if len(data) > MAX_BYTES:
            raise OSError(27, "an entry has at most %d bytes, %s has %d" % (MAX_BYTES, name, len(data)))
        self._raw.set_blob(name, data)
        self._raw.commit()

    def remove(self, name: str) -> None:
        """Delete an entry; nothing happens if there is none. Raises OSError."""
        try:
            self._raw.erase_key(name)
        except OSError as error:
            if error.args[0] not in _NOT_FOUND:
                raise
            return
        self._raw.commit()

    def read_object(self, name: str) -> "dict[str, Any] | None":
        """Return an entry that is a JSON object, None if there is none. Raises :class:`DamagedEntry` and OSError."""
        data = self.read(name)
        if data is None:
            return None
        try:
            value = read(data)
        except NotJson as error:
            raise DamagedEntry("%s in NVS: %s" % (name, error)) from None
        if not isinstance(value, dict):
            raise DamagedEntry("%s in NVS is no JSON object" % name)
        return value

    def write_object(self, name: str, value: "dict[str, Any]") -> None:
        """Replace an entry by a JSON object. Raises OSError."""
        self.write(name, json.dumps(value).encode())


class NvsCounter:
    """A lifetime number in eight bytes."""

    def __init__(self, nvs: Nvs, name: str) -> None:
        self._nvs = nvs
        self._name = name

    def load(self) -> int:
        """Return it, 0 if it was never kept. Raises OSError when it cannot be read: it must not begin again at 0."""
        data = self._nvs.read(self._name)
        if data is None:
            return 0
        if len(data) != 8:
            raise OSError(5, "the counter %s is damaged" % self._name)
        return int.from_bytes(data, "big")

    def keep(self, value: int) -> None:
        """Keep it. Raises OSError."""
        self._nvs.write(self._name, value.to_bytes(8, "big"))


KEPT_IN_NVS = ("register", "settings", "settings-2")
"""Files of the application that survive a formatted file system: without the first the register might begin again,
without the others the charger might forget how much its fuse carries."""


class DividedStorage:
    """The application's storage: a few files in NVS, all others in the file system."""

    def __init__(self, files: "Storage", nvs: Nvs) -> None:
        self._files = files
        self._nvs = nvs

    def read(self, name: str) -> "bytes | None":
        """Return the whole file, or None if there is none."""
        return self._nvs.read(name) if name in KEPT_IN_NVS else self._files.read(name)

    def write(self, name: str, data: bytes) -> None:
        """Replace the file."""
        if name in KEPT_IN_NVS:
            self._nvs.write(name, data)
        else:
            self._files.write(name, data)

    def append(self, name: str, data: bytes) -> None:
        """Add to the file's end; those in NVS are only ever replaced."""
        if name in KEPT_IN_NVS:
            raise ValueError("%s is kept in NVS and cannot grow" % name)
        self._files.append(name, data)

    def remove(self, name: str) -> None:
        """Delete the file."""
        if name in KEPT_IN_NVS:
            self._nvs.remove(name)
        else:
            self._files.remove(name)

    def size(self, name: str) -> int:
        """Length in bytes; 0 if there is no such file."""
        return len(self.read(name) or b"") if name in KEPT_IN_NVS else self._files.size(name)
