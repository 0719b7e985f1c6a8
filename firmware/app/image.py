"""The header of a firmware image, and whether this charger may take it.

``bus_schema/firmware_image.py`` has the format.
"""

import binascii
import struct

from .contract import (
    IMAGE_FORMAT,
    IMAGE_HEADER_BYTES,
    IMAGE_LAYOUT,
    IMAGE_MAGIC,
    IMAGE_MAY_DOWNGRADE,
    IMAGE_SIGNED_BYTES,
    UPDATE_DOWNLOAD_FAILED,
    UPDATE_INSTALL_VERIFICATION_FAILED,
    UPDATE_INVALID_SIGNATURE,
)
from .signature import is_signed, key_id


class BadImage(Exception):
    """An image that is not taken: ``status`` of the contract, ``reason`` in words."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Image:
    """What the header says."""

    def __init__(self, data: bytes) -> None:
        """Read a header of ``IMAGE_HEADER_BYTES``. Raises :class:`BadImage`."""
        fields = struct.unpack(IMAGE_LAYOUT, data[:IMAGE_SIGNED_BYTES])
        if fields[0] != IMAGE_MAGIC:
            raise BadImage(UPDATE_INVALID_SIGNATURE, "the file is no signed image of chargebus")
        if fields[1] != IMAGE_FORMAT or fields[2] & ~IMAGE_MAY_DOWNGRADE:
            raise BadImage(UPDATE_INSTALL_VERIFICATION_FAILED, "image format %d is not known here" % fields[1])
        self.signed = data[:IMAGE_SIGNED_BYTES]
        self.signature = data[IMAGE_SIGNED_BYTES:IMAGE_HEADER_BYTES]
        self.may_downgrade = fields[2] & IMAGE_MAY_DOWNGRADE != 0
        self.length: int = fields[4]
        self.board = _text(fields[5])
        self.version = _text(fields[6])
        self.sha256: bytes = fields[7]
        self.key: bytes = fields[8]

    def check_signature(self, keys: "tuple[int, ...]", wanted: str) -> None:
        """Raise :class:`BadImage` unless one of ``keys`` (moduli) has signed it; ``wanted``: the command's."""
        if wanted:
            try:
                same = binascii.a2b_base64(wanted) == self.signature
            except ValueError:
                same = False
            if not same:
                raise BadImage(UPDATE_INVALID_SIGNATURE, "the signature of the command is not the image's")
        if not keys:
            raise BadImage(UPDATE_INVALID_SIGNATURE, "this charger was given no key for firmware (chargebus provision)")
        for modulus in keys:
            if key_id(modulus) == self.key:
                if is_signed(self.signed, self.signature, modulus):
                    return
                raise BadImage(UPDATE_INVALID_SIGNATURE, "the signature is wrong: the header was changed")
        name = str(binascii.hexlify(self.key), "ascii")
        raise BadImage(UPDATE_INVALID_SIGNATURE, "signed by key %s, which this charger does not trust" % name)

    def check_fits(self, board: str, running: str, wanted: "str | None", size: int) -> None:
        """Raise :class:`BadImage` unless it is for this board and slot, and not older than what is running."""
        failed = UPDATE_INSTALL_VERIFICATION_FAILED
        if self.board != board:
            raise BadImage(failed, "the image is for board %s, this is %s" % (self.board, board))
        if wanted is not None and wanted != self.version:
            raise BadImage(failed, "the image is version %s, the command wants %s" % (self.version, wanted))
        if not 1 <= self.length <= size:
            raise BadImage(failed, "the image has %d bytes, the slot has room for %d" % (self.length, size))
        if numbers(self.version) < numbers(running) and not self.may_downgrade:
            text = "the image is version %s, older than %s that runs; sign it with --may-downgrade to go back"
            raise BadImage(failed, text % (self.version, running))

    def check_length(self, file_bytes: "int | None") -> None:
        """Raise :class:`BadImage` if the server announces a file of another length than the header."""
        wanted = IMAGE_HEADER_BYTES + self.length
        if file_bytes is not None and file_bytes != wanted:
            text = "the server announces %d bytes, the image's header %d"
            raise BadImage(UPDATE_DOWNLOAD_FAILED, text % (file_bytes, wanted))


def numbers(version: str) -> "tuple[int, ...]":
    """Return a version as numbers to compare; a part that is none counts as 0."""
    return tuple([int(part) if part.isdigit() else 0 for part in version.split(".")])


def _text(field: bytes) -> str:
    # MicroPython reads "ascii" like any other name of an encoding: what is not ASCII must be looked for.
    text = field.rstrip(b"\0")
    return str(text, "ascii") if all([0x20 <= byte <= 0x7E for byte in text]) else "?"
