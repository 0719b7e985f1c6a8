"""The file that a charger's firmware is replaced by: a signed header, then the application image.

The payload is the microcontroller's whole application image (native code with the app frozen in). There is no other
kind of update: one file, one version, one signature.

====== ====== ===================================================================================================
offset length
====== ====== ===================================================================================================
0      8      ``CHGBUSFW``
8      1      version of this format, 1
9      1      flags: 1 = may replace a newer version
10     2      zero
12     4      length of the payload
16     32     board that it is for (``meta.hardware``), ASCII, filled up with zeros
48     16     version, three numbers with dots, ASCII, filled up with zeros
64     32     SHA-256 of the payload
96     8      key: the first 8 bytes of the SHA-256 of the modulus
104    24     zero
128    384    signature of the 128 bytes before: RSA-3072, PSS with SHA-256, MGF1 with SHA-256, 32 bytes of salt
512    ...    payload
====== ====== ===================================================================================================

Numbers are little-endian. The signature covers the payload through its digest, so that a charger knows from the first
512 bytes whether it may take the rest, before it has written anything.

RSA with the exponent 65537 because a charger verifies it in Python: one ``pow()``, measured at 6 ms on MicroPython's
unix port against 17 ms for ECDSA on P-256; Ed25519 needs SHA-512, which MicroPython on ESP32 lacks. PSS with SHA-256
is what OCPP's security whitepaper asks for.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints

from bus_schema.ids import is_id

MAGIC = b"CHGBUSFW"
FORMAT = 1
LAYOUT = "<8sBBHI32s16s32s8s24s"
SIGNED_BYTES = 128
HEADER_BYTES = 512
"""Header with its signature; the payload begins here."""
KEY_BITS = 3072
KEY_EXPONENT = 65537
SALT_BYTES = 32
MAY_DOWNGRADE = 1
"""Flag: may replace a newer version."""
VERSION_PATTERN = r"^(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$"

ImageVersion = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
"""``MAJOR.MINOR.PATCH``, compared as three numbers."""


class BadImage(ValueError):
    """A file that is no firmware image, or not a good one; the text says what is wrong with it."""


@dataclass(frozen=True)
class Header:
    """What an image says about itself."""

    board: str
    """Board that it is for; the charger's ``meta.hardware``."""
    version: str
    """``MAJOR.MINOR.PATCH``."""
    length: int
    """Bytes of the payload."""
    sha256: bytes
    """Digest of the payload."""
    key: bytes
    """Which key signed it: :func:`key_id`."""
    may_downgrade: bool = False
    """Whether it may replace a newer version."""

    def encode(self) -> bytes:
        """Return the bytes that are signed. Raises :class:`BadImage` if a value is not possible."""
        if not is_id(self.board):
            raise BadImage(f"board {self.board!r}: use 1 to 32 characters out of a-z, 0-9, '_' and '-'")
        if re.match(VERSION_PATTERN, self.version) is None or self.version.endswith("\n"):
            raise BadImage(f"version {self.version!r}: write three numbers, for example 0.2.0")
        if not 1 <= self.length < 2**32:
            raise BadImage(f"a payload of {self.length} bytes")
        flags = MAY_DOWNGRADE if self.may_downgrade else 0
        values = (self.length, self.board.encode(), self.version.encode(), self.sha256, self.key, b"")
        return struct.pack(LAYOUT, MAGIC, FORMAT, flags, 0, *values)


def key_id(modulus: int) -> bytes:
    """Return the eight bytes by which a header names the key that signed it."""
    return hashlib.sha256(modulus.to_bytes(KEY_BITS // 8, "big")).digest()[:8]


def decode(data: bytes) -> tuple[Header, bytes]:
    """Return header and signature of a file; the signature is not verified here. Raises :class:`BadImage`."""
    if len(data) < HEADER_BYTES:
        raise BadImage(f"{len(data)} bytes are no firmware image: its header alone has {HEADER_BYTES}")
    fields = struct.unpack(LAYOUT, data[:SIGNED_BYTES])
    magic, number, flags, zero, length, board, version, digest, key, rest = fields
    if magic != MAGIC:
        raise BadImage("not a firmware image of chargebus, or not a signed one")
    if number != FORMAT or flags & ~MAY_DOWNGRADE or zero or any(rest):
        raise BadImage(f"image format {number}, flags {flags}: only format {FORMAT} is known")
    try:
        names = [name.rstrip(b"\0").decode("ascii") for name in (board, version)]
    except UnicodeDecodeError:
        raise BadImage("board or version are not ASCII") from None
    header = Header(names[0], names[1], length, digest, key, bool(flags & MAY_DOWNGRADE))
    if header.encode() != data[:SIGNED_BYTES]:
        raise BadImage("the header does not say board and version as it should")
    return header, data[SIGNED_BYTES:HEADER_BYTES]


def check_payload(header: Header, payload: bytes) -> None:
    """Compare a payload with its header. Raises :class:`BadImage`."""
    if len(payload) != header.length:
        raise BadImage(f"the payload has {len(payload)} bytes, the header says {header.length}")
    if hashlib.sha256(payload).digest() != header.sha256:
        raise BadImage("the payload's SHA-256 is not the header's: it was changed or is damaged")
