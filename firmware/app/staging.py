"""Brings an image into the spare slot, block by block, and reads it back before it may ever boot."""

import binascii
import hashlib

from .contract import (
    IMAGE_HEADER_BYTES,
    UPDATE_DOWNLOAD_FAILED,
    UPDATE_INSTALL_VERIFICATION_FAILED,
)
from .image import BadImage, Image
from .url import TransferFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .seam import Fetch, Slots

STALL_MS = 30_000
"""A server that sends nothing for so long is given up."""
LONGEST_MS = 3_600_000
"""A server that sends a byte now and then is given up after so long."""
VERIFY_BLOCKS = 8
"""Blocks that are read back in one step: 32 KiB."""


class Download:
    """Fetches an image into the spare slot. One step reads what has come and writes one block at most.

    ``accept`` is given the header as soon as it is there and raises :class:`BadImage` if it is not to be taken: until
    then nothing is written.
    """

    def __init__(self, slots: "Slots", fetch: "Fetch", accept: "Callable[[Image], None]", now: int) -> None:
        self._slots = slots
        self._fetch = fetch
        self._accept = accept
        self._head = b""
        self._block = bytearray(slots.block_bytes)
        self._filled = 0
        self._begun = self._heard = now
        self.image: Image | None = None
        """The image, once its header has been accepted."""
        self.header = b""
        self.taken = 0
        """Bytes of the payload that have come."""

    def step(self, now: int) -> bool:
        """Go on; return whether everything is on flash. Raises :class:`BadImage`."""
        try:
            return self._step(now)
        except TransferFailed as failed:
            raise BadImage(UPDATE_DOWNLOAD_FAILED, str(failed)) from None
        except OSError as error:
            raise BadImage(UPDATE_DOWNLOAD_FAILED, "the flash refuses to be written (%s)" % error) from None

    def close(self) -> None:
        """Let go of the connection."""
        self._fetch.close()

    def _step(self, now: int) -> bool:
        image = self.image
        if image is None:
            self._read_header(now)
            return False
        while True:
            wanted = min(len(self._block) - self._filled, image.length - self.taken)
            data = self._read(wanted or 1, now)
            if data is None:
                if self.taken < image.length:
                    got = IMAGE_HEADER_BYTES + self.taken
                    text = "the server closed the connection after %d of %d bytes"
                    raise TransferFailed(text % (got, IMAGE_HEADER_BYTES + image.length))
                self._write()
                return True
            if not data:
                return False
            if not wanted:
                raise TransferFailed("the file goes on behind the length that its header says")
            self._block[self._filled : self._filled + len(data)] = data
            self._filled += len(data)
            self.taken += len(data)
            if self._filled == len(self._block):
                self._write()
                return False

    def _read(self, most: int, now: int) -> "bytes | None":
        data = self._fetch.read(most)
        if data:
            self._heard = now
        if data == b"" and now - self._heard >= STALL_MS:
            raise TransferFailed("the server has sent nothing for %d s" % (STALL_MS // 1000))
        if now - self._begun >= LONGEST_MS:
            raise TransferFailed("not done after %d min" % (LONGEST_MS // 60_000))
        return data

    def _read_header(self, now: int) -> None:
        data = self._read(IMAGE_HEADER_BYTES - len(self._head), now)
        if data is None:
            text = "the file ends after %d bytes: an image's header alone has %d"
            raise TransferFailed(text % (len(self._head), IMAGE_HEADER_BYTES))
        self._head += data
        if len(self._head) == IMAGE_HEADER_BYTES:
            image = Image(self._head)
            self._accept(image)
            image.check_length(self._fetch.length)
            self.image, self.header = image, self._head

    def _write(self) -> None:
        if self._filled:
            for at in range(self._filled, len(self._block)):
                self._block[at] = 0xFF
            self._slots.write((self.taken - 1) // len(self._block), self._block)
            self._filled = 0


class Verification:
    """Reads the payload back from the spare slot and compares digests. One step reads 32 KiB at most."""

    def __init__(self, slots: "Slots", header: bytes, image: Image, file_sha256: "str | None") -> None:
        """``file_sha256``: digest of header and payload as hexadecimal digits, None for none that is known."""
        self._slots = slots
        self._image = image
        self._file_sha256 = file_sha256
        self._payload = hashlib.sha256()
        self._file = hashlib.sha256(header) if file_sha256 is not None else None
        self._block = bytearray(slots.block_bytes)
        self._number = 0
        self._left = image.length

    def step(self) -> bool:
        """Go on; return whether all is well and everything was read. Raises :class:`BadImage`."""
        try:
            for _ in range(VERIFY_BLOCKS):
                if not self._left:
                    break
                self._slots.read(self._number, self._block)
                part = memoryview(self._block)[: min(self._left, len(self._block))]
                self._payload.update(part)
                if self._file is not None:
                    self._file.update(part)
                self._number += 1
                self._left -= len(part)
        except OSError as error:
            raise BadImage(UPDATE_INSTALL_VERIFICATION_FAILED, "the flash cannot be read (%s)" % error) from None
        if self._left:
            return False
        self._compare()
        return True

    def _compare(self) -> None:
        failed = UPDATE_INSTALL_VERIFICATION_FAILED
        if self._payload.digest() != self._image.sha256:
            raise BadImage(failed, "SHA-256 of the payload is not what was signed: damaged or changed on its way")
        if self._file is not None and str(binascii.hexlify(self._file.digest()), "ascii") != self._file_sha256:
            raise BadImage(failed, "SHA-256 of the file is not the one of the command")
