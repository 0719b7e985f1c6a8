"""Text on flash with a checksum: a line that is torn or has rotted is known to be so."""

import binascii
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Storage


def checked(line: bytes) -> str | None:
    """Return the body of a record, or None if the line is not one."""
    if len(line) < 10 or line[8:9] != b" ":
        return None
    body = line[9:]
    try:
        if int(line[:8], 16) != binascii.crc32(body):
            return None
        return str(body, "utf-8")
    except ValueError:
        return None


def record(body: str) -> bytes:
    """Return the line of a body: its checksum in 8 hexadecimal digits, a space, the body."""
    data = body.encode()
    return b"%08x %s" % (binascii.crc32(data), data)


def keep(storage: "Storage", name: str, value: object) -> None:
    """Replace a small file by ``value``. Raises :class:`OSError`."""
    storage.write(name, record(json.dumps(value)))


def kept(storage: "Storage", name: str, default: "Any") -> "Any":
    """Return what :func:`keep` has kept, or ``default`` if there is no file or it is damaged. Raises OSError."""
    data = storage.read(name)
    body = None if data is None else checked(data)
    return default if body is None else json.loads(body)
